"""The alert levels of symbols: the tightest that anybody asked for."""

from collections.abc import Collection, Mapping

from django.db import connection
from django.db.transaction import TransactionManagementError

from market.arrays import plain_array, text_array
from market.bulk import run, send
from market.errors import UnknownSymbol
from market.quotes import AlertLevels

# GREATEST and LEAST pass over NULL. The upsert reads each row's newest version and locks it even
# where the WHERE then finds nothing to write: without that lock, a concurrent replace_alerts that
# has not seen our caller's reason could widen the level behind our back.
_NARROW = """
INSERT INTO market_quote AS quote (symbol, alert_below, alert_above, alert_volume)
SELECT * FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::bigint[]) AS asked(symbol)
 ORDER BY asked.symbol
ON CONFLICT (symbol) DO UPDATE
   SET alert_below = GREATEST(quote.alert_below, excluded.alert_below),
       alert_above = LEAST(quote.alert_above, excluded.alert_above),
       alert_volume = LEAST(quote.alert_volume, excluded.alert_volume)
 WHERE (quote.alert_below, quote.alert_above, quote.alert_volume) IS DISTINCT FROM
       (GREATEST(quote.alert_below, excluded.alert_below),
        LEAST(quote.alert_above, excluded.alert_above),
        LEAST(quote.alert_volume, excluded.alert_volume))
"""

_REPLACE = """
UPDATE market_quote AS quote
   SET alert_below = asked.below, alert_above = asked.above, alert_volume = asked.volume
  FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::bigint[])
    AS asked(symbol, below, above, volume)
 WHERE quote.symbol = asked.symbol
"""


_LOCK = """
SELECT symbol FROM market_quote WHERE symbol = ANY(%s::text[]) ORDER BY symbol FOR NO KEY UPDATE
"""


def narrow_alerts(*, levels: Mapping[str, AlertLevels]) -> None:
    """Tightens the symbols' alert levels where these are tighter. Never loosens one.

    Belongs in the transaction that writes the reason for them. A symbol that nobody followed is
    followed from now on; one that is no instrument fails that transaction's commit.
    """
    _write_levels(_NARROW, levels)


def lock_alerts(*, symbols: Collection[str]) -> None:
    """Locks the symbols' alert levels until the end of the caller's transaction.

    Then read who asks for what, in a statement of its own, and call `replace_alerts`. A single
    statement that locks and recomputes would not do: under READ COMMITTED it sees the tables as
    they were before it waited for the lock, without the reason that was committed meanwhile.
    Raises UnknownSymbol for one that has no row to lock.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Levels are locked in the transaction that writes them.")
    locked = {symbol for (symbol,) in run(_LOCK, [text_array(symbols)])}
    if unknown := sorted(set(symbols) - locked):
        raise UnknownSymbol(f"Not followed: {', '.join(unknown)}. Call follow() first.")


def replace_alerts(*, levels: Mapping[str, AlertLevels]) -> None:
    """Sets the symbols' alert levels to exactly these. The caller holds `lock_alerts`."""
    _write_levels(_REPLACE, levels)


def _write_levels(statement: str, levels: Mapping[str, AlertLevels]) -> None:
    if not levels:
        return
    columns = (
        text_array(levels),
        plain_array(asked.below for asked in levels.values()),
        plain_array(asked.above for asked in levels.values()),
        plain_array(asked.volume for asked in levels.values()),
    )
    send(statement, columns)
