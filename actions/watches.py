"""Who must be woken: sleeping rules' bands against the market's quotes.

A symbol sleeps too: the tightest of its watches' bands stands in its quote's row as alert levels,
so that a tick reads the watches only of symbols whose levels broke. Levels may be too narrow (a
needless look), never too wide:

- A rule that is new, resumed or edited waits for an instant (now), not for a price. The evaluator
  that takes this first look narrows the levels in the transaction that writes the rule's watch.
- Levels are widened only by `widen_alerts`, which locks them before it reads the watches.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from actions import water_marks
from actions.models import Waking, Watch
from actions.rules import Band, Wake
from market.arrays import instant_array, plain_array, text_array, uuid_array
from market.bulk import ask, run, send, write
from market.quotes import AlertLevels
from market.services import lock_alerts, narrow_alerts, replace_alerts

# Wakes rules that sleep, by marking them: a lease that has already run out, and the quotes to be
# judged on. A rule that somebody holds or has locked is passed over; its watch stands, so it is
# found again at the next tick. The union keeps every index in use, which an OR would not. LATERAL
# with OFFSET has PostgreSQL go from each quote to just the watches that are reached, also when so
# many symbols broke that it would rather read all watches of all symbols.
_WAKE = """
WITH quotes AS MATERIALIZED (
    SELECT symbol, price, volume FROM market_quote WHERE symbol = ANY(%(symbols)s::text[])
), reached AS MATERIALIZED (
    SELECT symbol, turning, id, next, turned
      FROM (SELECT m.symbol, m.turning, m.id, m.least,
                   lead(m.id, 1, 9223372036854775807)
                       OVER (PARTITION BY m.symbol, m.turning ORDER BY m.id) AS next,
                   CASE m.turning
                       WHEN 'falls_percent'
                           THEN div((m.price - q.price) * 100000000, m.price) / 1000000
                       WHEN 'rises_percent'
                           THEN div((q.price - m.price) * 100000000, m.price) / 1000000
                       WHEN 'falls_usd' THEN m.price - q.price
                       ELSE q.price - m.price
                   END AS turned
              FROM quotes q JOIN water_marks m ON m.symbol = q.symbol) AS stack
     WHERE least <= turned
), found AS (
    SELECT action_id FROM reached r CROSS JOIN LATERAL (
        SELECT action_id FROM watches w
         WHERE w.symbol = r.symbol AND w.turning = r.turning
           AND w.water_mark >= r.id AND w.water_mark < r.next AND w.turn_by <= r.turned
        OFFSET 0) AS w
    UNION
    SELECT action_id FROM quotes q CROSS JOIN LATERAL (
        SELECT action_id FROM watches w WHERE w.symbol = q.symbol AND w.below >= q.price
        OFFSET 0) AS w
    UNION
    SELECT action_id FROM quotes q CROSS JOIN LATERAL (
        SELECT action_id FROM watches w WHERE w.symbol = q.symbol AND w.above <= q.price
        OFFSET 0) AS w
    UNION
    SELECT action_id FROM quotes q CROSS JOIN LATERAL (
        SELECT action_id FROM watches w WHERE w.symbol = q.symbol AND w.volume_above <= q.volume
        OFFSET 0) AS w
    UNION
    SELECT action_id FROM watches WHERE at <= %(now)s
), asleep AS (
    SELECT a.id, a.created_at, a.last_evaluated_at, COALESCE(a.portfolio_id, a.user_id) AS book
      FROM actions a
     WHERE a.id = ANY(ARRAY(SELECT action_id FROM found))
       AND a.status = 'active' AND a.processing_lease_until IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED
), hints AS (
    INSERT INTO wakings (action_id, until, book, looked_at, created_at)
    SELECT id, %(now)s, book, COALESCE(last_evaluated_at, '-infinity'), created_at FROM asleep
)
UPDATE actions a
   SET processing_lease_until = %(now)s,
       (runtime_state, waking_quote) = (
           SELECT a.runtime_state || COALESCE(jsonb_object_agg(
                      CASE WHEN w.turning LIKE 'falls%%' THEN 'peak' ELSE 'trough' END,
                      (SELECT m.price::text FROM water_marks m
                        WHERE m.symbol = w.symbol AND m.turning = w.turning
                          AND m.id <= w.water_mark
                        ORDER BY m.id DESC LIMIT 1)) FILTER (WHERE w.turning IS NOT NULL), '{}'),
                  jsonb_build_object(
                      'woken_at', %(now)s::timestamptz,
                      'quotes', COALESCE(jsonb_object_agg(q.symbol, jsonb_build_object(
                          'price', q.price::text, 'as_of', q.as_of, 'volume', q.volume,
                          'previous_close', q.previous_close::text,
                          'interpolated', q.interpolated, 'note', q.note))
                          FILTER (WHERE q.price IS NOT NULL), '{}'))
             FROM watches w LEFT JOIN market_quote q ON q.symbol = w.symbol
            WHERE w.action_id = a.id)
 WHERE a.id = ANY(ARRAY(SELECT id FROM asleep))
