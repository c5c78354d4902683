"""What a stream is to tell, and what it has told: its side of the market's tables."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from market.arrays import instant_array, text_array
from market.asking import LASTING, QUOTE
from market.budget import distance
from market.companies import strangers
from market.hours import TradingCalendar
from market.incidents import STREAM
from market.models import FeedAsk, FeedStream
from market.providers import Company, Complaint, Quotes
from market.quotes import Sample
from market.selectors import latest_quotes

_STREAM = FeedAsk.Subjects.STREAM.value

_WANTED = """
SELECT wanted.symbol, quote.price, quote.alert_below, quote.alert_above,
       COALESCE(ask.answered_at >= %(opened)s, false)
       AND NOT EXISTS (SELECT FROM market_feedincident doubt
                        WHERE doubt.symbol = wanted.symbol AND doubt.settled_at IS NULL
                          AND doubt.verdict = 'refused' AND doubt.kind <> 'from the future'
                          AND doubt.kind !~ '^(sessions|stream)')
  FROM unnest(%(symbols)s::text[]) AS wanted(symbol)
  JOIN market_instrument instrument ON instrument.symbol = wanted.symbol
  LEFT JOIN market_quote quote ON quote.symbol = wanted.symbol
  LEFT JOIN market_feedask ask ON ask.symbol = wanted.symbol AND ask.subject = %(asked)s
  LEFT JOIN market_feedask stream ON stream.symbol = wanted.symbol AND stream.subject = %(stream)s
 WHERE stream.not_before IS NULL OR stream.not_before <= %(now)s
"""

# Only what was accepted: a symbol whose price is held is asked for, which may confirm it.
_TOLD = """
WITH accepted AS (
    SELECT told.symbol
      FROM unnest(%(symbols)s::text[], %(as_of)s::timestamptz[]) AS told(symbol, as_of)
      JOIN market_quote quote ON quote.symbol = told.symbol AND quote.as_of = told.as_of
), marked AS (
    INSERT INTO market_feedask AS ask (symbol, subject, answered_at, sessions)
    SELECT symbol, %(stream)s, %(now)s, 0 FROM accepted ORDER BY symbol
        ON CONFLICT (symbol, subject) DO UPDATE SET answered_at = excluded.answered_at
     WHERE ask.answered_at IS NULL OR ask.answered_at < excluded.answered_at - interval '5 seconds'
)
SELECT symbol FROM accepted
"""

_NOT_CARRIED = """
INSERT INTO market_feedask AS ask (symbol, subject, not_before, sessions)
SELECT told.symbol, %(stream)s, %(later)s, 0 FROM unnest(%(symbols)s::text[]) AS told(symbol)
  JOIN market_instrument instrument ON instrument.symbol = told.symbol
 ORDER BY told.symbol
    ON CONFLICT (symbol, subject) DO UPDATE SET not_before = excluded.not_before
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How far each symbol is from a trigger (None: it has none), and whose prices are believed.

    A price of a stream does not say whose it is: it is believed once the feed, which does, was
    asked in the same session, and as long as its last answer about the symbol was a good one.
    """

    distances: Mapping[str, Decimal | None]
    believed: frozenset[str]


def wanted(*, symbols: Collection[str], now: datetime, opened: datetime) -> Wanted:
    """What to subscribe to, in the session that has `opened`.

    What the plan does not carry is left out for an hour.
    """
    values: dict[str, Any] = {
        "symbols": list(symbols),
        "opened": opened,
        "asked": QUOTE,
        "stream": _STREAM,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WANTED, values)
        rows = cursor.fetchall()
    return Wanted(
        {symbol: distance(price, below, above) for symbol, price, below, above, _ in rows},
        frozenset(symbol for symbol, *_, believed in rows if believed),
    )


def completed(samples: Collection[Sample], calendar: TradingCalendar) -> list[Sample]:
    """The samples with what a stream leaves out: the session's volume and the close before it.

    They are those of the latest quote, if it is of the same session: volume only grows.
    """
    latest = latest_quotes(symbols=[sample.symbol for sample in samples])
    found = []
    for sample in samples:
        before = latest.get(sample.symbol)
        day = calendar.session_at(sample.as_of)
        if before is not None and day is not None and calendar.session_at(before.as_of) == day:
            volume = before.volume if sample.volume is None else sample.volume
            sample = replace(sample, volume=volume, previous_close=before.previous_close)
        found.append(sample)
    return found


def of_strangers(companies: Mapping[str, Company]) -> list[Complaint]:
    """The symbols whose prices come in another currency than before."""
    found = strangers([Quotes(companies=dict(companies))])
    return [replace(one, kind=f"{STREAM}: {one.kind}") for one in found]


def told(*, samples: Collection[Sample], now: datetime) -> frozenset[str]:
    """Marks the symbols whose prices were accepted as told, and says which these are."""
    values: dict[str, Any] = {
        "symbols": text_array(sample.symbol for sample in samples),
        "as_of": instant_array(sample.as_of for sample in samples),
        "stream": _STREAM,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TOLD, values)
        return frozenset(symbol for (symbol,) in cursor.fetchall())


def leave_out(*, symbols: Collection[str], now: datetime) -> None:
    """The plan does not carry these: they are not subscribed to for an hour."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NOT_CARRIED,
            {"symbols": list(symbols), "stream": _STREAM, "later": now + LASTING},
        )


def give_a_sign(
    *, now: datetime, connected_at: datetime | None, symbols: int = 0, words: str = ""
) -> None:
    """Says that the stream's process lives, and whether it is connected."""
    FeedStream.objects.update_or_create(
        provider=settings.MARKET_PROVIDER,
        defaults={
            "connected_at": connected_at,
            "alive_at": now,
            "symbols": symbols,
            "words": words[:300],
        },
    )
