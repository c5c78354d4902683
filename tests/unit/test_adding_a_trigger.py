"""The page on adding a trigger shows one that works."""

import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from actions.marks import Level, Role
from actions.rules import Outcome, Trigger
from tests.unit.conftest import a_rule, a_view

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-trigger.md"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> type[Trigger]:
    """The class in the page's code, as if it stood in actions/triggers/round_price.py."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    module = ModuleType("actions.triggers.round_price")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code.group(1), vars(module))  # noqa: S102 - our own page
    found: type[Trigger] = module.RoundPrice
    return found


def test_its_examples_read_as_they_say(shown: type[Trigger]) -> None:
    assert shown.key() == "round_price"
    for example in shown.examples:
        assert shown.model_validate(example.params).describe("AAPL") == example.reads


def test_it_draws_the_prices_next_to_the_quote_at_which_it_fires(shown: type[Trigger]) -> None:
    rule = a_rule()
    half = shown.model_validate({"cents": 50}).annotate(rule, a_view(AAPL="10.51"))
    assert half == (
        Level("AAPL", Decimal("10.50"), Role.TRIGGER, "Fires at $10.50"),
        Level("AAPL", Decimal("11.50"), Role.TRIGGER, "Fires at $11.50"),
    )
    (one,) = shown.model_validate({"cents": 0}).annotate(rule, a_view(AAPL="0.30"))
    assert one == Level("AAPL", Decimal(1), Role.TRIGGER, "Fires at $1.00")
    assert shown.model_validate({}).annotate(rule, a_view()) == ()


def test_it_fires_as_it_says_and_wakes_for_any_price(shown: type[Trigger]) -> None:
    trigger = shown.model_validate({"cents": 50})
    rule = a_rule()
    assert trigger.evaluate(rule, a_view(AAPL="10.50")).outcome is Outcome.FIRED
    assert trigger.evaluate(rule, a_view(AAPL="10.51")).outcome is Outcome.NOT_FIRED
    assert trigger.watch(rule, a_view(AAPL="10.51")).bands["AAPL"].above == Decimal("0.000001")