"""

# Reads the quotes' rows, not the watches: whoever asked for a level needs the symbol. One without
# may still be needed, by a rule that waits for an instant or by a holder, and is looked up; the
# OFFSETs keep PostgreSQL from reading a whole table to answer all the look-ups at once.
_ANYTHING_DUE = "SELECT FROM watches WHERE at <= %s LIMIT 1"

_WATCHLIST = """
SELECT array_agg(symbol) FROM market_quote q
 WHERE alert_below IS NOT NULL OR alert_above IS NOT NULL OR alert_volume IS NOT NULL
    OR EXISTS (SELECT FROM watches w WHERE w.symbol = q.symbol OFFSET 0)
    OR EXISTS (SELECT FROM portfolios_holding h WHERE h.symbol = q.symbol OFFSET 0)
"""

# An index's end a level: nothing of what lies between is read. Where the marks of a symbol are
# beaten, and where the least turn of each is reached, are levels too.
_TIGHTEST = """
SELECT symbol,
       GREATEST((SELECT max(below) FROM watches w WHERE w.symbol = asked.symbol), mark.below),
       LEAST((SELECT min(above) FROM watches w WHERE w.symbol = asked.symbol), mark.above),
       (SELECT min(volume_above) FROM watches w WHERE w.symbol = asked.symbol)
  FROM unnest(%s::text[]) AS asked(symbol) CROSS JOIN LATERAL (
      SELECT max(CASE m.turning
                     WHEN 'falls_percent' THEN m.price * (100 - m.least) * 0.01
                     WHEN 'falls_usd' THEN m.price - m.least
                     ELSE m.price - 0.000001
                 END) AS below,
             min(CASE m.turning
                     WHEN 'rises_percent' THEN m.price * (100 + m.least) * 0.01
                     WHEN 'rises_usd' THEN m.price + m.least
                     ELSE m.price + 0.000001
                 END) AS above
        FROM water_marks m WHERE m.symbol = asked.symbol) AS mark
"""

_STIR = """
WITH stirred AS (
    UPDATE watches SET at = %s WHERE portfolio_id = ANY(%s::uuid[])
    RETURNING action_id, portfolio_id
)
SELECT DISTINCT stirred.portfolio_id FROM stirred JOIN actions a ON a.id = stirred.action_id
 WHERE a.processing_lease_until IS NOT NULL
"""

_REMOVE = "DELETE FROM watches WHERE action_id = ANY(%s::uuid[])"

# A rule that names no portfolio trades in its owner's primary one, and follows that.
_INSERT = """
INSERT INTO watches (action_id, symbol, below, above, volume_above, turning, turn_by, water_mark,
                     at, portfolio_id)
