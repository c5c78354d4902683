"""Which sessions count at an instant, such as a quote's: those that had closed before it."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from operator import attrgetter

from actions.rules import View
from market.hours import NEW_YORK, TradingCalendar
from market.quotes import Bar, Sample

# The sessions to ask for beside those that count: the newest may have closed after the quote.
SPARE = 1

INSTANT = timedelta(microseconds=1)


def closed_before(symbol: str, at: datetime, view: View) -> Sequence[Bar]:
    """The completed sessions of `symbol` that closed before `at`, oldest first.

    The very instant of a close is still of the session that closes.
    """
    bars = view.bars.get(symbol, ())
    return bars[: bisect_left(bars, at, key=attrgetter("at"))]


def last_close_before(at: datetime, calendar: TradingCalendar) -> datetime:
    """The last close before `at` by the calendar, whether or not there is a bar of it."""
    return calendar.last_close(at - INSTANT)


def missing(bars: Sequence[Bar], close: datetime) -> date | None:
    """The day of the session that closed at `close`, if `bars` end before it.

    The symbol was not traded in it, or its bar is late and may come at any time. Until then, to
    count back from the newest of `bars` would be to count from an older session.
    """
    if bars and bars[-1].at >= close:
        return None
    return close.astimezone(NEW_YORK).date()


def is_of_this_session(quote: Sample, view: View) -> bool:
    """Whether a session is open of which `quote` is.

    Then so are all quotes until the next close: the sessions before them are those before `quote`.
    """
    calendar = view.calendar
    return (
        calendar.is_open(view.now)
        and calendar.is_open(quote.as_of)
        and calendar.last_close(view.now) < quote.as_of < calendar.next_close(view.now)
    )
