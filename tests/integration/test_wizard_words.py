"""What the wizard's fields say of what cannot be: in the words and the numbers that were typed."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from actions.models import Action
from tests.factories import UserFactory
from tests.integration.test_wizard import Wizard, ada, errors

__all__ = ["ada"]  # a fixture


def at_the_condition(user: User, trigger_type: str) -> Wizard:
    wizard = Wizard(user).send(action_type="BUY")
    wizard.send(symbol="AAPL", measure="10", measured_in="quantity")
    return wizard.send(trigger_type=trigger_type)


@pytest.mark.parametrize(
    ("trigger_type", "typed", "field", "words"),
    [
        ("price_below", {"threshold": "0"}, "threshold", "Use more than 0."),
        ("price_below", {"threshold": "0.0000001"}, "threshold", "Use at most 6 decimals."),
        ("price_below", {"threshold": "1e30"}, "threshold", "Use at most 18 digits."),
        ("change_pct", {"change": "1e9", "direction": "up"}, "change", "Use 10,000 or less."),
        ("from_high", {"percent": "100"}, "percent", "Use less than 100."),
        ("from_high", {"percent": "5", "lookback": "1"}, "lookback", "Use 2 or more."),
        ("trailing_stop", {"measure": "101"}, "measure", "Use less than 100."),
        ("time_of_day", {"time": "09:35", "days": []}, "days", "Choose at least one."),
        (
            "time_of_day",
            {"time": "09:35", "days": ["trading_days", "mon"]},
            "days",
            "Choose Trading days, or others, but not both.",
        ),
    ],
)
def test_a_bound_is_told_in_plain_words(
    ada: User, trigger_type: str, typed: dict[str, Any], field: str, words: str
) -> None:
    wizard = at_the_condition(ada, trigger_type).send(**typed)
    assert errors(wizard)[field] == words


@pytest.mark.parametrize(
    ("typed", "words"),
    [("150", "Use 100 % or less."), ("0", "Use more than 0."), ("-5 %", "Use more than 0.")],
)
def test_a_part_is_judged_in_the_percent_that_were_typed(ada: User, typed: str, words: str) -> None:
    wizard = Wizard(ada).send(action_type="SELL")
    wizard.send(symbol="AAPL", measure=typed, measured_in="fraction")
    assert errors(wizard) == {"measure": words}


@pytest.mark.parametrize(
    ("measure", "measured_in", "words"),
    [
        ("$500", "quantity", "Leave out the $, or choose another measure: this one is shares."),
        ("50 %", "quantity", "Leave out the %, or choose another measure: this one is shares."),
        ("50 %", "amount_usd", "Leave out the %, or choose another measure: this one is dollars."),
        ("$50", "fraction", "Leave out the $, or choose another measure: this one is percent."),
    ],
)
def test_a_sign_of_another_measure_is_not_read_past(
    ada: User, measure: str, measured_in: str, words: str
) -> None:
    wizard = Wizard(ada).send(action_type="SELL")
    wizard.send(symbol="AAPL", measure=measure, measured_in=measured_in)
    assert errors(wizard) == {"measure": words}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (["60", "50"], "The weights add up to 110 % (1.1). Use 100 % (1) or less in all."),
        (["60", "150"], "MSFT: Use 100 % or less."),
        (["60", "-1"], "MSFT: Use 0 or more."),
        (["60", "1,5"], "MSFT: Use a plain number, such as 150 or 0.5."),
        (["", "10"], "AAPL: Use a plain number, such as 150 or 0.5."),
    ],
)
def test_a_wrong_weight_is_named_by_its_row(ada: User, weights: list[str], words: str) -> None:
    wizard = Wizard(ada).send(action_type="REBALANCE")
    wizard.send(**{"targets.name": ["AAPL", "msft"], "targets.number": weights})
    assert errors(wizard) == {"targets": words}


def test_an_end_before_the_beginning_is_told_without_the_names_of_columns(ada: User) -> None:
    wizard = at_the_condition(ada, "price_below").send(threshold="150")
    wizard.send(often="once", begins="2099-02-01T00:00", ends_on="2099-01-02")
    assert errors(wizard)["ends_on"] == (
        "The end must be later than the beginning. Choose a later end."
    )


@pytest.mark.parametrize(
    ("often", "named"), [("once", "Once"), ("", "Once"), ("always", "Every time")]
)
def test_a_number_of_times_that_would_not_count_is_told_at_its_field(
    ada: User, often: str, named: str
) -> None:
    wizard = at_the_condition(ada, "price_below").send(threshold="150")
    wizard.send(often=often, times="3")
    assert errors(wizard) == {
        "times": f"You chose “{named}”. Choose “Up to a number of times” for this number to "
        "count, or leave it empty."
    }
    assert wizard.form["times"].value() == "3"
    wizard.send(often="times", times="3").send()
    made = Action.objects.get(user=ada)
    assert made.max_executions == 3
    edit = Wizard(ada, f"/actions/{made.pk}/edit/limits")
    edit.send(**{**edit.as_it_stands(), "often": ["once"]})
    assert set(errors(edit)) == {"times"}
    edit.send(**{**edit.as_it_stands(), "times": [""]}).send()
    made.refresh_from_db()
    assert made.max_executions == 1


def test_once_is_one_time(ada: User) -> None:
    wizard = at_the_condition(ada, "price_below").send(threshold="150")
    wizard.send(often="once", times="1").send()
    assert Action.objects.get(user=ada).max_executions == 1


def test_a_time_zone_is_chosen_from_a_list_to_which_that_of_the_rule_belongs(ada: User) -> None:
    wizard = at_the_condition(ada, "time_of_day")
    assert '<option value="America/New_York" selected>' in wizard.said
    assert '<option value="Asia/Tokyo">' in wizard.said
    wizard.send(time="09:35", timezone="US/Eastern", days=["trading_days"])
    wizard.send(often="once").send()
    made = Action.objects.get(user=ada)
    assert made.trigger_params["timezone"] == "US/Eastern"
    client = Client()
    client.force_login(ada)
    page = client.get(f"/actions/{made.pk}/edit/condition").content.decode()
    assert '<option value="US/Eastern" selected>' in page
    assert "<textarea" not in page


def test_what_is_short_is_typed_into_one_line(ada: User) -> None:
    assert "<textarea" not in at_the_condition(ada, "change_pct").said
    stranger = UserFactory.create()
    assert "<textarea" in Wizard(stranger).send(action_type="NOTIFY").said


@pytest.mark.parametrize("begin", ["/actions/new/limits", "/actions/new/limits?example=stop"])
def test_a_pause_is_in_hours_unless_it_is_said_otherwise(ada: User, begin: str) -> None:
    said = Wizard(ada, begin).said
    assert '<option value="hours" selected>' in said
    assert '<option value="seconds" selected>' not in said


def test_no_line_ends_between_a_number_and_its_percent_sign(ada: User) -> None:
    assert "falls 5\N{NO-BREAK SPACE}% from" in Wizard(ada, "/actions/new?example=stop").said
