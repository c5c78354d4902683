"""A stop that follows the price and fires when it turns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.judge import Finding, judge
from actions.marks import Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import ANY_PRICE, PRICE_STEP, Band, Rule, State, Wake
from actions.turns import Turn, Turning
from tests.unit.conftest import (
    BUY_TEN,
    NOTIFY,
    NOW,
    SECOND,
    HourlySessions,
    HourlyWithoutBreaks,
    a_rule,
    a_view,
)
from tests.unit.made_up_markets import START, TRADED, bounded, markets
from tests.unit.pure_engine import assert_sleeping_loses_nothing
from tests.unit.real_bars import SHIPPED, bars_in, first_fire, shared_rows

FIVE = {"percent": "5"}
D = Decimal
UP = {"direction": "up"}


def fires_at(params: dict[str, Any], prices: Sequence[str]) -> list[str]:
    """The prices that fire a rule that looks at every one, activated by the first."""
    rule = a_rule("trailing_stop", params)
    rule = rule.with_state(rule.trigger.activate(rule, a_view(AAPL=prices[0])))
    fired = []
    for price in prices[1:]:
        evaluation = rule.trigger.evaluate(rule, a_view(AAPL=price))
        rule = rule.with_state(evaluation.state)
        if evaluation.outcome == "fired":
            fired.append(price)
    return fired


def wake(params: dict[str, Any], state: State) -> Wake:
    rule = a_rule("trailing_stop", params, state=state)
    return rule.trigger.watch(rule, a_view(AAPL="100"))


# --- Following, and firing ---


@pytest.mark.parametrize(
    ("params", "prices", "fired"),
    [
        (FIVE, ["107", "101.650001", "101.65"], ["101.65"]),  # inclusive
        (FIVE, ["107", "60"], ["60"]),  # a gap
        (FIVE, ["100", "107", "101.65"], ["101.65"]),  # the peak since, not the first price
        (FIVE, ["107", "102", "101.65"], ["101.65"]),  # the stop does not come down
        (FIVE, ["33.333333", "31.666667", "31.666666"], ["31.666666"]),  # 31.66666635
        ({"amount": "10"}, ["107", "97.000001", "97"], ["97"]),
        (FIVE | UP, ["100", "104.999999", "105"], ["105"]),
        (FIVE | UP, ["100", "90", "94.499999", "94.5"], ["94.5"]),
        ({"amount": "10"} | UP, ["100", "90", "99.999999", "100"], ["100"]),
    ],
)
def test_it_fires_where_the_price_has_turned_far_enough(
    params: dict[str, Any], prices: list[str], fired: list[str]
) -> None:
    assert fires_at(params, prices) == fired


def test_after_a_firing_it_starts_anew() -> None:
    prices = ["100", "95", "96", "92", "91.2", "100", "95"]
    assert fires_at(FIVE, prices) == ["95", "91.2", "95"]


@pytest.mark.parametrize(
    ("params", "prices", "fired"),
    [
        ({"activation_price": "120"}, ["100", "80", "119", "90", "120", "114"], ["114"]),
        ({"activation_price": "120"}, ["130", "123.5"], ["123.5"]),  # it begins beyond
        ({"activation_price": "120"}, ["130", "123.5", "90", "80", "120", "114"], ["123.5", "114"]),
        ({"activation_price": "80"} | UP, ["100", "110", "80", "84"], ["84"]),
    ],
)
def test_with_an_activation_price_it_follows_from_there_on(
    params: dict[str, Any], prices: list[str], fired: list[str]
) -> None:
    assert fires_at(FIVE | params, prices) == fired


def test_a_stop_that_would_not_be_above_zero_never_fires_and_says_so() -> None:
    assert fires_at({"amount": "100"}, ["100", "0.000001"]) == []
    rule = a_rule("trailing_stop", {"amount": "100"}, state={"peak": "100"})
    assert rule.trigger.evaluate(rule, a_view(AAPL="4")).reason == (
        "AAPL is at $4.00, and no price can be $100.00 below its peak of $100.00: "
        "the stop must rise before it can fire."
    )
    (band,) = wake({"amount": "100"}, {"peak": "100"}).bands.values()
    assert band.turn is not None
    assert not band.turn.reached(PRICE_STEP)
    assert band.turn.after(Decimal(101)).reached(Decimal(1))


def test_the_peak_is_kept_as_text_and_starts_with_the_last_price_before() -> None:
    rule = a_rule("trailing_stop", FIVE)
    assert rule.trigger.activate(rule, a_view(AAPL="107")) == {"peak": "107.000000"}
    assert rule.trigger.activate(rule, a_view()) == {}
    up = a_rule("trailing_stop", FIVE | UP)
    assert up.trigger.activate(up, a_view(AAPL="107")) == {"trough": "107.000000"}


# --- Sleeping ---


@pytest.mark.parametrize(
    ("params", "state", "turn", "stop"),
    [
        (FIVE, {"peak": "107"}, Turn(Turning.FALLS_PERCENT, D(107), D(5)), "101.65"),
        (
            FIVE,
            {"peak": "33.333333"},
            Turn(Turning.FALLS_PERCENT, D("33.333333"), D(5)),
            "31.666666",
        ),
        (
            FIVE,  # after a split
            {"peak": "14.2857142857"},
            Turn(Turning.FALLS_PERCENT, D("14.2857142857"), D(5)),
            "13.571428",
        ),
        ({"amount": "10"}, {"peak": "107"}, Turn(Turning.FALLS_USD, D(107), D(10)), "97"),
        (FIVE | UP, {"trough": "33.3"}, Turn(Turning.RISES_PERCENT, D("33.3"), D(5)), "34.965"),
        ({"amount": "1"} | UP, {"trough": "33"}, Turn(Turning.RISES_USD, D(33), D(1)), "34"),
    ],
)
def test_it_sleeps_until_the_price_turns(
    params: dict[str, Any], state: State, turn: Turn, stop: str
) -> None:
    assert wake(params, state) == Wake({"AAPL": Band(turn=turn)})
    assert turn.stop == D(stop)
    assert turn.state == state


def test_before_it_begins_it_sleeps_until_its_activation_price() -> None:
    start = FIVE | {"activation_price": "120"}
    assert wake(start, {}) == Wake({"AAPL": Band(above=Decimal(120))})
    assert wake(start | UP, {}) == Wake({"AAPL": Band(below=Decimal(120))})


def cooling(**changes: Any) -> Rule:
    cooldown = {"max_executions": None, "cooldown_seconds": 300, "last_triggered_at": NOW}
    return a_rule("trailing_stop", FIVE, **{**cooldown, **changes})


def test_the_stop_rises_behind_a_shut_gate_also_while_the_rule_is_true() -> None:
    rule = cooling(state={"peak": "110"})
    true = judge(rule, a_view(NOW + SECOND, AAPL="100"))
    opens = NOW + 300 * SECOND
    assert true.finding is Finding.BLOCKED
    follows = Turn(Turning.FALLS_PERCENT, Decimal(110), by=None)
    assert true.wake == Wake({"AAPL": Band(turn=follows)}, at=opens)
    higher = judge(rule.with_state(true.state), a_view(NOW + 2 * SECOND, AAPL="150"))
    assert (higher.finding, higher.state) == (Finding.BLOCKED, {"peak": "150.000000"})
    back = judge(rule.with_state(higher.state), a_view(opens, AAPL="120"))
    assert back.finding is Finding.FIRED


def test_the_stop_rises_while_the_symbol_that_is_only_traded_has_no_quote() -> None:
    rule = a_rule("trailing_stop", FIVE | {"symbol": "SPY"}, state={"peak": "110"})
    blind = judge(rule, a_view(SPY="100"))
    assert blind.finding is Finding.UNKNOWN
    follows = Turn(Turning.FALLS_PERCENT, Decimal(110), by=None)
    assert blind.wake == Wake({"SPY": Band(turn=follows), "AAPL": ANY_PRICE})


@pytest.mark.parametrize("params", [{"percent": "3"}, {"amount": "1"}])
@pytest.mark.parametrize("direction", ["up", "down"])
@bounded
@given(data=st.data())
def test_sleeping_loses_nothing_in_a_long_life(
    params: dict[str, Any], direction: str, data: st.DataObject
) -> None:
    activation = data.draw(st.sampled_from([None, "2", "3", "4"]))
    rule = a_rule(
        "trailing_stop",
        {**params, "direction": direction, "activation_price": activation},
        symbol=TRADED,
        effect=data.draw(st.sampled_from([BUY_TEN, NOTIFY])),
        max_executions=None,
        cooldown_seconds=data.draw(st.sampled_from([None, 60, 3600])),
        valid_from=START,
    )
    calendar = data.draw(st.sampled_from([HourlySessions(), HourlyWithoutBreaks()]))
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=data.draw(st.booleans())))
    # Refused orders would soon end it.
    instants = [replace(instant, takes_orders=True) for instant in market.instants]
    assert_sleeping_loses_nothing(rule, replace(market, instants=instants))


# --- Real bars ---


@pytest.mark.parametrize(
    ("symbol", "percent", "start", "fires_at"),
    [
        ("GOOG", "10", "2007-09-04T15:00Z", "2007-11-09T21:00Z"),
        # Exactly 5 % below 107.00, the last close before the rule was made.
        ("IBM", "5", "2009-06-18T15:00Z", "2009-07-06T20:00Z"),
        ("MSFT", "5", "2012-03-01T15:00Z", "2012-04-09T20:00Z"),
    ],
)
def test_it_fires_at_the_bars_at_which_others_found_it(
    symbol: str, percent: str, start: str, fires_at: str
) -> None:
    bars = bars_in(SHIPPED)[symbol]
    found = first_fire("trailing_stop", {"percent": percent}, bars, datetime.fromisoformat(start))
    assert found == datetime.fromisoformat(fires_at)


def test_it_fires_as_the_shared_table_says() -> None:
    rows = list(shared_rows("TS"))
    assert len(rows) >= 4
    for rule_id, params, bars, start, fires_at in rows:
        assert first_fire("trailing_stop", params, bars, start) == fires_at, rule_id


# --- Words and parameters ---


@pytest.mark.parametrize(
    ("params", "state", "price", "reason"),
    [
        (
            FIVE,
            {"peak": "107.00"},
            "101.65",
            "AAPL at $101.65 is at or below the stop at $101.65, 5 % below its peak of $107.00.",
        ),
        (
            {"amount": "10"} | UP,
            {"trough": "90"},
            "95",
            "AAPL at $95.00 is not at or above the stop at $100.00, "
            "$10.00 above its trough of $90.00.",
        ),
        (
            FIVE | {"activation_price": "120"},
            {},
            "95",
            "AAPL at $95.00 has not been at or above $120.00 yet.",
        ),
    ],
)
def test_the_reason_tells_the_numbers(
    params: dict[str, Any], state: State, price: str, reason: str
) -> None:
    rule = a_rule("trailing_stop", params, state=state)
    assert rule.trigger.evaluate(rule, a_view(AAPL=price)).reason == reason


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "amount"),
        ({"percent": "5", "amount": "5"}, "amount"),
        ({"percent": "0"}, "percent"),
        ({"percent": "100"}, "percent"),
        ({"amount": "0"}, "amount"),
        ({"percent": "5", "activation_price": "-1"}, "activation_price"),
        ({"percent": "5", "direction": "either"}, "direction"),
    ],
)
def test_what_cannot_be_is_named(params: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("trailing_stop", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


# --- What a chart draws ---

PEAK = Level("AAPL", Decimal(107), Role.REFERENCE, "Peak")
TROUGH = Level("AAPL", Decimal(90), Role.REFERENCE, "Trough")


@pytest.mark.parametrize(
    ("params", "state", "marks"),
    [
        (
            FIVE,
            {"peak": "107.000000"},
            (PEAK, Level("AAPL", Decimal("101.65"), Role.TRIGGER, "Fires at or below $101.65")),
        ),
        (
            FIVE | UP,
            {"trough": "90.000000"},
            (TROUGH, Level("AAPL", Decimal("94.5"), Role.TRIGGER, "Fires at or above $94.50")),
        ),
        (
            {"amount": "10", "activation_price": "105"},
            {"peak": "107.000000"},
            (
                PEAK,
                Level("AAPL", Decimal(97), Role.TRIGGER, "Fires at or below $97.00"),
                Level("AAPL", Decimal(105), Role.START, "Followed from $105.00"),
            ),
        ),
        ({"amount": "107"}, {"peak": "107.000000"}, (PEAK,)),  # no price can be that low
        ({"amount": "999999999999"} | UP, {"trough": "90.000000"}, (TROUGH,)),  # nor so high
        (FIVE, {}, ()),
        (
            FIVE | {"activation_price": "120"},
            {},
            (Level("AAPL", Decimal(120), Role.START, "Starts to follow at or above $120.00"),),
        ),
        (
            FIVE | UP | {"activation_price": "80"},
            {},
            (Level("AAPL", Decimal(80), Role.START, "Starts to follow at or below $80.00"),),
        ),
    ],
)
def test_a_chart_draws_the_stop_and_its_peak_or_where_it_starts(
    params: dict[str, Any], state: State, marks: tuple[Level, ...]
) -> None:
    rule = a_rule("trailing_stop", params, state=state)
    assert rule.trigger.annotate(rule, a_view()) == marks
