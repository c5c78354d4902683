"""What a line of the log says, and what it never does."""

import json
import logging
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory
from django.urls import resolve

from rest.logs import Context, about
from tradingrules.logs import JsonLine, ReadableLine, WithoutAddresses

SECRET = 'pa55"word\\of-mine'
RULE = UUID("8ef6b35a-97fc-409a-be29-2ccb900f73eb")


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.Logger("a.part")
    logger.propagate = False
    return logger


@pytest.fixture
def written(logger: logging.Logger) -> Callable[[], list[dict[str, Any]]]:
    """The lines, as a program reads them."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLine(secrets=[SECRET, ""]))
    handler.addFilter(Context())
    handler.addFilter(WithoutAddresses())
    logger.addHandler(handler)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json_with_what_it_is_about(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    with about(tick="2026-11-17T15:00:00+00:00"):
        logger.info("a rule fired\nonce", extra={"action_id": RULE, "fired": 1, "password": "x"})
    logger.warning("%d rules", 3)
    first, second = written()
    assert first.pop("at").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "a.part",
        "message": "a rule fired\nonce",
        "tick": "2026-11-17T15:00:00+00:00",
        "action_id": str(RULE),
        "fired": 1,
    }
    assert (second["message"], second["level"]) == ("3 rules", "warning")
    assert "tick" not in second


def test_a_record_about_many_things_is_a_line_for_each_of_them(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    other = UUID(int=1)
    each = [{"action_id": RULE, "password": "x"}, {"action_id": other}]
    logger.info("a rule fired", extra={"outcome": "success", "each": each})
    lines = written()
    assert [(line["message"], line["outcome"]) for line in lines] == [
        ("a rule fired", "success")
    ] * 2
    assert [line["action_id"] for line in lines] == [str(RULE), str(other)]
    assert not any("password" in line for line in lines)


def test_what_is_no_utf_8_and_numbers_of_any_size_are_written_too(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    logger.info("half a \ud83d", extra={"woken": 2**70, "action_id": RULE})
    (line,) = written()
    assert line["message"] == "half a \ud83d"
    assert (line["woken"], line["action_id"]) == (2**70, str(RULE))


def test_what_is_said_within_what_is_said_adds_to_it(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    with about(tick="one"), about(user_id="ada"):
        logger.info("", extra={"tick": "its own"})
    (line,) = written()
    assert (line["tick"], line["user_id"]) == ("its own", "ada")


def test_secrets_addresses_and_rows_are_left_out_of_words_and_tracebacks(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    try:
        raise RuntimeError(f"key {SECRET}, ada.l@example.org\nDETAIL:  Key (a)=(Ada) exists.\nend")
    except RuntimeError:
        logger.exception("to ada.l@example.org with %s", SECRET)
    (line,) = written()
    assert line["message"] == "to [left out] with [left out]"
    assert line["exception"].startswith("Traceback")
    assert "RuntimeError: key [left out], [left out]\nDETAIL: [left out]\nend" in line["exception"]


def test_a_request_is_told_by_the_pattern_of_its_address(
    logger: logging.Logger, written: Callable[[], list[dict[str, Any]]]
) -> None:
    request = RequestFactory().get("/unsubscribe/a-token-that-opens")
    request.resolver_match = resolve(request.path)
    logger.warning("Gone: %s", request.path, extra={"request": request, "status_code": 410})
    unknown = RequestFactory().get("/a-token-that-opens")
    logger.warning("Not Found: %s", unknown.path, extra={"request": unknown, "status_code": 404})
    first, second = written()
    assert (first["message"], first["status_code"]) == ("Gone: /unsubscribe/<str:token>", 410)
    assert second["message"] == "Not Found: an address that is none"


def test_people_read_the_words_first_and_then_what_it_is_about() -> None:
    record = logging.LogRecord("a.part", logging.INFO, "", 1, "a rule fired", (), None)
    record.action_id = RULE
    try:
        raise ValueError("of ada@example.org")
    except ValueError:
        record.exc_info = sys.exc_info()
    first, *traceback = ReadableLine().format(record).splitlines()
    assert first.endswith(f"INFO a.part: a rule fired (action_id={RULE})")
    assert traceback[-1] == "ValueError: of [left out]"
