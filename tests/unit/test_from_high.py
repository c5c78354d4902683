"""A price that is a percentage below its highest of the last sessions."""

from collections.abc import Sequence
from copy import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.judge import Finding, judge
from actions.marks import Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import ANY_PRICE, Band, Evaluation, Needs, Outcome, State, View
from actions.rules import Wake as Wakes
from market.hours import Exchange
from market.quotes import Bar, Sample
from tests.unit.conftest import (
    BUY_TEN,
    NOTIFY,
    NOW,
    SECOND,
    HourlySessions,
    HourlyWithoutBreaks,
    a_rule,
)
from tests.unit.conftest import a_view as a_plain_view
from tests.unit.made_up_markets import START, TRADED, bounded, markets
from tests.unit.pure_engine import assert_sleeping_loses_nothing
from tests.unit.real_bars import SHIPPED, bars_in, first_fire

CLOSE = datetime(2026, 11, 17, 21, tzinfo=UTC)  # of the session in which NOW is
DAY = timedelta(days=1)
TEN = {"percent": "10", "lookback": 3}
HIGHS = ("500", "200", "100", "150")  # of the last sessions: the first is out of reach
SEEN = {"peak": "300.000000", "seen_at": (NOW - SECOND).isoformat()}


def a_view(
    price: str, *, now: datetime = NOW, highs: Sequence[str] = HIGHS, days_ago: int = 1
) -> View:
    """AAPL at `price` now, after sessions with `highs`, the last of them so many days ago."""
    newest = CLOSE - days_ago * DAY
    bars = [a_bar(newest - n * DAY, high) for n, high in enumerate(reversed(highs))][::-1]
    view = a_plain_view(now, calendar=Exchange(), AAPL=Sample("AAPL", Decimal(price), now))
    return replace(view, bars={"AAPL": bars})


def a_bar(at: datetime, high: str) -> Bar:
    low = Decimal(1)
    return Bar("AAPL", at, low, Decimal(high), low, low, 0)


def look(view: View, state: State | None = None, **params: Any) -> Evaluation:
    rule = a_rule("from_high", TEN | params, state=state or {})
    return rule.trigger.evaluate(rule, view)


def wake(view: View, state: State | None = None) -> Wakes:
    rule = a_rule("from_high", TEN, state=state or {})
    return rule.trigger.watch(rule, view)


@pytest.mark.parametrize(("price", "fires"), [("180.000001", False), ("180", True), ("1", True)])
def test_it_fires_at_its_percentage_below_the_highest_high(price: str, fires: bool) -> None:
    found = look(a_view(price))
    assert found.outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def test_what_was_seen_today_counts_until_the_bar_of_today_speaks_for_it() -> None:
    assert look(a_view("270"), SEEN).outcome is Outcome.FIRED
    assert look(a_view("270.000001"), SEEN).outcome is Outcome.NOT_FIRED
    there = a_view("260", now=NOW + DAY, highs=[*HIGHS, "270"], days_ago=0)
    assert " its 3-session high of $270.00" in look(there, SEEN).reason


def test_while_the_last_sessions_bar_is_late_nothing_is_known() -> None:
    # Of 3 sessions the late one is one: a fourth must not count in its place.
    late = a_view("260", now=NOW + DAY, highs=["300", "200", "100"])
    found = look(late, {"peak": "270.000000", "seen_at": NOW.isoformat()})
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == "AAPL's 3-session high is not known: Tue 17 Nov 2026 is missing."
    there = a_view("260", now=NOW + DAY, highs=["300", "200", "100", "280"], days_ago=0)
    assert " its 3-session high of $280.00" in look(there, found.state).reason


def test_prices_seen_while_a_bar_is_late_count_once_it_is_there() -> None:
    tomorrow, later, last = (NOW + DAY + n * SECOND for n in range(3))
    state = look(a_view("310", now=tomorrow), {}).state
    assert state == {"peak": "310.000000", "seen_at": tomorrow.isoformat()}
    assert look(a_view("309", now=later), state).state == state
    there = look(a_view("250", now=last, highs=[*HIGHS, "270"], days_ago=0), state)
    assert " its 3-session high of $310.00" in there.reason


def test_a_price_of_today_is_remembered_while_a_bar_is_late_though_an_old_high_is_above_it() -> (
    None
):
    # Yesterday's bar is late; when it comes, the 500 of four sessions ago no longer counts.
    seen = look(a_view("310", now=NOW + DAY, highs=["500", "200", "100"]), {}).state
    there = a_view("279", now=NOW + DAY, highs=["500", "200", "100", "150"], days_ago=0)
    assert " 10 % below its 3-session high of $310.00" in look(there, seen).reason


def test_a_new_high_is_remembered_and_kept_through_a_firing() -> None:
    new = look(a_view("300"), {})
    assert new.state == {"peak": "300.000000", "seen_at": NOW.isoformat()}
    assert look(a_view("199"), {}).state == {}
    fired = look(a_view("200"), new.state)
    assert (fired.outcome, fired.state) == (Outcome.FIRED, new.state)


def test_the_price_at_its_activation_counts() -> None:
    rule = a_rule("from_high", TEN)
    assert rule.trigger.activate(rule, a_plain_view()) == {}
    state = rule.trigger.activate(rule, a_plain_view(AAPL="300"))
    assert look(a_view("270"), state).outcome is Outcome.FIRED


