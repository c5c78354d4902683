"""What people look at: quotes no older than they accept, asked for once for all who want them."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, partial
from time import monotonic, sleep

from django.db import connection

from market.asking import QUOTE, ask_for_quotes, patience
from market.bulk import ask
from market.errors import ProviderError
from market.feed import completed_sessions, fetch_quotes, provider, quote_max_age
from market.models import FeedAsk
from market.providers import WebProvider
from market.quotes import Sample
from market.quotes_in import follow
from market.selectors import latest_quotes

LOOKS_LAST = timedelta(minutes=5)
_SAME_LOOK = timedelta(minutes=1)
_POLL = 0.05  # seconds
_ASKING_AT_ONCE = 4  # of a process: what a feed that hangs may hold

_LOOK = """
INSERT INTO market_look AS look (symbol, at)
SELECT symbol, %s FROM unnest(%s::text[]) AS wanted(symbol) ORDER BY symbol
    ON CONFLICT (symbol) DO UPDATE SET at = excluded.at WHERE look.at < %s
"""

_LOOKED_AT = "SELECT symbol FROM market_look WHERE at > %s"


def quotes_within(
    *,
    symbols: Collection[str],
    now: datetime,
    age: timedelta,
    take_in: Callable[[list[Sample], datetime], object],
) -> dict[str, Sample]:
    """The latest accepted quote of each symbol, asked for where nobody was told one within `age`.

    However many want the same at once, in whatever process, one of them asks, and the others wait
    for the answer. `take_in(samples, now)` stores what was asked for and wakes whom it concerns,
    as a tick does. Where the feed fails or has no credits left, a quote is as old as it says. The
    symbols count as looked at: for some minutes ticks keep them fresh. Raises UnknownSymbol.

    Belongs outside any transaction: it may take as long as a network call.
    """
    follow(symbols=symbols)
    looked_at(symbols=symbols, now=now)
    try:
        feed = provider()
        if isinstance(feed, WebProvider):
            ask_for_quotes(feed, symbols=symbols, now=now, within=age, take_in=take_in)
            _wait_for_others(symbols, now)
        else:
            take_in(fetch_quotes(symbols=symbols, now=now).samples, now)
    except ProviderError:
        pass  # it is on the status page, and each quote has its age
    return latest_quotes(symbols=symbols)


def look_soon(
    *,
    unpriced: Collection[str],
    charted: Collection[str],
    sessions: int,
    now: datetime,
    take_in: Callable[[list[Sample], datetime], object],
    patience: timedelta,
) -> None:
    """Has the feed asked for quotes of the symbols that have none, and for the past `sessions` of
    those that are drawn, for a page that does not wait for a slow feed: no longer than `patience`.

    What the feed says later is stored all the same. Raises UnknownSymbol.
    """
    try:
        over_network = isinstance(provider(), WebProvider)
    except ProviderError:
        return
    asks: list[Callable[[], object]] = []
    if unpriced:
        age = quote_max_age()
        asks.append(partial(quotes_within, symbols=unpriced, now=now, age=age, take_in=take_in))
    if not over_network:  # the past of others is at hand
        for ask in asks:
            ask()
        return
    if charted:
        asks.append(partial(completed_sessions, symbols=charted, now=now, sessions=sessions))
    begun = [_asking().submit(_beside, ask) for ask in asks]
    for answer in wait(begun, timeout=patience.total_seconds()).done:
        answer.result()


@cache
def _asking() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_ASKING_AT_ONCE, thread_name_prefix="asks the feed")


def _beside(ask: Callable[[], object]) -> None:
    """Asks in a thread, which has a connection to the database of its own."""
    try:
        with suppress(ProviderError):  # it is on the status page
            ask()
    finally:
        connection.close()


def looked_at(*, symbols: Collection[str], now: datetime) -> None:
    """Notes that somebody looks at these instruments: for some minutes ticks keep those of them
    fresh that are followed."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [now, sorted(set(symbols)), now - _SAME_LOOK])


def ask_looked_at(*, now: datetime) -> Callable[[], list[str]]:
    """Asks for the symbols that somebody has looked at in the last minutes, and gives what is
    called for them (`market.bulk.ask`)."""
    rows = ask(_LOOKED_AT, [now - LOOKS_LAST])
    return lambda: [symbol for (symbol,) in rows()]


def _wait_for_others(symbols: Collection[str], now: datetime) -> None:
    pending = FeedAsk.objects.filter(instrument__in=symbols, subject=QUOTE, pending_until__gt=now)
    deadline = monotonic() + patience().total_seconds()
    while pending.exists() and monotonic() < deadline:
        sleep(_POLL)
