"""The trading calendar, held against exchange_calendars and the bars that ship with the project."""

import csv
import warnings
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from holidays.constants import HALF_DAY, PUBLIC
from holidays.utils import financial_holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from market.hours import NEW_YORK, AlwaysOpen, Exchange, TradingCalendar

FIRST, LAST = date(2006, 1, 1), date(2027, 12, 31)
DATA = Path(__file__).resolve().parents[2] / "market" / "data"
EXCHANGE = Exchange()
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@cache
def oracle() -> dict[date, tuple[datetime, datetime]]:
    """Open and close of every XNYS session from FIRST to LAST."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecates what exchange_calendars calls
        from exchange_calendars import get_calendar  # noqa: PLC0415

        schedule: Any = get_calendar("XNYS", start=str(FIRST), end=str(LAST)).schedule
        return {
            row.Index.date(): (row.open.to_pydatetime(), row.close.to_pydatetime())
            for row in schedule.itertuples()
        }


def days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def new_york(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=NEW_YORK)  # type: ignore[arg-type, misc]


def test_every_close_since_2006_is_the_oracles() -> None:
    closes = {day: EXCHANGE.close_of(day) for day in days()}
    assert {day: close for day, close in closes.items() if close} == {
        day: close for day, (_, close) in oracle().items()
    }


def test_every_open_since_2006_is_the_oracles() -> None:
    for day, (opens, closes) in oracle().items():
        assert EXCHANGE.next_open(opens - SECOND) == opens
        assert EXCHANGE.session_at(opens) == day
        assert EXCHANGE.session_at(opens - SECOND) is None
        assert EXCHANGE.is_open(closes - SECOND)
        assert not EXCHANGE.is_open(closes)


def test_next_open_and_next_close_walk_through_every_session_in_order() -> None:
    at = datetime.combine(FIRST, datetime.min.time(), UTC)
    for opens, closes in oracle().values():
        assert EXCHANGE.next_open(at) == opens
        assert EXCHANGE.next_close(at) == closes
        assert EXCHANGE.next_close(opens) == closes
        assert EXCHANGE.next_open(opens) > closes
        at = closes


def test_sessions_follow_each_other_as_in_the_oracle() -> None:
    sessions = list(oracle())
    for earlier, later in pairwise(sessions):
        assert EXCHANGE.next_session(earlier) == later
        assert EXCHANGE.previous_session(later) == earlier
        assert EXCHANGE.next_session(later - DAY) == later
        assert EXCHANGE.last_close_until(later - DAY) == oracle()[earlier][1]


def test_the_shipped_bars_close_when_their_sessions_do() -> None:
    with (DATA / "daily_wiki_2000_2013_splitadj.csv").open(newline="") as file:
        closes = {datetime.fromisoformat(row["timestamp"]) for row in csv.DictReader(file)}
    assert len(closes) > 3000
    assert {EXCHANGE.close_of(close.astimezone(NEW_YORK).date()) for close in closes} == closes


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2001, 9, 11), "the attacks"),
        (date(2007, 1, 2), "mourning for Ford"),
        (date(2012, 10, 29), "Sandy"),
        (date(2012, 10, 30), "Sandy"),
        (date(2018, 12, 5), "mourning for Bush"),
        (date(2021, 12, 24), "Christmas observed"),
        (date(2022, 6, 20), "Juneteenth observed"),
        (date(2025, 1, 9), "mourning for Carter"),
        (date(2026, 11, 21), "a Saturday"),
    ],
)
def test_a_day_without_a_session_has_no_close(day: date, why: str) -> None:
    assert EXCHANGE.close_of(day) is None
    assert not EXCHANGE.is_open(datetime(day.year, day.month, day.day, 17, tzinfo=UTC))


@pytest.mark.parametrize("day", [date(2013, 7, 3), date(2024, 11, 29), date(2024, 12, 24)])
def test_a_half_day_closes_at_13_new_york(day: date) -> None:
    assert EXCHANGE.close_of(day) == new_york(day.year, day.month, day.day, 13)


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2026, 3, 6), 14, 21),  # the Friday before New York's clocks go forward
        (date(2026, 3, 9), 13, 20),  # the Monday after, three weeks before Europe's
        (date(2026, 10, 30), 13, 20),
        (date(2026, 11, 2), 14, 21),
    ],
)
def test_the_hours_in_utc_move_with_new_yorks_clocks(day: date, opens: int, closes: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert EXCHANGE.next_open(midnight) == midnight.replace(hour=opens, minute=30)
    assert EXCHANGE.close_of(day) == midnight.replace(hour=closes)


def test_the_last_close_until_a_holiday_is_the_session_before_it() -> None:
    assert EXCHANGE.last_close_until(date(2012, 10, 30)) == new_york(2012, 10, 26, 16)


def test_the_last_close_until_a_session_is_its_own() -> None:
    assert EXCHANGE.last_close_until(date(2012, 10, 31)) == new_york(2012, 10, 31, 16)


@pytest.mark.parametrize("day", [date.max, date.min, date(2100, 12, 25)])
def test_a_far_date_has_a_last_close_too(day: date) -> None:
    assert abs(EXCHANGE.last_close_until(day).date() - day) < timedelta(days=8)


def test_an_instant_counts_and_not_the_zone_it_is_written_in() -> None:
    opens = new_york(2026, 11, 20, 9, 30)
    for zone in (UTC, NEW_YORK):
        assert EXCHANGE.session_at(opens.astimezone(zone)) == date(2026, 11, 20)
    assert EXCHANGE.next_close(opens).tzinfo is UTC


@pytest.mark.parametrize("calendar", [Exchange(), AlwaysOpen()], ids=["exchange", "always open"])
@pytest.mark.parametrize("method", ["is_open", "next_open", "next_close", "session_at"])
def test_an_instant_without_a_zone_is_refused(calendar: TradingCalendar, method: str) -> None:
    ask: Callable[[datetime], object] = getattr(calendar, method)
    with pytest.raises(ValueError, match="2026-11-20T10:00:00 has no time zone"):
        ask(datetime(2026, 11, 20, 10))  # noqa: DTZ001


def test_a_market_that_never_closes_ends_each_days_session_at_16_new_york() -> None:
    calendar = AlwaysOpen()
    saturday = date(2026, 11, 21)
    close = new_york(2026, 11, 21, 16)
    assert calendar.close_of(saturday) == calendar.last_close_until(saturday) == close
    assert calendar.session_at(close - SECOND) == saturday
    assert calendar.session_at(close) == saturday + DAY == calendar.next_session(saturday)
    assert calendar.previous_session(saturday) == saturday - DAY


@given(
    calendar=st.sampled_from([Exchange(), AlwaysOpen()]),
    at=st.integers(0, 30 * 366 * 86_400).map(
        lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + seconds * SECOND
    ),
)
def test_what_a_calendar_says_of_an_instant_fits_together(
    calendar: TradingCalendar, at: datetime
) -> None:
    session = calendar.session_at(at)
    assert calendar.is_open(at) == (session is not None)
    assert calendar.next_open(at) > at
    assert calendar.next_close(at) > at
    assert calendar.is_open(calendar.next_open(at))
    if session is not None:
        assert calendar.close_of(session) == calendar.next_close(at)
    before = calendar.previous_session(at.date())
    assert before < at.date() <= calendar.next_session(before)


@pytest.mark.parametrize(
    ("at", "close"),
    [
        ("2026-11-17T15:00Z", "2026-11-16T21:00Z"),  # in a session: the one before
        ("2026-11-17T21:00Z", "2026-11-17T21:00Z"),  # at the close itself
        ("2026-11-17T20:59:59Z", "2026-11-16T21:00Z"),
        ("2026-11-22T12:00Z", "2026-11-20T21:00Z"),  # a Sunday
        ("2026-11-27T12:00Z", "2026-11-25T21:00Z"),  # Thanksgiving lies between
        ("2026-11-27T19:00Z", "2026-11-27T18:00Z"),  # after the half-day's early close
        ("2026-11-18T01:00Z", "2026-11-17T21:00Z"),  # the evening in New York
    ],
)
def test_the_last_close_is_the_latest_that_has_been(at: str, close: str) -> None:
    assert Exchange().last_close(datetime.fromisoformat(at)) == datetime.fromisoformat(close)


def test_the_last_close_of_a_market_that_is_always_open_is_yesterdays_or_todays() -> None:
    noon = datetime.fromisoformat("2026-11-17T17:00Z")
    assert AlwaysOpen().last_close(noon) == datetime.fromisoformat("2026-11-16T21:00Z")
    evening = datetime.fromisoformat("2026-11-17T21:00Z")
    assert AlwaysOpen().last_close(evening) == evening


@settings(deadline=None)  # the oracle takes seconds to begin
@given(st.integers(0, int((LAST - FIRST).days * 86_400)))
def test_at_any_instant_since_2006_the_market_is_open_as_the_oracle_says(seconds: int) -> None:
    at = datetime.combine(FIRST, datetime.min.time(), UTC) + seconds * SECOND
    opens, closes = (list(instants) for instants in zip(*oracle().values(), strict=True))
    assert EXCHANGE.is_open(at) == (bisect_right(opens, at) > bisect_right(closes, at))
    if at < opens[-1]:
        assert EXCHANGE.next_open(at) == opens[bisect_right(opens, at)]
        assert EXCHANGE.next_close(at) == closes[bisect_right(closes, at)]
    if at >= closes[0]:
        assert EXCHANGE.last_close(at) == closes[bisect_right(closes, at) - 1]


def test_the_half_days_since_2006_are_those_that_the_oracle_has() -> None:
    early = {
        day for day, (opens, closes) in oracle().items() if closes - opens < timedelta(hours=6)
    }
    ours = {
        day
        for day in oracle()
        if (close := EXCHANGE.close_of(day)) and close.astimezone(NEW_YORK).hour == 13
    }
    assert ours == early
    assert len(early) > 40


def test_the_days_that_are_written_down_are_those_of_the_library() -> None:
    years = range(1993, 2036)
    found = {
        (day.isoformat(), kind)
        for kind, category in (("closed", PUBLIC), ("early", HALF_DAY))
        for day in financial_holidays("XNYS", years=years, categories=category)
        if day.weekday() < 5
    }
    header, *lines = (
        (Path(__file__).parents[2] / "market" / "data" / "nyse_days.csv").read_text().splitlines()
    )
    assert header == "day,kind"
    assert lines == [f"{day},{kind}" for day, kind in sorted(found) if int(day[:4]) in years]


def test_a_year_that_is_not_written_down_has_the_holidays_of_the_library() -> None:
    assert Exchange().close_of(date(2040, 12, 25)) is None
    assert Exchange().close_of(date(1992, 12, 25)) is None
    assert Exchange().close_of(date(2040, 12, 26)) == datetime(2040, 12, 26, 21, tzinfo=UTC)