SELECT row.action_id, row.symbol, row.below, row.above, row.volume_above, row.turning, row.turn_by,
       row.water_mark, row.at, COALESCE(a.portfolio_id, p.id)
  FROM unnest(%s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::bigint[], %s::text[],
              %s::numeric[], %s::bigint[], %s::timestamptz[], %s::boolean[])
       AS row(action_id, symbol, below, above, volume_above, turning, turn_by, water_mark, at,
              follows_portfolio)
  LEFT JOIN actions a ON row.follows_portfolio AND a.id = row.action_id
  LEFT JOIN portfolios_portfolio p
    ON a.portfolio_id IS NULL AND p.user_id = a.user_id AND p.is_primary
"""


NO_BAND = Band()


@dataclass(frozen=True, slots=True)
class Row:
    """A watch to be stored: what one rule waits for in one symbol, and perhaps an instant."""

    action_id: UUID
    symbol: str | None
    band: Band = NO_BAND
    at: datetime | None = None
    follows_portfolio: bool = False


def watchlist() -> list[str]:
    """The symbols that some sleeping rule needs, or that somebody holds, in order."""
    return sorted(ask_watchlist()())


def ask_watchlist() -> Callable[[], list[str]]:
    """Asks for the symbols of `watchlist`, and gives what is called for them, in any order
    (`market.bulk.ask`)."""
    rows = ask(_WATCHLIST, [])
    return lambda: rows()[0][0] or []


def wake(*, symbols: Collection[str], now: datetime) -> int:
    """Marks the rules whose band is broken, for `symbols`, or whose instant has come.

    First the best prices that rules follow move on, and with them the alert levels of `symbols`.

    Returns how many. Belongs in the transaction that stores the quotes, so that a crossing of one
    tick cannot be stored and then lost.
    """
    if symbols:
        lock_alerts(symbols=symbols)
        replace_alerts(levels=_levels(water_marks.advance(symbols=symbols)))
    elif not run(_ANYTHING_DUE, [now]):
        return 0  # as in nearly every tick, and known for a fifth of what waking costs
    return write(_WAKE, {"symbols": text_array(symbols), "now": now})


def set_watches(wakes: Mapping[UUID, tuple[frozenset[str], Wake]]) -> None:
    """Replaces the watches of rules: for each, the symbols it needs and when it must be woken.

    A rule with nothing to wait for gets none. Narrows the symbols' alert levels.
    """
    rows = [
        row
        for action_id, (symbols, wake) in wakes.items()
        for row in watch_rows(action_id, symbols, wake)
    ]
    levels = _tightest(rows)
    send(_REMOVE, [uuid_array(wakes)])  # watches before quotes: see the engine's take_in
    marks: Mapping[water_marks.Place, int] = {}
    if turns := [(row.symbol, row.band.turn) for row in rows if row.symbol and row.band.turn]:
        # All at once, in one order: what is narrowed below must not be locked piece by piece.
        lock_alerts(symbols=levels)
        marks = water_marks.follow(turns)
    _insert([_placed(row, marks) for row in rows])
    narrow_alerts(levels=levels)


def stir(*, portfolio_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Has the rules that follow these portfolios looked at from `now` on.

    Returns the portfolios of which somebody is just looking at a rule: it may have seen them as
    they were, and will write its next watch over this one. They are to be told of again.
    """
    if not portfolio_ids:
        return set()
    # Twice: a watch that was written while the first statement waited is seen by the second alone.
    stirred = [run(_STIR, [now, uuid_array(portfolio_ids)]) for _ in range(2)]
    return {id for rows in stirred for (id,) in rows}


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
    Waking.objects.filter(action__in=action_ids).delete()
    widen_alerts(symbols={symbol for symbol in symbols if symbol is not None})


def widen_alerts(*, symbols: Collection[str]) -> None:
    """Recomputes the alert levels of `symbols` from their watches.

    Locks the levels first and reads the watches in a second statement: one that committed while we
    waited for the lock must be seen, and one that commits later narrows what we write.
    """
    lock_alerts(symbols=symbols)
    water_marks.tidy(symbols=symbols)
    replace_alerts(levels=_levels(symbols))


