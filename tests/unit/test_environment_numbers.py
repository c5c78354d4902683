"""Numbers in the environment that make no sense are refused, with those that do."""

import os
import re
import runpy
from decimal import Decimal
from typing import get_args

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.unit.test_environment import _empty_environment, production
from tradingrules.environment import BASE_DIR, Environment, read_environment
from tradingrules.numbers import numbers_of

__all__ = ["_empty_environment", "production"]  # fixtures

NUMBERS = [
    name
    for name, field in Environment.model_fields.items()
    if {int, float, Decimal} & {field.annotation, *get_args(field.annotation)}
]
NONSENSE = ["-1", "1e-9", "1" + "0" * 30, "inf", "nan", "many"]
TINY_PRICES = {("openai_input_usd", "1e-9"), ("openai_output_usd", "1e-9")}  # may be


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in NUMBERS for value in NONSENSE if (name, value) not in TINY_PRICES],
)
def test_a_number_beyond_sense_is_refused_with_those_that_make_sense(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    numbers = numbers_of(Environment.model_fields[name])
    assert str(refusal.value) == f"{name.upper()}='{value}': Use {numbers}."
    assert re.fullmatch(r"a (whole )?number from [\d.]+ to \d+( with at most 2 decimals)?", numbers)


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("value", "taken"), [("0.049", False), ("0.05", True), ("3600", True), ("3600.1", False)]
)
def test_the_first_and_the_last_of_them_are_taken(
    value: str, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICK_SECONDS_OPEN", value)
    if taken:
        assert read_environment().tick_seconds_open == float(value)
        return
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    assert str(refusal.value) == f"TICK_SECONDS_OPEN='{value}': Use a number from 0.05 to 3600."


@pytest.mark.parametrize("value", ["0", "-1", "257", "1.5", "many", "1" * 5000])
def test_gunicorn_is_not_started_with_a_number_of_workers_that_cannot_be(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    with pytest.raises(SystemExit, match=r"Use a whole number from 1 to 256\.$"):
        gunicorn_workers()


@pytest.mark.parametrize(("value", "workers"), [("", 2), ("1", 1), ("256", 256)])
def test_it_is_started_with_one_that_can(
    value: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    assert gunicorn_workers() == workers


def gunicorn_workers() -> object:
    return runpy.run_path(os.fspath(BASE_DIR / "deploy" / "gunicorn_conf.py"))["workers"]
