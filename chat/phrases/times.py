"""From times in words to the parameters of a time of day. Pure."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from chat.phrases import limits
from chat.phrases.clocks import Clock
from chat.phrases.context import Moment
from chat.phrases.days import WEEK, Days
from chat.phrases.parts import Other
from chat.phrases.understood import Question
from chat.phrases.world import World
from market.hours import NEW_YORK

_WEEKS_AHEAD = 4
_WHOLE = {"sat": "Saturdays", "sun": "Sundays"}  # the others have sessions


def is_day(value: object) -> bool:
    return not isinstance(value, Moment | Clock)


def clock_params(
    moments: Sequence[Other], days: Sequence[Other], side: str, world: World
) -> tuple[dict[str, Any], list[Other]]:
    """The parameters of a time of day, and the clauses of validity that come with a date."""
    clocks = [
        m.value.clock if isinstance(m.value, Moment) else m.value
        for m in moments
        if not is_day(m.value)
    ]
    dates = [
        m.value.day if isinstance(m.value, Moment) else m.value
        for m in moments
        if not isinstance(m.value, Clock)
    ]
    if not clocks:
        raise Question("At what time? Such as “at 10:00” or “at the open”.")
    if len(clocks) > 1 or len(dates) > 1 or len(days) > 1 or (dates and days):
        raise Question("At which time? It names more than one. Write one rule for each.")
    clock = clocks[0]
    zone = clock.zone or world.zone
    _check_session(clock, side, world)
    params = {"time": f"{clock.time:%H:%M}", "timezone": zone.key, "days": "trading_days"}
    if days:
        wanted: Days = days[0].value
        params["days"] = wanted.days if isinstance(wanted.days, str) else list(wanted.days)
        _check_days(wanted, side, world)
    if not dates:
        return params, []
    return _on_date(params, Moment(dates[0], clock), side, world)


def _check_days(wanted: Days, side: str, world: World) -> None:
    """A trade needs a session on each of the days of the week, if not in every week."""
    if side == "NOTIFY" or isinstance(wanted.days, str):
        return
    today = world.now.astimezone(NEW_YORK).date()
    ahead = [today + timedelta(days=number) for number in range(_WEEKS_AHEAD * len(WEEK))]
    traded = {WEEK[day.weekday()] for day in ahead if world.calendar.close_of(day) is not None}
    if never := [day for day in wanted.days if day not in traded]:
        raise Question(
            f"The exchange is closed on {_WHOLE[never[0]]}. On which other day shall it trade?"
        )


def _on_date(
    params: dict[str, Any], moment: Moment, side: str, world: World
) -> tuple[dict[str, Any], list[Other]]:
    at = limits.instant(moment, world)
    if at <= world.now:
        raise Question("That time has passed already. When shall it be?")
    day = at.date()
    if side != "NOTIFY":
        limits.check_session(at.astimezone(NEW_YORK).date(), world)
    dated = limits.on_day(day, world)
    close = world.calendar.close_of(day)
    if close is None or close <= at:  # a reminder in the evening: valid until midnight
        midnight = Clock(time(23, 59), at.tzinfo)  # type: ignore[arg-type]  # it came from a ZoneInfo
        dated = [*dated[:-1], Other("until", Moment(day, midnight))]
    return {**params, "days": [WEEK[day.weekday()]]}, dated


def _check_session(clock: Clock, side: str, world: World) -> None:
    """A trade needs an open market: 9:30 to 16:00 New York."""
    if side == "NOTIFY":
        return
    local = datetime.combine(
        world.now.astimezone(world.zone).date(), clock.time, clock.zone or world.zone
    )
    there = local.astimezone(NEW_YORK).time()
    if not time(9, 30) <= there < time(16):
        raise Question(
            f"At {clock.time:%H:%M} the market is closed: it trades from 9:30 to 16:00 New York. "
            "At what time shall it trade, such as “at 15:50”?"
        )