def watch_rows(action_id: UUID, symbols: frozenset[str], wake: Wake) -> list[Row]:
    """The rows that say this of a rule: one a symbol, the instant on the first."""
    if wake == Wake():
        return []
    names: list[str | None] = [*sorted(symbols | wake.bands.keys())] or [None]
    first, *others = [_row(action_id, name, wake) for name in names]
    return [replace(first, at=wake.at), *others]


def alone(row: Row) -> Row:
    """The row of a rule that waits by itself for its stop and for its next best price."""
    turn = row.band.turn
    if turn is None:
        return row
    below, above = (
        (turn.stop, turn.next_best) if turn.turning.falls else (turn.next_best, turn.stop)
    )
    return replace(row, band=on_grid(Band(below=below, above=above)))


def on_grid(band: Band) -> Band:
    """The same band, its levels on the grid of prices, without those that no price can reach."""
    levels = AlertLevels(band.below, band.above, band.volume_above)
    return Band(levels.below, levels.above, levels.volume, band.turn)


def _row(action_id: UUID, symbol: str | None, wake: Wake) -> Row:
    band = wake.bands.get(symbol, Band()) if symbol else Band()
    return Row(action_id, symbol, on_grid(band), follows_portfolio=wake.portfolio)


def _placed(row: Row, marks: Mapping[water_marks.Place, int]) -> tuple[Row, int | None]:
    """The row with the mark at which it begins to follow, or else as one that waits alone."""
    if row.symbol is None or row.band.turn is None:
        return row, None
    mark = marks.get(water_marks.place(row.symbol, row.band.turn))
    return (row, mark) if mark is not None else (alone(row), None)


def _insert(placed: Sequence[tuple[Row, int | None]]) -> None:
    if not placed:
        return
    rows = [row for row, _ in placed]
    bands = [row.band for row in rows]
    turns = [band.turn for band in bands]
    columns = (
        uuid_array(row.action_id for row in rows),
        text_array(row.symbol for row in rows),
        plain_array(band.below for band in bands),
        plain_array(band.above for band in bands),
        plain_array(band.volume_above for band in bands),
        text_array(turn.turning if turn else None for turn in turns),
        plain_array(turn.by if turn else None for turn in turns),
        plain_array(mark for _, mark in placed),
        instant_array(row.at for row in rows),
        plain_array(row.follows_portfolio for row in rows),
    )
    send(_INSERT, columns)


def _levels(symbols: Collection[str]) -> dict[str, AlertLevels]:
    """The tightest levels that the stored watches of `symbols` ask for."""
    if not symbols:
        return {}
    rows = run(_TIGHTEST, [text_array(symbols)])
    return {symbol: AlertLevels(*band) for symbol, *band in rows}


def _tightest(rows: Iterable[Row]) -> dict[str, AlertLevels]:
    """The tightest levels that `rows` ask for, of the symbols for which they ask for any."""
    by_symbol: dict[str, list[Band]] = {}
    for row in rows:
        if row.symbol is not None:
            by_symbol.setdefault(row.symbol, []).append(alone(row).band)
    tightest = {
        symbol: AlertLevels(
            below=_extreme(max, [band.below for band in bands]),
            above=_extreme(min, [band.above for band in bands]),
            volume=_extreme(min, [band.volume_above for band in bands]),
        )
        for symbol, bands in by_symbol.items()
    }
    # Who asks for no level must not wait for the symbol's row: a new rule, a rule that failed.
    return {symbol: levels for symbol, levels in tightest.items() if levels != AlertLevels()}


def _extreme[N: (Decimal, int)](
    pick: Callable[[list[N]], N], values: Iterable[N | None]
) -> N | None:
    asked = [value for value in values if value is not None]
    return pick(asked) if asked else None
