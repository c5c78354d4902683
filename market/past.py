"""The completed sessions of a live feed: asked for once a session, kept as daily bars.

Whenever the last completed session is missing, the whole span is asked for anew and replaces what
was there (it costs the same): so bars from before and after a split never stand side by side.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from market.arrays import plain_array, text_array
from market.asking import (
    SETTLES,
    Outcome,
    affordable,
    inside_transaction,
    mark_pending,
    open_budget,
    record,
    spent_of,
)
from market.budget import credits_left
from market.errors import ProviderError
from market.hours import NEW_YORK
from market.models import DailyBar, FeedAsk
from market.providers import FeedFailed, Sessions, WebProvider
from market.quotes import Bar
from market.splits import applied_splits, in_new_shares

SESSIONS = FeedAsk.Subjects.SESSIONS.value
_COLUMNS = ("instrument_id", "at", "open", "high", "low", "close", "volume")

_MISSING = """
SELECT wanted.symbol
  FROM unnest(%(symbols)s::text[]) AS wanted(symbol)
  JOIN market_instrument instrument ON instrument.symbol = wanted.symbol
  LEFT JOIN market_feedask ask ON ask.symbol = wanted.symbol AND ask.subject = %(subject)s
 WHERE (ask.pending_until IS NULL OR ask.pending_until <= %(now)s)
   AND (ask.not_before IS NULL OR ask.not_before <= %(now)s)
   AND (ask.last_session IS DISTINCT FROM %(last)s OR ask.sessions < %(count)s)
 ORDER BY wanted.symbol
"""

_FORGET = """
DELETE FROM market_dailybar bar USING unnest(%s::text[], %s::date[]) AS anew(symbol, first)
 WHERE bar.symbol = anew.symbol AND bar.session >= anew.first
"""

_HAVE = """
UPDATE market_feedask SET last_session = %(last)s, sessions = %(count)s
 WHERE subject = %(subject)s AND symbol = ANY(%(symbols)s)
"""


def recent_sessions(
    feed: WebProvider, *, symbols: Collection[str], now: datetime, count: int, may_ask: bool = True
) -> dict[str, tuple[Bar, ...]]:
    """Each symbol's last `count` completed sessions, oldest first; it may have fewer.

    Without the credits to ask for them, inside a transaction, or if the feed must not be asked,
    they are what was had before: without the last session, perhaps. Raises ProviderError where
    asking failed.
    """
    last = _last_session(feed, now)
    asked = _claim(feed, symbols, now, last, count) if may_ask and not inside_transaction() else []
    outcome: Outcome[Sessions] = Outcome(asked)
    for start in range(0, len(asked), feed.batch):
        some = asked[start : start + feed.batch]
        try:
            # One more than wanted: the newest may be of the session in progress.
            answer = feed.sessions(some, now, count + 1)
        except FeedFailed as failure:
            outcome.failure = failure
            outcome.spent += feed.cost(len(some)) if failure.billed else 0
            break
        outcome.answers.append(answer)
        outcome.spent += feed.cost(len(some))
    for answer in outcome.answers:
        _store(answer.bars, last)
        _mark(list(answer.bars), last, count)
    record(feed, SESSIONS, outcome, now)
    if outcome.failure:
        raise ProviderError(f"{feed.name}: {outcome.failure.words}")
    return _stored(feed, symbols, last, count)


def _last_session(feed: WebProvider, now: datetime) -> date:
    """The newest session that has been over for so long that its bar is final."""
    return feed.calendar.last_close(now - SETTLES).astimezone(NEW_YORK).date()


def _claim(
    feed: WebProvider, symbols: Collection[str], now: datetime, last: date, count: int
) -> list[str]:
    params: dict[str, Any] = {
        "symbols": list(symbols),
        "subject": SESSIONS,
        "now": now,
        "last": last,
        "count": count,
    }
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_MISSING, params)
            missing = [symbol for (symbol,) in cursor.fetchall()]
        if not missing:
            return []
        budget = open_budget(feed, now)
        with connection.cursor() as cursor:  # again, now that nobody else chooses
            cursor.execute(_MISSING, params)
            missing = [symbol for (symbol,) in cursor.fetchall()]
        credits = credits_left(feed.plan, spent_of(budget), now, feed.calendar, paced=False)
        asked = missing[: affordable(feed, credits, len(missing))]
        if asked:
            mark_pending(feed, SESSIONS, asked, budget, now)
    return asked


@transaction.atomic
def _store(bars: Mapping[str, tuple[Bar, ...]], last: date) -> None:
    """Replaces what there is of each symbol from its first new session on; three
    statements."""
    complete = {
        symbol: kept
        for symbol, found in bars.items()
        if (kept := [bar for bar in found if bar.session <= last])
    }
    if complete:  # a feed takes a while until it has adjusted the past for a split
        since = min(kept[0].session for kept in complete.values())
        splits = applied_splits(symbols=sorted(complete), since=since)
        complete |= {
            symbol: [*in_new_shares(complete[symbol], of)] for symbol, of in splits.items()
        }
    with connection.cursor() as cursor:
        firsts = [kept[0].session for kept in complete.values()]
        cursor.execute(_FORGET, [text_array(complete), plain_array(firsts)])
    DailyBar.objects.bulk_create(
        (DailyBar.of(bar) for kept in complete.values() for bar in kept), batch_size=5000
    )


def _mark(symbols: list[str], last: date, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _HAVE, {"last": last, "count": count, "subject": SESSIONS, "symbols": symbols}
        )


def _stored(
    feed: WebProvider, symbols: Collection[str], last: date, count: int
) -> dict[str, tuple[Bar, ...]]:
    first = last
    for _ in range(count - 1):
        first = feed.calendar.previous_session(first)
    rows = DailyBar.objects.filter(
        instrument__in=symbols, session__gte=first, session__lte=last
    ).order_by("instrument", "session")
    found: dict[str, list[Bar]] = {symbol: [] for symbol in symbols}
    for row in rows.values_list(*_COLUMNS):
        found[row[0]].append(Bar(*row))
    return {symbol: tuple(bars) for symbol, bars in found.items()}
