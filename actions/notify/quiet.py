"""Quiet hours: local times of a user's zone between which no e-mail is sent. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def end_of_quiet(now: datetime, *, zone: ZoneInfo, begin: time, end: time) -> datetime | None:
    """When the quiet hours in which `now` lies end, in UTC; None where it lies in none.

    `begin` counts as quiet, `end` does not; an `end` before `begin` is the next day's. Around a
    change of the clocks the local times are read as calendars read them (RFC 5545): one that occurs
    twice is the first, one that is skipped is as far behind the change as it would have been
    without it, so that the night keeps its length.
    """
    today = now.astimezone(zone).date()
    for day in (today - _DAY, today):  # yesterday's may reach into today
        begins = _instant(day, begin, zone)
        ends = _instant(day if begin < end else day + _DAY, end, zone)
        if begins <= now < ends:
            return ends
    return None


def _instant(day: date, local: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, local, zone).astimezone(UTC)
