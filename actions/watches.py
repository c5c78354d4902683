"""Who must be woken: sleeping rules' bands against the market's quotes.

A symbol sleeps too: the tightest of its watches' bands stands in its quote's row as alert levels,
so that a tick reads the watches only of symbols whose levels broke. Levels may be too narrow (a
needless look), never too wide:

- A rule that is new, resumed or edited waits for an instant (now), not for a price. The evaluator
  that takes this first look narrows the levels in the transaction that writes the rule's watch.
- Levels are widened only by `widen_alerts`, which locks them before it reads the watches.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from actions.models import Watch
from actions.rules import Band, Wake
from market.quotes import AlertLevels
from market.services import lock_alerts, narrow_alerts, replace_alerts

# Wakes rules that sleep, by marking them: a lease that has already run out, and the quotes to be
# judged on. A rule that somebody holds or has locked is passed over; its watch stands, so it is
# found again at the next tick. The union keeps every index in use, which an OR would not; starting
# from the quotes, each reads of an index just the watches that are reached.
_WAKE = """
WITH found AS (
    SELECT action_id FROM market_quote q JOIN watches w ON w.symbol = q.symbol
     WHERE q.symbol = ANY(%(symbols)s) AND w.below >= q.price
    UNION
    SELECT action_id FROM market_quote q JOIN watches w ON w.symbol = q.symbol
     WHERE q.symbol = ANY(%(symbols)s) AND w.above <= q.price
    UNION
    SELECT action_id FROM market_quote q JOIN watches w ON w.symbol = q.symbol
     WHERE q.symbol = ANY(%(symbols)s) AND w.volume_above <= q.volume
    UNION
    SELECT action_id FROM watches WHERE at <= %(now)s
), asleep AS (
    SELECT a.id FROM actions a JOIN found ON found.action_id = a.id
     WHERE a.status = 'active' AND a.processing_lease_until IS NULL
       FOR UPDATE OF a SKIP LOCKED
)
UPDATE actions a
   SET processing_lease_until = %(now)s,
       waking_quote = jsonb_build_object(
           'woken_at', %(now)s::timestamptz,
           'quotes', COALESCE((
               SELECT jsonb_object_agg(q.symbol, jsonb_build_object(
                          'price', q.price::text, 'as_of', q.as_of, 'volume', q.volume,
                          'previous_close', q.previous_close::text,
                          'interpolated', q.interpolated, 'note', q.note))
                 FROM watches w JOIN market_quote q ON q.symbol = w.symbol
                WHERE w.action_id = a.id AND q.price IS NOT NULL), '{}'))
  FROM asleep
 WHERE a.id = asleep.id
"""

# Reads the quotes' rows, not the watches: whoever asked for a level needs the symbol. One without
# may still be needed, by a rule that waits for an instant or by a holder, and is looked up; the
# OFFSETs keep PostgreSQL from reading a whole table to answer all the look-ups at once.
_WATCHLIST = """
SELECT symbol FROM market_quote q
 WHERE alert_below IS NOT NULL OR alert_above IS NOT NULL OR alert_volume IS NOT NULL
    OR EXISTS (SELECT FROM watches w WHERE w.symbol = q.symbol OFFSET 0)
    OR EXISTS (SELECT FROM portfolios_holding h WHERE h.symbol = q.symbol OFFSET 0)
 ORDER BY symbol
"""

# An index's end a level: nothing of what lies between is read.
_TIGHTEST = """
SELECT symbol,
       (SELECT max(below) FROM watches w WHERE w.symbol = asked.symbol),
       (SELECT min(above) FROM watches w WHERE w.symbol = asked.symbol),
       (SELECT min(volume_above) FROM watches w WHERE w.symbol = asked.symbol)
  FROM unnest(%s::text[]) AS asked(symbol)
"""

_BIND = """
UPDATE watches w SET portfolio_id = a.portfolio_id
  FROM actions a
 WHERE w.action_id = ANY(%s) AND a.id = w.action_id
