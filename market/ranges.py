"""How far a price went: the lowest and the highest since an instant, as far as it is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import connection

from market.arrays import instant_array, text_array
from market.hours import NEW_YORK
from market.models import SessionRange

# Of recorded bars and of the sessions that were seen, those that lie wholly inside the span: of
# one that had begun before, nobody knows what came before and what after. The present price counts
# in any case if it is of the span.
_RANGES = """
SELECT LEAST(min(known.low), quote.low), GREATEST(max(known.high), quote.high)
  FROM unnest(%s::text[], %s::timestamptz[], %s::date[]) WITH ORDINALITY
       AS asked(symbol, since, first_session, n)
  LEFT JOIN LATERAL (
      SELECT bar.low, bar.high FROM market_dailybar bar
       WHERE bar.symbol = asked.symbol AND bar.session >= asked.first_session AND bar.at <= %s
       UNION ALL
      SELECT seen.low, seen.high FROM market_sessionrange seen
       WHERE seen.symbol = asked.symbol AND seen.opened >= asked.since
  ) AS known ON true
  LEFT JOIN LATERAL (
      SELECT CASE WHEN session_opened >= asked.since THEN session_low ELSE price END AS low,
             CASE WHEN session_opened >= asked.since THEN session_high ELSE price END AS high
        FROM market_quote WHERE market_quote.symbol = asked.symbol AND as_of >= asked.since
  ) AS quote ON true
 GROUP BY asked.n, quote.low, quote.high
 ORDER BY asked.n
"""


_FIRST_TRADE = time(9, 30)  # New York's; a recorded session begins no earlier


@dataclass(frozen=True, slots=True)
class PriceRange:
    """The lowest and the highest price that is known of a span; it may have gone further."""

    low: Decimal
    high: Decimal


def price_ranges(
    *, spans: Iterable[tuple[str, datetime]], now: datetime
) -> Sequence[PriceRange | None]:
    """For each symbol and instant: between which prices it has been since then; None: not known.

    One statement for all of them.
    """
    spans = list(spans)
    if not spans:
        return []
    symbols, begins = zip(*spans, strict=True)
    first_whole = [_first_whole_session(since).isoformat() for since in begins]
    with connection.cursor() as cursor:
        cursor.execute(
            _RANGES, [text_array(symbols), instant_array(begins), text_array(first_whole), now]
        )
        return [None if low is None else PriceRange(low, high) for low, high in cursor.fetchall()]


def prune_ranges(*, now: datetime, keep: timedelta) -> int:
    """Forgets the sessions that opened longer ago than `keep`. Returns how many."""
    return SessionRange.objects.filter(opened__lt=now - keep).delete()[0]


def _first_whole_session(since: datetime) -> date:
    local = since.astimezone(NEW_YORK)
    return local.date() + timedelta(days=local.time() > _FIRST_TRADE)
