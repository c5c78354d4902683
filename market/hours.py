"""When a market trades. Pure: the instant comes in, no clock is read.

A session is the half-open interval [open, close) of one trading day. Instants go in aware, in any
zone, and come out in UTC; days are the exchange's local dates.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_DAY = timedelta(days=1)
_OPEN = time(9, 30)
_CLOSE = time(16)
_EARLY_CLOSE = time(13)
_SATURDAY = 5
_SPECIAL_DAYS = Path(__file__).parent / "data" / "nyse_days.csv"
_WRITTEN_DOWN = range(1993, 2036)  # the years that are in it


class TradingCalendar(Protocol):
    """What a rule may ask about sessions.

    Every method that takes an instant raises ValueError for one without a zone. Searching beyond
    the years 1 to 9999 raises OverflowError.
    """

    def is_open(self, at: datetime) -> bool:
        """Whether a session is in progress: its open counts, its close does not."""
        ...

    def next_open(self, at: datetime) -> datetime:
        """The first opening strictly after `at`."""
        ...

    def next_close(self, at: datetime) -> datetime:
        """The first close strictly after `at`: of the session in progress, or of the next one."""
        ...

    def close_of(self, day: date) -> datetime | None:
        """The instant at which that day's session really closes, None on a day without one."""
        ...

    def last_close_until(self, day: date) -> datetime:
        """The close of that day, or else of the last session before it."""
        ...

    def last_close(self, at: datetime) -> datetime:
        """The latest close at or before `at`."""
        ...

    def session_at(self, at: datetime) -> date | None:
        """The day of the session in progress, None while the market is closed."""
        ...

    def previous_session(self, day: date) -> date:
        """The last day before `day` that has a session."""
        ...

    def next_session(self, day: date) -> date:
        """The first day after `day` that has a session."""
        ...


class _Session(NamedTuple):
    day: date
    open: datetime
    close: datetime


class Exchange:
    """The New York Stock Exchange's regular session (XNYS): 9:30 to 16:00, half-days to 13:00.

    Holidays and half-days are those of the library `holidays`, which names NYSE's own rule book as
    its source; those of most years are written down, since it takes long to begin. The tests hold
    every session from 2006 to 2027 against exchange_calendars, and every close since 2000 against
    the bars that ship with the project. Before 1993 half-days closed at 14:00, which is not
    modelled.
    """

    def is_open(self, at: datetime) -> bool:
        return self.session_at(at) is not None

    def next_open(self, at: datetime) -> datetime:
        day = _local_day(at)
        session = _session(day)
        return session.open if session and at < session.open else _session_after(day).open

    def next_close(self, at: datetime) -> datetime:
        day = _local_day(at)
        session = _session(day)
        return session.close if session and at < session.close else _session_after(day).close

    def close_of(self, day: date) -> datetime | None:
        session = _session(day)
        return session.close if session else None

    def last_close_until(self, day: date) -> datetime:
        return (_session(day) or _session_before(day)).close

    def last_close(self, at: datetime) -> datetime:
        close = self.last_close_until(_local_day(at))
        return close if close <= at else self.last_close_until(_local_day(at) - _DAY)

    def session_at(self, at: datetime) -> date | None:
        session = _session(_local_day(at))
        return session.day if session and session.open <= at < session.close else None

    def previous_session(self, day: date) -> date:
        return _session_before(day).day

    def next_session(self, day: date) -> date:
        return _session_after(day).day


class AlwaysOpen:
    """A market that never closes, as a replay is: its sessions follow each other without a gap.

    Each calendar day has one, which ends at 16:00 New York, so that a rule that is valid "until" a
    day ends when it would on the exchange. What comes later belongs to the next day's session.
    """

    def is_open(self, at: datetime) -> bool:
        _local_day(at)  # refuses one without a zone, as every calendar does
        return True

    def next_open(self, at: datetime) -> datetime:
        return self.next_close(at)  # one session's close is the next one's open

    def next_close(self, at: datetime) -> datetime:
        return self.close_of(self.session_at(at))

    def close_of(self, day: date) -> datetime:
        return _instant(day, _CLOSE)

    def last_close_until(self, day: date) -> datetime:
        return self.close_of(day)

    def last_close(self, at: datetime) -> datetime:
        return self.close_of(self.previous_session(self.session_at(at)))

    def session_at(self, at: datetime) -> date:
        day = _local_day(at)
        return day if at < self.close_of(day) else day + _DAY

    def previous_session(self, day: date) -> date:
        return day - _DAY

    def next_session(self, day: date) -> date:
        return day + _DAY


def _local_day(at: datetime) -> date:
    if at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} has no time zone: a market cannot place it.")
    return at.astimezone(NEW_YORK).date()


def _instant(day: date, local: time) -> datetime:
    return datetime.combine(day, local, NEW_YORK).astimezone(UTC)


def _session(day: date) -> _Session | None:
    return _sessions_of(day.year).get(day)


def _session_after(day: date) -> _Session:
    while (session := _session(day := day + _DAY)) is None:
        pass
    return session


def _session_before(day: date) -> _Session:
    while (session := _session(day := day - _DAY)) is None:
        pass
    return session


@lru_cache(maxsize=64)
def _sessions_of(year: int) -> Mapping[date, _Session]:
    closed, early = _special_days(year)
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    trading_days = (day for day in days if day.weekday() < _SATURDAY and day not in closed)
    return MappingProxyType(
        {
            day: _Session(
                day, _instant(day, _OPEN), _instant(day, _EARLY_CLOSE if day in early else _CLOSE)
            )
            for day in trading_days
        }
    )


def _special_days(year: int) -> tuple[Collection[date], Collection[date]]:
    """The weekdays of that year without a session, and those that close early."""
    if year in _WRITTEN_DOWN:
        days = _written_down()
        return days["closed"], days["early"]
    from holidays.constants import HALF_DAY, PUBLIC  # noqa: PLC0415 -- slow to import
    from holidays.utils import financial_holidays  # noqa: PLC0415

    return (
        frozenset(financial_holidays("XNYS", years=year, categories=PUBLIC)),
        frozenset(financial_holidays("XNYS", years=year, categories=HALF_DAY)),
    )


@cache
def _written_down() -> Mapping[str, Collection[date]]:
    days: dict[str, set[date]] = {"closed": set(), "early": set()}
    with _SPECIAL_DAYS.open(encoding="ascii") as lines:
        for line in islice(lines, 1, None):
            day, kind = line.rstrip().split(",")
            days[kind].add(date.fromisoformat(day))
    return days
