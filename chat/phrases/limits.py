"""How long a rule is valid and how often it fires, from the clauses that say so. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from chat.phrases.clocks import Clock
from chat.phrases.context import Moment
from chat.phrases.dates import Dates, Unclear
from chat.phrases.parts import Other
from chat.phrases.spans import Span
from chat.phrases.understood import Question
from chat.phrases.world import World

SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "session": 86_400,
    "week": 604_800,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
_LAST_SESSION = 1_000  # so many ahead
CLAUSES = frozenset(
    {
        "until",
        "before",
        "starting",
        "after",
        "following",
        "ahead",
        "span",
        "this_week",
        "day_order",
    }
)  # of how long it is valid
_STARTS = frozenset({"starting", "after"})


@dataclass(frozen=True, slots=True)
class Validity:
    starts: datetime | None = None
    ends: datetime | None = None


def validity(clauses: Sequence[Other], world: World) -> Validity:
    """From when until when. Asks where two clauses give different ends, or one has passed."""
    starts = {_start(clause, world) for clause in clauses if clause.kind in _STARTS}
    ends = {_end(clause, world) for clause in clauses if clause.kind not in _STARTS}
    if len(ends) > 1 or len(starts) > 1:
        raise Question("Until when shall it be valid? There is more than one time in it.")
    start, end = next(iter(starts), None), next(iter(ends), None)
    if start is not None and end is not None and end <= start:
        raise Question("It would end before it starts. Until when shall it be valid?")
    if end is not None and end <= world.now:
        raise Question("That time has passed already. Until when shall it be valid?")
    return Validity(start, end)


def _end(clause: Other, world: World) -> datetime:
    readers: dict[str, Callable[[Any, World], datetime]] = {
        "until": _until,
        "before": _before,
        "following": _following,
        "ahead": _following,
        "span": _following,
        "this_week": _this_week,
        "day_order": _day_order,
        "on_day": _until,
    }
    return readers[clause.kind](clause.value, world)


def _until(value: Moment | Clock | date | Unclear, world: World) -> datetime:
    if isinstance(value, Clock):
        value = Moment(world.now.astimezone(world.zone).date(), value)
    if isinstance(value, Moment) and not value.clock.of_session:
        return instant(value, world)
    return _close(_day(value), world)


def _before(value: Moment | Clock | date | Unclear, world: World) -> datetime:
    if isinstance(value, Moment | Clock):
        return _until(value, world)
    day = _day(value)
    before = world.calendar.previous_session(day)
    raise Question(
        f"Shall it still be valid on {in_words(day)}? Say “until {in_words(day)}”, or "
        f"“until {in_words(before)}” if it shall end before."
    )


def _following(span: Span, world: World) -> datetime:
    """So long from now: in days and longer by the clock on the wall, else by the clock's hands."""
    if span.unit in ("second", "minute", "hour"):
        return world.now + timedelta(seconds=span.count * SECONDS[span.unit])
    local = world.now.astimezone(world.zone)
    try:
        day = _later(local.date(), span, world)
        return datetime.combine(day, local.time(), world.zone)
    except (OverflowError, ValueError):
        raise Question("That is too long. Until when shall it be valid?") from None


def _later(day: date, span: Span, world: World) -> date:
    if span.unit == "session":
        if span.count > _LAST_SESSION:
            raise OverflowError
        for _ in range(span.count):
            day = world.calendar.next_session(day)
        return day
    if span.unit in ("month", "quarter", "year"):
        months = day.month - 1 + span.count * {"month": 1, "quarter": 3, "year": 12}[span.unit]
        year, month = day.year + months // 12, months % 12 + 1
        following = date(year + month // 12, month % 12 + 1, 1)
        return min(following - timedelta(days=1), date(year, month, 1) + timedelta(day.day - 1))
    return day + timedelta(days=span.count * (7 if span.unit == "week" else 1))


def _this_week(value: object, world: World) -> datetime:
    return _close(Dates(world.now, world.zone, world.calendar).end_of("week"), world)


def _day_order(value: object, world: World) -> datetime:
    return world.calendar.next_close(world.now)


def _close(day: date, world: World) -> datetime:
    try:
        return world.calendar.last_close_until(day)
    except (OverflowError, ValueError):
        raise Question("Until when shall it be valid? Such as “until March 31”.") from None


def _start(clause: Other, world: World) -> datetime:
    if isinstance(clause.value, Moment):
        return instant(clause.value, world)
    day = _day(clause.value)
    if clause.kind == "after":
        following = day + timedelta(days=1)
        raise Question(
            f"Shall it be valid on {in_words(day)} already? Say “starting {in_words(day)}”, or "
            f"“starting {in_words(following)}” if it shall begin after it."
        )
    return datetime.combine(day, time(), world.zone)


def instant(moment: Moment, world: World) -> datetime:
    return datetime.combine(_day(moment.day), moment.clock.time, moment.clock.zone or world.zone)


def _day(value: Moment | date | Unclear) -> date:
    """The day, or the question which one is meant."""
    if isinstance(value, Moment):
        value = value.day
    if isinstance(value, Unclear):
        raise Question(value.question)
    return value


def on_day(day: date | Unclear, world: World) -> list[Other]:
    """Valid on that day alone."""
    found = _day(day)
    ahead = found > world.now.astimezone(world.zone).date()
    until = Other("on_day", found)
    return [Other("starting", found), until] if ahead else [until]


def check_session(day: date | Unclear, world: World) -> None:
    """Asks about a day on which the exchange is closed."""
    found = _day(day)
    if world.calendar.close_of(found) is None:
        raise Question(
            f"The exchange is closed on {in_words(found)}. Shall it be "
            f"{in_words(world.calendar.next_session(found))}?"
        )


def cooldown_seconds(clauses: Sequence[Other]) -> int | None:
    found = {_seconds(*clause.value) for clause in clauses}
    if len(found) > 1:
        raise Question("How long shall it wait between two firings? It says more than one time.")
    return next(iter(found), None)


def _seconds(span: Span, times: Decimal) -> int:
    if times != 1:
        raise Question(
            f"A rule can wait between two firings, such as “at most once a {span.unit}”; "
            f"it does not "
            f"count {times} times a {span.unit}. How long shall it wait?"
        )
    seconds = span.count * SECONDS.get(span.unit, 0)
    if not seconds:
        raise Question("How long shall it wait between two firings? Such as “at most once a day”.")
    return seconds


def in_words(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B}"
