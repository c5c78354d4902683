"""The path of a trailing stop on a chart is the one that the trigger itself went."""

from collections.abc import Sequence
from copy import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.marks import Level, Line, Point, Role
from actions.rules import Band, Rule, View
from actions.triggers.trailing_stop import TrailingStop
from market.quotes import Bar, Sample
from tests.unit.conftest import NOW, a_rule, a_view
from tests.unit.made_up_markets import bounded

MINUTE = timedelta(minutes=1)
prices = st.decimals("0.01", "500", places=2)
stops = st.fixed_dictionaries(
    {"direction": st.sampled_from(["down", "up"])},
    optional={"activation_price": prices.map(str)},
).flatmap(
    lambda params: st.one_of(
        st.decimals("0.5", "60", places=1).map(lambda by: {**params, "percent": str(by)}),
        st.decimals("0.01", "80", places=2).map(lambda by: {**params, "amount": str(by)}),
    )
)


def trailing(params: dict[str, Any], state: dict[str, str] | None = None) -> Rule:
    return a_rule("trailing_stop", params, symbol="AAPL", state=state or {})


def stop_of(rule: Rule, view: View) -> Decimal | None:
    """The stop that the rule waits for, as its watch has it."""
    band = rule.trigger.watch(rule, view).bands.get("AAPL", Band())
    return band.turn.stop if band.turn else None


@bounded
@given(params=stops, seen=st.lists(prices, min_size=1, max_size=30))
def test_the_trail_has_the_stop_of_every_look_of_the_trigger(
    params: dict[str, Any], seen: list[Decimal]
) -> None:
    rule = trailing(params)
    points = [Point(NOW + n * MINUTE, price) for n, price in enumerate(seen)]
    expected = []
    for point in points:
        view = a_view(AAPL=point.price)
        state = rule.trigger.evaluate(rule, view).state
        if not state and rule.state:
            break  # it has fired, and starts anew
        rule = rule.with_state(state)
        if (stop := stop_of(rule, view)) is not None and stop > 0:
            expected.append(Point(point.at, stop))
    trigger = TrailingStop.model_validate(params)
    trail = list(trigger.trail(points))
    assert trail[: len(expected)] == expected
    moves = [point.price for point in trail]
    assert moves == sorted(moves, reverse=params["direction"] == "up")


def bars(since: datetime, closes: Sequence[str]) -> tuple[Bar, ...]:
    """A session a day, each between $2 below its close and $3 above it."""
    return tuple(
        Bar(
            "AAPL",
            since + timedelta(days=n),
            Decimal(close),
            Decimal(close) + 3,
            Decimal(close) - 2,
            Decimal(close),
            1000,
        )
        for n, close in enumerate(closes)
    )


def path_of(rule: Rule, view: View) -> list[tuple[timedelta, str]]:
    (line,) = [mark for mark in rule.trigger.annotate(rule, view) if isinstance(mark, Line)]
    assert line.stepped
    return [(NOW - point.at, f"{point.price.normalize():f}") for point in line.points]


def a_past(price: str, closes: Sequence[str]) -> View:
    """Sessions that ended five, four, three, two days and one day ago, and two prices since."""
    seen = [
        Sample("AAPL", Decimal("103"), NOW - timedelta(hours=2)),
        Sample("AAPL", Decimal("108"), NOW - timedelta(hours=1)),
    ]
    view = a_view(AAPL=Decimal(price))
    return replace(
        view, bars={"AAPL": bars(NOW - timedelta(days=5), closes)}, recent={"AAPL": seen}
    )


def test_it_goes_from_the_sessions_to_what_was_seen_since_to_the_stop_of_now() -> None:
    rule = trailing({"amount": "10"}, {"peak": "108"})
    view = a_past("105", ["100", "101", "99", "98", "102"])
    began = replace(rule, valid_from=NOW - timedelta(days=4, hours=1))
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert path_of(began, view) == [
        (4 * day, "91"),  # of the session in which it began only the close: it was there
        (3 * day, "92"),  # the high of 102 of the first whole session
        (2 * day, "92"),
        (day, "95"),
        (2 * hour, "95"),
        (hour, "98"),
        (timedelta(0), "98"),
    ]


def test_a_bar_that_went_further_than_the_rule_saw_does_not_carry_the_stop_along() -> None:
    rule = trailing({"amount": "10"}, {"peak": "103"})
    view = a_past("101", ["100", "120", "99", "98", "102"])
    began = replace(rule, valid_from=NOW - timedelta(days=6))
    assert {stop for _, stop in path_of(began, view)} == {"90", "93"}
    rising = trailing({"direction": "up", "percent": "10"}, {"trough": "100"})
    began = replace(rising, valid_from=NOW - timedelta(days=6))
    assert [stop for _, stop in path_of(began, view)] == ["110", *["110"] * 7]


def test_with_a_price_to_start_at_it_begins_there() -> None:
    params = {"percent": "10", "activation_price": "105"}
    view = a_past("109", ["100", "101", "99", "98", "102"])
    rule = replace(trailing(params, {"peak": "110"}), valid_from=NOW - timedelta(days=6))
    assert path_of(rule, view) == [
        (timedelta(days=1), "94.5"),
        (timedelta(hours=2), "94.5"),
        (timedelta(hours=1), "97.2"),
        (timedelta(0), "99"),
    ]
    levels = [mark for mark in rule.trigger.annotate(rule, view) if isinstance(mark, Level)]
    assert (Decimal(105), Role.START, "Followed from $105.00") in [
        (level.value, level.role, level.words) for level in levels
    ]
    waiting = trailing(params)
    assert not [m for m in waiting.trigger.annotate(waiting, view) if isinstance(m, Line)]


@pytest.mark.parametrize("missing", ["recent", "quotes"])
def test_without_a_past_or_a_price_no_path_is_drawn(missing: str) -> None:
    rule = trailing({"percent": "10"}, {"peak": "110"})
    view = replace(a_past("109", ["100"]), **{missing: {}})  # type: ignore[arg-type]
    assert not [mark for mark in rule.trigger.annotate(rule, view) if isinstance(mark, Line)]
