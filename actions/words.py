"""Spans, instants and counts as people say them: "3 h 12 min", "5 min ago", "once". Pure."""

from datetime import datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_JUST_NOW_SECONDS = 5


def span(length: timedelta) -> str:
    """A length of time in its two largest units, cut, not rounded: "3 h 12 min", "2 days 4 h"."""
    seconds = int(length.total_seconds())
    if seconds < _MINUTE:
        return f"{max(seconds, 0)} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return _both(seconds // _HOUR, "h", seconds % _HOUR // _MINUTE, "min")
    days = seconds // _DAY
    if days >= 14:
        return f"{days} days"
    return _both(days, "day" if days == 1 else "days", seconds % _DAY // _HOUR, "h")


def relative(instant: datetime, now: datetime) -> str:
    """An instant as seen from `now`: "5 min ago", "in 3 h 12 min", "now"."""
    away = (instant - now).total_seconds()
    if abs(away) < _JUST_NOW_SECONDS:
        return "now"
    words = span(abs(instant - now))
    return f"in {words}" if away > 0 else f"{words} ago"


def times(count: int) -> str:
    """How often: "once", "3 times"."""
    return "once" if count == 1 else f"{count} times"


def _both(large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = f" {small} {small_unit}" if small else ""
    return f"{large} {large_unit}{rest}"