def test_a_young_symbol_has_the_highest_of_the_sessions_that_there_are() -> None:
    assert look(a_view("90", highs=["100"])).outcome is Outcome.FIRED


def test_without_any_session_nothing_is_known() -> None:
    found = look(a_view("90", highs=[]), SEEN)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == "AAPL's 3-session high is not known: Mon 16 Nov 2026 is missing."
    assert wake(a_view("90", highs=[])).bands == {"AAPL": ANY_PRICE}


def test_it_needs_one_session_more_as_the_newest_may_have_closed_after_the_quote() -> None:
    rule = a_rule("from_high", TEN)
    assert rule.trigger.needs(rule) == Needs(sessions=4)
    ended = a_view("190", now=CLOSE, highs=HIGHS, days_ago=0)
    assert "high of $500.00" in look(ended).reason  # of the very instant of the close


def test_it_sleeps_until_it_fires_or_there_is_a_new_high_or_the_session_ends() -> None:
    band = Band(below=Decimal(180), above=Decimal("200.000001"))
    assert wake(a_view("190")) == Wakes({"AAPL": band}, at=CLOSE)
    raised = Band(below=Decimal(270), above=Decimal("300.000001"))
    assert wake(a_view("290"), SEEN) == Wakes({"AAPL": raised}, at=CLOSE)


@pytest.mark.parametrize("view", [a_view("190", now=CLOSE), a_view("190", days_ago=2)])
def test_where_the_high_may_change_at_any_time_every_quote_wakes_it(view: View) -> None:
    assert wake(view).bands == {"AAPL": ANY_PRICE}


def test_a_new_high_counts_behind_a_shut_gate_also_while_the_rule_is_true() -> None:
    rule = a_rule("from_high", TEN, cooldown_seconds=300, last_triggered_at=NOW, max_executions=9)
    true = judge(rule, a_view("100"))
    assert true.finding is Finding.BLOCKED
    opens = NOW + 300 * SECOND
    assert true.wake == Wakes({"AAPL": Band(above=Decimal("200.000001"))}, at=opens)


@bounded
@given(data=st.data())
def test_sleeping_loses_nothing_over_many_closes(data: st.DataObject) -> None:
    rule = a_rule(
        "from_high",
        {"percent": data.draw(st.sampled_from(["1", "10", "50"])), "lookback": 2},
        symbol=TRADED,
        effect=data.draw(st.sampled_from([BUY_TEN, NOTIFY])),
        max_executions=None,
        cooldown_seconds=data.draw(st.sampled_from([None, 60, 3600])),
        valid_from=START,
    )
    calendar = data.draw(st.sampled_from([HourlySessions(), HourlyWithoutBreaks()]))
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=data.draw(st.booleans())))
    instants = [replace(instant, takes_orders=True) for instant in market.instants]
    assert_sleeping_loses_nothing(rule, replace(market, instants=instants))


def test_on_real_bars_it_fires_at_the_first_close_far_enough_below() -> None:
    bars = bars_in(SHIPPED)["AAPL"]
    start = datetime(2008, 1, 2, 15, tzinfo=UTC)
    expected = next(
        bar.at
        for index, bar in enumerate(bars)
        if bar.at > start
        and bar.close * 100 <= max(past.high for past in bars[index - 252 : index]) * 75
    )
    assert first_fire("from_high", {"percent": "25"}, bars, start) == expected


def test_the_reason_tells_the_numbers() -> None:
    assert look(a_view("180")).reason == (
        "AAPL at $180.00 is 10 % below its 3-session high of $200.00."
    )
    assert look(a_view("190")).reason == (
        "AAPL at $190.00 is 5 % below its 3-session high of $200.00; it waits for 10 % below."
    )


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "percent"),
        ({"percent": "0"}, "percent"),
        ({"percent": "100"}, "percent"),
        ({"percent": "5", "lookback": 1}, "lookback"),
        ({"percent": "5", "lookback": 401}, "lookback"),
        ({"percent": "5", "lookback": "2.5"}, "lookback"),
        ({"percent": "5", "lookback": True}, "lookback"),
    ],
)
def test_what_cannot_be_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("from_high", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


# --- What a chart draws ---


@pytest.mark.parametrize(
    ("state", "high", "fires", "words"),
    [
        ({}, "200", "180", "Fires at or below $180.00"),
        (SEEN, "300", "270", "Fires at or below $270.00"),
    ],
)
def test_a_chart_draws_the_high_and_the_price_far_enough_below(
    state: State, high: str, fires: str, words: str
) -> None:
    rule = a_rule("from_high", TEN, state=state)
    marks = (
        Level("AAPL", Decimal(high), Role.REFERENCE, "3-session high"),
        Level("AAPL", Decimal(fires), Role.TRIGGER, words),
    )
    view = a_view("190")
    assert rule.trigger.annotate(rule, view) == marks
    assert rule.trigger.annotate(rule, replace(view, quotes={})) == marks


@pytest.mark.parametrize("view", [a_view("190", highs=[]), a_view("190", days_ago=2)])
def test_without_the_last_session_nothing_is_drawn(view: View) -> None:
    rule = a_rule("from_high", TEN, state=SEEN)
    assert rule.trigger.annotate(rule, view) == ()
