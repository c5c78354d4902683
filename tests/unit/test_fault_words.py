"""What is wrong with a request is said in plain words, never in the library's or in Python's."""

from typing import Any

import pytest

from actions.api.shapes import NewRule, RuleChanges
from rest.bodies import Body, validated
from rest.problems import Problem

RULE: dict[str, Any] = {
    "action_type": "BUY",
    "symbol": "AAPL",
    "quantity": "10",
    "trigger_type": "price_below",
    "trigger_params": {"threshold": "150"},
}


def said(changes: dict[str, Any], shape: type[Body] = NewRule) -> dict[str, str]:
    with pytest.raises(Problem) as refused:
        validated(shape, {**RULE, **changes})
    return refused.value.errors


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("quantity", -1, "Use more than 0."),
        ("quantity", "0.000000001", "Use at most 8 decimals."),
        ("quantity", "9" * 30, "Use at most 20 digits."),
        ("quantity", 10**15, "Use at most 12 digits before the decimals."),
        ("symbol", "", "This must not be empty."),
        ("symbol", 5, "Use a text."),
        ("symbol", "A" * 41, "Use at most 40 characters."),
        ("notes", "a" * 2001, "Use at most 2,000 characters."),
        ("max_executions", 1.5, "Use a whole number."),
        ("cooldown_seconds", "60", "Use a whole number."),
        ("rehearsal", "yes", "Use true or false."),
        ("portfolio_id", 1, "Use an id, such as 8ef6b35a-97fc-409a-be29-2ccb900f73eb."),
        ("portfolio_id", "mine", "Use an id, such as 8ef6b35a-97fc-409a-be29-2ccb900f73eb."),
        ("trigger_params", [], "Use an object, such as {}."),
        ("status", "completed", "Use active."),
        ("colour", "red", "It is not among the fields that can be sent. Leave it out."),
        ("valid_until", "2026-02-30", "There is no such day. Write one such as 2026-11-27."),
        (
            "valid_until",
            "12/31/2026",
            "Write a day such as 2026-11-27, or an instant such as 2026-11-27T16:00:00-05:00.",
        ),
        (
            "valid_until",
            "2026-12-31T24:00:00Z",
            "There is no such instant. Write one that there is, such as 2026-11-27T16:00:00-05:00.",
        ),
        (
            "valid_from",
            "2026-12-31T23:59:59+24:00",
            "There is no such instant. Write one that there is, such as 2026-11-27T16:00:00-05:00.",
        ),
        ("valid_from", "tomorrow", "Write an instant such as 2026-11-27T16:00:00-05:00."),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(field: str, value: object, words: str) -> None:
    assert said({field: value}) == {field: words}


def test_a_status_that_is_none_is_told_which_there_are() -> None:
    words = "Use active, paused, completed, cancelled or failed."
    assert said({"status": "Paused"}, RuleChanges) == {"status": words}
