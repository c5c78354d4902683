"""What was wrong with what the feed said: recorded, raised once, and settled by a good answer."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from market.arrays import instant_array, plain_array, text_array
from market.bulk import ask, run
from market.models import FeedIncident

logger = logging.getLogger(__name__)

# Between the falls that a 3:2 split and a 2:1 split take, each a twentieth more or less.
_BELIEVE_SMALL = """
UPDATE market_feedincident incident SET verdict = 'believed'
  FROM market_quote quote
 WHERE incident.symbol = ANY(%s::text[]) AND incident.first_at <= %s
   AND incident.kind = 'jump' AND incident.verdict = 'doubted' AND incident.settled_at IS NULL
   AND quote.symbol = incident.symbol AND incident.price BETWEEN quote.price * 0.6 AND quote.price
RETURNING incident.symbol
"""

REASON_LENGTH = 300
# What a good quote's statement settles by itself (see quotes_in): they are about its price.
OF_PRICES = ("jump", "from the future")

# xmax is 0 in a row that is new, which is what tells whether to raise it.
_RAISE = """
INSERT INTO market_feedincident AS incident
       (symbol, kind, verdict, provider, reason, price, as_of, first_at, last_at)
SELECT said.symbol, said.kind, said.verdict, %(provider)s, said.reason, said.price, said.as_of,
       %(now)s, %(now)s
  FROM unnest(%(symbols)s::text[], %(kinds)s::text[], %(verdicts)s::text[], %(reasons)s::text[],
              %(prices)s::numeric[], %(as_of)s::timestamptz[])
       AS said(symbol, kind, verdict, reason, price, as_of)
 WHERE said.symbol IS NULL
    OR EXISTS (SELECT FROM market_instrument known WHERE known.symbol = said.symbol)
 ORDER BY said.symbol, said.kind
    ON CONFLICT (symbol, kind) WHERE settled_at IS NULL DO UPDATE
   SET reason = excluded.reason, price = excluded.price, as_of = excluded.as_of,
       last_at = excluded.last_at, times = incident.times + 1
RETURNING symbol, reason, xmax = 0
"""

# What is wrong with past sessions and with the stream is of kinds that begin with that word: a good
# answer about the present says nothing about it, and must not have it raised anew.
SESSIONS, STREAM = "sessions", "stream"

_SETTLE = """
UPDATE market_feedincident
   SET settled_at = %(now)s, outcome = 'ended'
 WHERE settled_at IS NULL AND kind <> ALL(%(kept)s)
   AND COALESCE(substring(kind FROM '^(sessions|stream)'), '') = %(source)s
   AND (symbol = ANY(%(symbols)s) OR %(whole)s AND symbol IS NULL AND verdict = 'failed')
RETURNING symbol, reason
"""


_ANY_DOUBT_UNTOLD = """
SELECT FROM market_feedincident
 WHERE verdict = 'doubted' AND settled_at IS NULL AND NOT is_told LIMIT 1
"""

_TAKE_DOUBTED = """
UPDATE market_feedincident SET is_told = true
 WHERE verdict = 'doubted' AND settled_at IS NULL AND NOT is_told
RETURNING symbol, reason
"""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was wrong; `symbol` is None where it concerns the whole feed."""

    symbol: str | None
    kind: str
    reason: str
    verdict: str = FeedIncident.Verdicts.REFUSED.value
    price: Decimal | None = None
    as_of: datetime | None = None


def raise_incidents(*, said: Sequence[Said], now: datetime) -> None:
    """Records what was wrong, and logs what is new: an alert is raised once, not every tick."""
    if not said:
        return
    values = {
        "provider": settings.MARKET_PROVIDER,
        "now": now,
        "symbols": text_array(one.symbol for one in said),
        "kinds": text_array(one.kind for one in said),
        "verdicts": text_array(one.verdict for one in said),
        "reasons": text_array(one.reason[:REASON_LENGTH] for one in said),
        "prices": plain_array(one.price for one in said),
        "as_of": instant_array(one.as_of for one in said),
    }
    for symbol, reason, is_new in run(_RAISE, values):
        if is_new:
            logger.warning("%s: %s", symbol or settings.MARKET_PROVIDER, reason)


def settle_incidents(
    *, symbols: Collection[str], now: datetime, whole: bool = True, source: str = ""
) -> None:
    """An answer was good about these symbols: what was wrong with that is over.

    `whole`: and what was wrong with all of it. `source`: of whom it is, SESSIONS or STREAM; else of
    the present.
    """
    values: dict[str, Any] = {
        "now": now,
        "symbols": list(symbols),
        "kept": list(OF_PRICES),
        "whole": whole,
        "source": source,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, values)
        for symbol, reason in cursor.fetchall():
            logger.info("Over: %s: %s", symbol or settings.MARKET_PROVIDER, reason)


def ask_if_doubts_are_untold() -> Callable[[], bool]:
    """Asks whether `take_doubted` has anything to tell, and gives what is called for the answer
    (`market.bulk.ask`)."""
    untold = ask(_ANY_DOUBT_UNTOLD, [])
    return lambda: bool(untold())


def take_doubted() -> dict[str, str]:
    """The symbols whose price may be that of a split, with the reason; each is told once.

    Belongs in the transaction that tells those whom it concerns.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_DOUBTED)
        return dict(cursor.fetchall())


def believe_move(*, symbols: Collection[str]) -> int:
    """Support says that what is held of these symbols is no split: the next price that confirms it
    is accepted. Returns of how many that was in doubt."""
    doubted = FeedIncident.objects.filter(
        instrument__in=symbols, verdict=FeedIncident.Verdicts.DOUBTED, settled_at__isnull=True
    )
    return doubted.update(verdict=FeedIncident.Verdicts.BELIEVED)


def believe_small_moves(*, symbols: Collection[str], now: datetime) -> int:
    """The feed, asked at `now`, knows of no split of these symbols: then what was held by then is
    confirmed by the next price, as any other, where it is no more than a 3:2 split would take.

    Falls of that size, after bad news, are far commoner than such splits, and a stop must not sleep
    through them. A price that has halved, or risen by half, is commonly a split's that the feed
    does not know of yet: that is for support to say. Returns of how many that was in doubt.
    """
    return len(run(_BELIEVE_SMALL, [text_array(symbols), now]))


def settle_doubt(*, symbol: str, now: datetime) -> None:
    """What was held of the symbol was a split, which has been applied."""
    FeedIncident.objects.filter(instrument=symbol, kind="jump", settled_at__isnull=True).update(
        settled_at=now, outcome=FeedIncident.Outcomes.ENDED
    )


def prune_incidents(*, now: datetime, keep: timedelta) -> int:
    """Forgets what was settled longer ago than `keep`. Returns how many."""
    return FeedIncident.objects.filter(settled_at__lt=now - keep).delete()[0]
