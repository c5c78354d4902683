"""Which sessions count for a quote: those that had closed before it."""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from actions.rules import View
from market.quotes import Bar, Sample

# The sessions to ask for beside those that count: the newest may have closed after the quote.
SPARE = 1


def closed_before(quote: Sample, view: View) -> Sequence[Bar]:
    """The completed sessions that closed before `quote`, oldest first.

    A quote of the very instant of a close is still of the session that closes.
    """
    bars = view.bars.get(quote.symbol, ())
    return bars[: bisect_left(bars, quote.as_of, key=attrgetter("at"))]


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


def is_complete(closed: Sequence[Bar], view: View) -> bool:
    """Whether the newest of `closed` is the last session that there was.

    If not, the symbol was not traded in it, or its bar is late and may come at any time.
    """
    return bool(closed) and closed[-1].at >= view.calendar.last_close(view.now)