"""


def watchlist() -> list[str]:
    """The symbols that some sleeping rule needs, or that somebody holds."""
    with connection.cursor() as cursor:
        cursor.execute(_WATCHLIST)
        return [symbol for (symbol,) in cursor.fetchall()]


def wake(*, symbols: Collection[str], now: datetime) -> int:
    """Marks the rules whose band is broken, for `symbols`, or whose instant has come.

    Returns how many. Belongs in the transaction that stores the quotes, so that a crossing of one
    tick cannot be stored and then lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, {"symbols": list(symbols), "now": now})
        return int(cursor.rowcount)


def set_watches(wakes: Mapping[UUID, tuple[frozenset[str], Wake]]) -> None:
    """Replaces the watches of rules: for each, the symbols it needs and when it must be woken.

    A rule with nothing to wait for gets none. Narrows the symbols' alert levels.
    """
    Watch.objects.filter(action__in=wakes).delete()
    rows = [
        row
        for action_id, (symbols, wake) in wakes.items()
        for row in watch_rows(action_id, symbols, wake)
    ]
    Watch.objects.bulk_create(rows)
    if bound := [action_id for action_id, (_, wake) in wakes.items() if wake.portfolio]:
        with connection.cursor() as cursor:
            cursor.execute(_BIND, [bound])
    narrow_alerts(levels=_tightest(rows))


def stir(*, portfolio_ids: Collection[UUID], now: datetime) -> None:
    """Has the rules that follow these portfolios looked at from `now` on."""
    if portfolio_ids:
        Watch.objects.filter(portfolio__in=portfolio_ids).update(at=now)


def first_look(*, action_id: UUID, symbols: frozenset[str], at: datetime) -> None:
    """Has a rule that is new, resumed or edited looked at from `at` on."""
    set_watches({action_id: (symbols, Wake(at=at))})


def sleep_for_good(*, action_ids: Collection[UUID]) -> None:
    """Removes the watches of rules that are no longer active, and widens their symbols' levels.

    So a symbol that nobody else needs is not asked for any more.
    """
    watches = Watch.objects.filter(action__in=action_ids)
    symbols = set(watches.values_list("symbol", flat=True))
    watches.delete()
    widen_alerts(symbols={symbol for symbol in symbols if symbol is not None})


def widen_alerts(*, symbols: Collection[str]) -> None:
    """Recomputes the alert levels of `symbols` from their watches.

    Locks the levels first and reads the watches in a second statement: one that committed while we
    waited for the lock must be seen, and one that commits later narrows what we write.
    """
    lock_alerts(symbols=symbols)
    with connection.cursor() as cursor:
        cursor.execute(_TIGHTEST, [list(symbols)])
        replace_alerts(levels={symbol: AlertLevels(*band) for symbol, *band in cursor.fetchall()})


def watch_rows(action_id: UUID, symbols: frozenset[str], wake: Wake) -> list[Watch]:
    """The rows that say this of a rule: one a symbol, the instant on the first."""
    if wake == Wake():
        return []
    rows = [
        _row(action_id, symbol, wake.bands.get(symbol, Band()))
        for symbol in sorted(symbols | wake.bands.keys())
    ] or [Watch(action_id=action_id, symbol=None)]
    rows[0].at = wake.at
    return rows


def _row(action_id: UUID, symbol: str, band: Band) -> Watch:
    # On the grid of prices, and nothing that no price can reach.
    levels = AlertLevels(band.below, band.above, band.volume_above)
    return Watch(
        action_id=action_id,
        symbol=symbol,
        below=levels.below,
        above=levels.above,
        volume_above=levels.volume,
    )


def _tightest(rows: list[Watch]) -> dict[str, AlertLevels]:
    by_symbol: dict[str, list[Watch]] = {}
    for row in rows:
        if row.symbol is not None:
            by_symbol.setdefault(row.symbol, []).append(row)
    tightest = {
        symbol: AlertLevels(
            below=_extreme(max, [row.below for row in watches]),
            above=_extreme(min, [row.above for row in watches]),
            volume=_extreme(min, [row.volume_above for row in watches]),
        )
        for symbol, watches in by_symbol.items()
    }
    # Who asks for no level must not wait for the symbol's row: a new rule, a rule that failed.
    return {symbol: levels for symbol, levels in tightest.items() if levels != AlertLevels()}


def _extreme[N: (Decimal, int)](
    pick: Callable[[list[N]], N], values: Iterable[N | None]
) -> N | None:
    asked = [value for value in values if value is not None]
    return pick(asked) if asked else None
