"""The recent past of the symbols that somebody asked it of: kept as long as it was asked for."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef

from market.bulk import send
from market.models import PastQuote, Quote
from market.quotes import Sample

_KEEP = """
UPDATE market_quote SET keep_seconds = GREATEST(keep_seconds, %s)
 WHERE symbol = ANY(%s) AND COALESCE(keep_seconds, 0) < %s
"""

_BEGIN = """
INSERT INTO market_pastquote (symbol, as_of, price)
SELECT symbol, as_of, price FROM market_quote WHERE symbol = ANY(%s) AND price IS NOT NULL
    ON CONFLICT (symbol, as_of) DO NOTHING
"""

_RECORD = """
INSERT INTO market_pastquote (symbol, as_of, price)
SELECT symbol, as_of, price FROM market_quote
 WHERE keep_seconds IS NOT NULL AND received_at = %s
    ON CONFLICT (symbol, as_of) DO NOTHING
"""

# Those of the span, and the one before them: it is the price at which the span began.
_RECENT = """
SELECT past.symbol, past.as_of, past.price
  FROM unnest(%s::text[]) AS asked(symbol)
  JOIN market_pastquote past ON past.symbol = asked.symbol
 WHERE past.as_of >= COALESCE(
           (SELECT max(as_of) FROM market_pastquote before
             WHERE before.symbol = asked.symbol AND before.as_of <= %s), '-infinity')
 ORDER BY past.symbol, past.as_of
"""

_PRUNE = """
DELETE FROM market_pastquote past USING market_quote quote
 WHERE quote.symbol = past.symbol
   AND past.as_of < (SELECT max(as_of) FROM market_pastquote before
                      WHERE before.symbol = past.symbol
                        AND before.as_of <= %s - make_interval(secs => quote.keep_seconds))
"""


def keep_history(*, symbols: Collection[str], span: timedelta) -> None:
    """Has the prices of these followed symbols kept for at least `span`, the present one first."""
    seconds = round(span.total_seconds())
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [seconds, list(symbols), seconds])
        cursor.execute(_BEGIN, [list(symbols)])


def record_history(*, now: datetime) -> None:
    """Keeps the quotes that were accepted at `now`, of the symbols of which any are kept.

    Belongs in the transaction that accepts them.
    """
    send(_RECORD, [now])


def recent_samples(*, symbols: Collection[str], since: datetime) -> dict[str, list[Sample]]:
    """The samples of each symbol from `since` on, and the last one before, oldest first.

    A symbol whose past was not kept is absent.
    """
    found: dict[str, list[Sample]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, [list(symbols), since])
        for symbol, as_of, price in cursor.fetchall():
            found.setdefault(symbol, []).append(Sample(symbol=symbol, price=price, as_of=as_of))
    return found


def quotes_since(
    *, symbols: Collection[str], since: datetime
) -> tuple[dict[str, Sample], dict[str, list[Sample]]]:
    """The latest quote of each symbol that has one, and what is kept of them from `since` on,
    oldest first. One statement."""
    past = PastQuote.objects.filter(instrument=OuterRef("pk"), as_of__gte=since).order_by("as_of")
    quotes = Quote.objects.filter(instrument__in=symbols).annotate(
        instants=ArraySubquery(past.values("as_of")), prices=ArraySubquery(past.values("price"))
    )
    latest: dict[str, Sample] = {}
    before: dict[str, list[Sample]] = {}
    for quote in quotes:
        if (sample := quote.sample()) is not None:
            symbol = sample.symbol
            latest[symbol] = sample
            seen = zip(quote.prices, quote.instants, strict=True)
            before[symbol] = [Sample(symbol=symbol, price=p, as_of=at) for p, at in seen]
    return latest, before


def prune_history(*, now: datetime) -> int:
    """Forgets what is older than anybody asked for. Returns how many prices were forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, [now])
        return int(cursor.rowcount)
