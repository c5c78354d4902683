"""When rules had no fresh quote of a symbol: marked when that begins and when it ends."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from market.bulk import send
from market.models import QuoteGap

# A symbol's own incident names the reason before one of the whole feed.
_REASON = """
COALESCE((SELECT incident.reason FROM market_feedincident AS incident
           WHERE (incident.symbol = {symbol} OR incident.symbol IS NULL)
             AND incident.kind !~ '^(sessions|stream)'
             AND COALESCE(incident.settled_at, %(now)s) >= {since}
           ORDER BY incident.symbol IS NULL, incident.first_at DESC LIMIT 1), '')
"""

# What ends and what begins at this tick; where nothing does, nothing is written. Quotes are read
# once, and the gaps that are open by their partial index.
_MARK = """
WITH ended AS (
    UPDATE market_quotegap AS gap
       SET until = %(now)s,
           reason = CASE WHEN gap.reason <> '' THEN gap.reason ELSE {of_ended} END
      FROM market_quote AS quote
     WHERE gap.until IS NULL AND quote.symbol = gap.symbol AND quote.as_of >= %(limit)s
)
INSERT INTO market_quotegap (symbol, since, reason)
SELECT stale.symbol, stale.since, {of_begun}
  FROM (SELECT symbol, COALESCE(as_of + %(max_age)s, %(now)s) AS since
          FROM market_quote WHERE as_of < %(limit)s OR as_of IS NULL) AS stale
 WHERE NOT EXISTS (SELECT FROM market_quotegap AS gap
                    WHERE gap.symbol = stale.symbol AND gap.until IS NULL)
    ON CONFLICT DO NOTHING
""".format(  # noqa: S608 -- constants
    of_ended=_REASON.format(symbol="gap.symbol", since="gap.since"),
    of_begun=_REASON.format(symbol="stale.symbol", since="stale.since"),
)


@dataclass(frozen=True, slots=True)
class Silence:
    """A span without a fresh quote of a symbol; `until` is None while it lasts.

    `reason` is what was wrong with the feed, empty where it had nothing newer to say.
    """

    symbol: str
    since: datetime
    until: datetime | None
    reason: str


def mark_freshness(*, now: datetime, max_age: timedelta) -> None:
    """Marks the symbols whose quote has become older than `max_age`, and those that have a fresh
    one again. For every tick while the market is open; one statement, in the transaction that
    records the tick: what a crash of the server takes back of both, the next tick finds again."""
    send(_MARK, {"now": now, "limit": now - max_age, "max_age": max_age})


def silences(*, symbols: Collection[str], since: datetime, until: datetime) -> list[Silence]:
    """The spans between these instants in which a symbol had no fresh quote."""
    lasting = Q(until__isnull=True) | Q(until__gt=since)
    gaps = QuoteGap.objects.filter(lasting, instrument__in=symbols, since__lt=until)
    rows = gaps.order_by("since").values_list("instrument_id", "since", "until", "reason")
    return [Silence(*row) for row in rows]


def prune_gaps(*, now: datetime, keep: timedelta) -> int:
    """Forgets the spans that ended longer ago than `keep`. Returns how many."""
    return QuoteGap.objects.filter(until__lt=now - keep).delete()[0]
