"""When a rule was watched: the spans cover what was asked for, and each moment has one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.coverage import (
    Kind,
    Span,
    Stretch,
    coverage,
    missed_after,
    stretches,
    watched_share,
)
from market.hours import AlwaysOpen, Exchange

NOON = datetime(2026, 11, 17, 17, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minutes: int) -> datetime:
    return NOON + minutes * MINUTE


def span(begin: int, end: int, kind: Kind, reason: str = "") -> Span:
    return Span(at(begin), at(end), kind, reason)


def test_without_anything_told_the_whole_was_watched() -> None:
    assert coverage(since=at(0), until=at(9), told=[]) == [span(0, 9, Kind.WATCHED)]


def test_a_pause_of_the_rule_comes_before_a_closed_market_and_that_before_a_missing_tick() -> None:
    told = [
        span(0, 60, Kind.NO_TICK, "Nobody looked."),
        span(10, 30, Kind.CLOSED, "Closed."),
        span(20, 40, Kind.OFF, "Paused."),
        span(50, 80, Kind.STALE, "Old."),
    ]
    assert coverage(since=at(0), until=at(90), told=told) == [
        span(0, 10, Kind.NO_TICK, "Nobody looked."),
        span(10, 20, Kind.CLOSED, "Closed."),
        span(20, 40, Kind.OFF, "Paused."),
        span(40, 60, Kind.NO_TICK, "Nobody looked."),
        span(60, 80, Kind.STALE, "Old."),
        span(80, 90, Kind.WATCHED),
    ]


def test_a_rule_that_was_held_back_was_watched_unless_nobody_looked() -> None:
    told = [span(0, 60, Kind.HELD, "Paused."), span(20, 40, Kind.NO_TICK, "Nobody looked.")]
    found = coverage(since=at(0), until=at(80), told=told)
    assert found == [
        span(0, 20, Kind.HELD, "Paused."),
        span(20, 40, Kind.NO_TICK, "Nobody looked."),
        span(40, 60, Kind.HELD, "Paused."),
        span(60, 80, Kind.WATCHED),
    ]
    assert [one.kind.is_gap for one in found] == [False, True, False, False]
    assert watched_share(found) == pytest.approx(3 / 4)


def test_of_two_of_a_kind_the_earlier_one_gives_the_reason_until_it_ends() -> None:
    told = [span(5, 20, Kind.STALE, "IBM."), span(0, 10, Kind.STALE, "AAPL.")]
    assert coverage(since=at(0), until=at(20), told=told) == [
        span(0, 10, Kind.STALE, "AAPL."),
        span(10, 20, Kind.STALE, "IBM."),
    ]


def test_what_lies_outside_is_left_out_and_what_reaches_beyond_is_cut() -> None:
    told = [span(-9, 0, Kind.STALE), span(-9, 2, Kind.NO_TICK), span(8, 99, Kind.CLOSED)]
    assert coverage(since=at(0), until=at(10), told=told) == [
        span(0, 2, Kind.NO_TICK),
        span(2, 8, Kind.WATCHED),
        span(8, 10, Kind.CLOSED),
    ]


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not before"):
        coverage(since=at(1), until=at(1), told=[])


spans = st.builds(
    lambda begin, length, kind, reason: span(begin, begin + length, kind, reason),
    st.integers(-20, 60),
    st.integers(0, 40),
    st.sampled_from([kind for kind in Kind if kind is not Kind.WATCHED]),
    st.sampled_from(["one", "another"]),
)


@given(told=st.lists(spans, max_size=30), since=st.integers(-5, 20), length=st.integers(1, 40))
def test_spans_cover_the_interval_exactly_and_say_of_each_moment_what_ranks_first(
    told: list[Span], since: int, length: int
) -> None:
    begin, end = at(since), at(since + length)
    found = coverage(since=begin, until=end, told=told)
    assert (found[0].begin, found[-1].end) == (begin, end)
    assert all(one.begin < one.end for one in found)
    for one, next_one in pairwise(found):
        assert one.end == next_one.begin
        assert (one.kind, one.reason) != (next_one.kind, next_one.reason)
    ranks = list(Kind)
    for minute in range(since, since + length):
        moment = at(minute) + MINUTE / 2
        (said,) = (one for one in found if one.begin <= moment < one.end)
        here = [one for one in told if one.begin <= moment < one.end]
        first = min((ranks.index(one.kind) for one in here), default=len(ranks) - 1)
        assert said.kind is ranks[first]
        reasons = {one.reason for one in here if one.kind is said.kind}
        assert said.reason in (reasons or {""})


def test_a_market_has_sessions_and_the_time_between_them() -> None:
    monday_ten, wednesday = datetime(2026, 11, 23, 15, tzinfo=UTC), at(0).replace(day=25)
    found = list(stretches(Exchange(), monday_ten, wednesday))
    assert [(each.begin.hour, each.day is not None, each.whole) for each in found] == [
        (15, True, False),
        (21, False, True),
        (14, True, True),
        (21, False, True),
        (14, True, False),
    ]
    assert (found[0].begin, found[-1].end) == (monday_ten, wednesday)
    assert all(one.end == next_one.begin for one, next_one in pairwise(found))


def test_a_session_that_is_asked_for_from_its_bell_is_whole() -> None:
    opens = datetime(2026, 11, 17, 14, 30, tzinfo=UTC)
    closes = datetime(2026, 11, 17, 21, tzinfo=UTC)
    assert list(stretches(Exchange(), opens, closes)) == [
        Stretch(opens, closes, opens.date(), whole=True)
    ]


def test_a_replays_market_is_never_closed() -> None:
    found = stretches(AlwaysOpen(), at(0), at(3 * 24 * 60))
    assert all(each.day is not None for each in found)


def test_a_tick_is_missed_after_three_intervals_and_ten_seconds_at_least() -> None:
    assert missed_after(timedelta(seconds=30)) == timedelta(seconds=90)
    assert missed_after(timedelta(seconds=1)) == timedelta(seconds=10)


def test_the_share_is_of_the_time_in_which_it_should_have_been_watched() -> None:
    told = [
        span(0, 50, Kind.WATCHED),
        span(50, 80, Kind.CLOSED),
        span(80, 90, Kind.STALE),
        span(90, 99, Kind.OFF),
    ]
    assert watched_share(told) == pytest.approx(5 / 6)
    assert watched_share(told[1:2]) is None
