"""Quotes come in: whom we follow, what is stored, and which symbols need a closer look."""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from operator import attrgetter

from django.conf import settings
from django.db import connection

from market.arrays import instant_array, plain_array, text_array
from market.errors import UnknownSymbol
from market.hours import AlwaysOpen
from market.quotes import CLOCK_SKEW, Sample

logger = logging.getLogger(__name__)

_FOLLOW = """
WITH wanted AS (
    SELECT wanted.symbol, instrument.symbol IS NOT NULL AS known
      FROM unnest(%s::text[]) AS wanted(symbol)
      LEFT JOIN market_instrument AS instrument ON instrument.symbol = wanted.symbol
), followed AS (
    INSERT INTO market_quote (symbol)
    SELECT symbol FROM wanted WHERE known ORDER BY symbol
    ON CONFLICT (symbol) DO NOTHING
)
SELECT symbol FROM wanted WHERE NOT known ORDER BY symbol
"""

# The inner SELECT locks in the order of symbols and, having waited, looks at the row anew. A price
# of after the boundary begins a session: what was seen in the one before it is put down first.
_STORE = """
WITH over AS (
    INSERT INTO market_sessionrange (symbol, opened, low, high)
    SELECT symbol, session_opened, session_low, session_high
      FROM market_quote WHERE session_opened <= %(boundary)s
        ON CONFLICT (symbol, opened) DO NOTHING
)
UPDATE market_quote AS quote
   SET price = newer.price,
       as_of = newer.as_of,
       volume = newer.volume,
       previous_close = newer.previous_close,
       interpolated = newer.interpolated,
       note = newer.note,
       received_at = %(now)s,
       provider = %(provider)s,
       session_opened = CASE WHEN begins THEN newer.as_of ELSE newer.session_opened END,
       session_low = CASE WHEN begins THEN newer.price
                          ELSE LEAST(newer.session_low, newer.price) END,
       session_high = CASE WHEN begins THEN newer.price
                           ELSE GREATEST(newer.session_high, newer.price) END
  FROM (
    SELECT sample.*, held.session_opened, held.session_low, held.session_high,
           held.session_opened IS NULL
               OR held.session_opened <= %(boundary)s AND sample.as_of > %(boundary)s AS begins
      FROM unnest(%(symbols)s::text[], %(prices)s::numeric[], %(as_of)s::timestamptz[],
                  %(volumes)s::bigint[], %(previous)s::numeric[], %(interpolated)s::boolean[],
                  %(notes)s::text[])
        AS sample(symbol, price, as_of, volume, previous_close, interpolated, note)
      JOIN market_quote AS held ON held.symbol = sample.symbol
     WHERE held.as_of IS NULL OR held.as_of < sample.as_of
     ORDER BY held.symbol
       FOR NO KEY UPDATE OF held
  ) AS newer
 WHERE quote.symbol = newer.symbol
"""

_BROKEN = """
SELECT symbol
  FROM market_quote
 WHERE as_of >= %s
   AND (price <= alert_below OR price >= alert_above OR volume >= alert_volume)
 ORDER BY symbol
"""


def follow(*, symbols: Collection[str]) -> None:
    """Makes sure that each of these symbols has a quote's row, for prices and alerts to go to.

    Raises UnknownSymbol, naming those that are no instrument; the others are followed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOW, [sorted(set(symbols))])
        unknown = [symbol for (symbol,) in cursor.fetchall()]
    if unknown:
        raise UnknownSymbol(
            f"Not known here: {', '.join(unknown)}. Add an instrument first, in the admin or with "
            "`manage.py import_bars FILE`."
        )


def accept_quotes(*, samples: Iterable[Sample], now: datetime, max_age: timedelta) -> list[str]:
    """Stores what is newer than what we have, and tells which symbols need a closer look.

    Those are all symbols whose stored quote is at most `max_age` old at `now` and breaks an alert
    level, whether this call stored it or an earlier one: a level that was set meanwhile is not
    missed. A sample from the future is refused with a line in the log; one of a symbol that nobody
    follows is ignored. Two statements, for the caller's transaction.
    """
    newest = {sample.symbol: sample for sample in sorted(samples, key=attrgetter("as_of"))}
    sane = _without_future(newest.values(), now)
    with connection.cursor() as cursor:
        if sane:
            cursor.execute(
                _STORE,
                {
                    "now": now,
                    "provider": settings.MARKET_PROVIDER,
                    "boundary": _session_boundary(sane, now),
                    **_columns(sane),
                },
            )
        cursor.execute(_BROKEN, [now - max_age])
        return [symbol for (symbol,) in cursor.fetchall()]


def _without_future(samples: Collection[Sample], now: datetime) -> list[Sample]:
    sane = [sample for sample in samples if sample.as_of <= now + CLOCK_SKEW]
    if len(sane) < len(samples):
        first = max(samples, key=attrgetter("as_of"))
        logger.warning(
            "Refused %d quotes from the future: %s says %s, it is %s.",
            len(samples) - len(sane),
            first.symbol,
            first.as_of.isoformat(),
            now.isoformat(),
        )
    return sane


def _columns(samples: Collection[Sample]) -> dict[str, str]:
    return {
        "symbols": text_array(sample.symbol for sample in samples),
        "prices": plain_array(sample.price for sample in samples),
        "as_of": instant_array(sample.as_of for sample in samples),
        "volumes": plain_array(sample.volume for sample in samples),
        "previous": plain_array(sample.previous_close for sample in samples),
        "interpolated": plain_array(sample.interpolated for sample in samples),
        "notes": text_array(sample.note for sample in samples),
    }


def _session_boundary(samples: Collection[Sample], now: datetime) -> datetime | None:
    """The instant after which a price is of a new session; None where none of these is.

    Whatever the market, what is seen is put down by days that end at 16:00 New York: for those who
    ask how far the price went, it does not matter which of the days had a session.
    """
    boundary = AlwaysOpen().last_close(now)
    return boundary if any(sample.as_of > boundary for sample in samples) else None
