"""A clock on some wall shows a certain time."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from actions.marks import Mark, Span
from actions.parts import Example
from actions.rules import Evaluation, Outcome, Rule, State, Trigger, View, Wake
from actions.triggers._since import since, state_since
from actions.triggers._whole import Whole
from actions.triggers._words import day_in_words
from market.hours import TradingCalendar

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TRADING_DAYS: Literal["trading_days"] = "trading_days"
DEFAULT_MINUTES = 5

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _clock(text: str) -> str:
    if not re.fullmatch(_CLOCK, text):
        raise ValueError("Use hours and minutes from 00:00 to 23:59, such as 09:35.")
    return text


@cache
def _zone_names() -> frozenset[str]:
    # "localtime" is whatever the machine is set to: the same rule would mean something else on it.
    return frozenset(available_timezones() - {"localtime"})


def _zone_name(name: str) -> str:
    if name not in _zone_names():
        raise ValueError("Use an IANA time zone, such as America/New_York.")
    return name


def _days(value: object) -> object:
    """The days in the order of the week, each once, so that equal rules are stored alike."""
    if value == TRADING_DAYS:
        return value
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("Use a list of days, such as mon and fri, or trading_days.")
    days = {str(day).strip().lower() for day in value}
    if strange := days - set(WEEK):
        named = ", ".join(sorted(f"“{day[:20]}”" for day in strange)[:3])
        raise ValueError(f"{named} is no day. Use {', '.join(WEEK)}, or trading_days.")
    return tuple(day for day in WEEK if day in days)


@dataclass(frozen=True, slots=True)
class _Window:
    """The instants from the beginning of a span on, and before its end: of one span, or of two
    where clocks are put back, between which they show what they have shown before."""

    spans: tuple[tuple[datetime, datetime], ...]

    @property
    def start(self) -> datetime:
        return self.spans[0][0]

    @property
    def end(self) -> datetime:
        return self.spans[-1][1]

    def opens(self, now: datetime) -> datetime:
        """When it opens next, or has opened if it is open at `now`, which is before its end."""
        return next(begin for begin, end in self.spans if end > now)


class TimeOfDay(Trigger):
    """Fires once in each window: from `time` on the wall, for `window_minutes` of wall time.

    The state is `since`: windows that end later are still to come. It changes only by a firing.
    """

    title = "Time of day"
    summary = "Fires at a time of day that you choose, on some days of the week or trading days."
    examples = (
        Example({"time": "09:35"}, "at 09:35 New York on trading days"),
        Example({"time": "10:00", "days": ["fri"]}, "at 10:00 New York on Fri"),
        Example(
            {
                "time": "16:00",
                "window_minutes": 90,
                "timezone": "Europe/London",
                "days": ["mon", "wed", "fri"],
            },
            "between 16:00 and 17:30 London on Mon, Wed and Fri",
        ),
    )

    symbol: ClassVar[None] = None  # type: ignore[misc]  # a clock has none: no such parameter

    time: Annotated[str, AfterValidator(_clock)] = Field(
        title="Time",
        description="The time of day from which it may fire, as hours and minutes, such as 09:35.",
        json_schema_extra={"pattern": _CLOCK},
    )
    window_minutes: Whole = Field(
        DEFAULT_MINUTES,
        ge=1,
        le=1440,
        title="Window in minutes",
        description="How long after that time it may still fire, if it could not do so at once.",
    )
    timezone: Annotated[str, AfterValidator(_zone_name)] = Field(
        "America/New_York",
        title="Time zone",
        description="The zone whose clocks show that time, such as Europe/Berlin.",
        json_schema_extra={"format": "timezone"},
    )
    days: Annotated[Literal["trading_days"] | tuple[Day, ...], BeforeValidator(_days)] = Field(
        TRADING_DAYS,
        title="Days",
        description="Days of the week, holidays included, or trading_days: those on which the "
        "exchange has a session. The day on which the window begins decides.",
    )

    def check(self, rule: Rule) -> None:
        """It needs no symbol."""

    def watched(self, rule: Rule) -> frozenset[str]:
        return frozenset()

    def activate(self, rule: Rule, view: View) -> State:
        return state_since(view.now)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        window = self._awaited(rule, view)
        opens = window.opens(view.now)
        is_open = opens <= view.now
        told = (
            f"It is {self._clock_at(view.now)}, within {self.window_minutes} min of {self.time}."
            if is_open
            else f"The next window opens {self._clock_at(opens)}."
        )
        if missed := self._missed(rule, view):
            told += f" The window of {self._clock_at(missed.start)} was missed."
        if is_open:
            return Evaluation(Outcome.FIRED, told, state_since(window.end))
        return Evaluation(Outcome.NOT_FIRED, told, rule.state)

    def watch(self, rule: Rule, view: View) -> Wake:
        return Wake(at=self._awaited(rule, view).opens(view.now))

    def describe(self, symbol: str | None) -> str:
        place = f"{_city(self.timezone)} {self._days_in_words()}"
        if self.window_minutes == DEFAULT_MINUTES:
            return f"at {self.time} {place}"
        starts = datetime.combine(date.min, time.fromisoformat(self.time))
        ends = starts + timedelta(minutes=self.window_minutes)
        return f"between {self.time} and {ends:%H:%M} {place}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        window = self._awaited(rule, view)
        zone = ZoneInfo(self.timezone)
        begin, end = window.start.astimezone(zone), window.end.astimezone(zone)
        words = f"Fires between {begin:%H:%M} and {end:%H:%M} {_city(self.timezone)}"
        return (Span(window.start, window.end, words),)

    def _days_in_words(self) -> str:
        if self.days == TRADING_DAYS:
            return "on trading days"
        if self.days == WEEK:
            return "every day"
        *others, last = (day.capitalize() for day in self.days)
        return f"on {', '.join(others)} and {last}" if others else f"on {last}"

    def _awaited(self, rule: Rule, view: View) -> _Window:
        """The window that is open, unless it is dealt with, or else the next one."""
        over = max(view.now, since(rule))
        # A window lasts a day at most: one that is open began today or yesterday.
        windows = self._windows(self._day_of(view.now) - _DAY, _DAY, view.calendar)
        return next(window for window in windows if window.end > over)

    def _missed(self, rule: Rule, view: View) -> _Window | None:
        """The last window that is over, if it was to come and nothing fired in it."""
        windows = self._windows(self._day_of(view.now), -_DAY, view.calendar)
        last = next(window for window in windows if window.end <= view.now)
        return last if last.end > since(rule) else None

    def _windows(self, day: date, step: timedelta, calendar: TradingCalendar) -> Iterator[_Window]:
        while True:
            if self._counts(day, calendar) and (window := self._window(day)):
                yield window
            day += step

    def _counts(self, day: date, calendar: TradingCalendar) -> bool:
        if self.days == TRADING_DAYS:
            return calendar.close_of(day) is not None
        return WEEK[day.weekday()] in self.days

    def _window(self, day: date) -> _Window | None:
        """The window that begins on that local day; None where its clocks skip the time."""
        zone = ZoneInfo(self.timezone)
        local = datetime.combine(day, time.fromisoformat(self.time), zone)
        start = local.astimezone(UTC)
        if start.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            return None
        return _Window(_spans(start, timedelta(minutes=self.window_minutes), zone))

    def _day_of(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.timezone)).date()

    def _clock_at(self, instant: datetime) -> str:
        local = instant.astimezone(ZoneInfo(self.timezone))
        return f"{day_in_words(local)} {local:%H:%M} {_city(self.timezone)}"


def _spans(
    start: datetime, length: timedelta, zone: ZoneInfo
) -> tuple[tuple[datetime, datetime], ...]:
    """When clocks that show a time at `start` show it, and what is less than `length` after it, for
    the first time.

    Where they are put forward meanwhile, that ends sooner. Where they are put back, they first show
    again what they have shown before, and then the rest.
    """

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(zone).utcoffset() or timedelta(0)

    end, before = start + length, offset(start)
    ahead = offset(end) - before
    if not ahead:
        return ((start, end),)
    changed_by = bisect_left(
        range(length // _SECOND),
        True,
        key=lambda seconds: offset(start + seconds * _SECOND) != before,
    )
    change = start + changed_by * _SECOND
    if ahead > timedelta(0):
        return ((start, max(change, end - ahead)),)
    if end == change:
        return ((start, end),)
    return (start, change), (change - ahead, end - ahead)


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")
