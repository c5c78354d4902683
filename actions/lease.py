"""Takes woken rules for evaluation, so that no two evaluators ever hold the same one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from actions.models import Action
from market.quotes import Sample

# Longest not looked at first, so that no rule starves when more are awake than one lease takes.
_LEASE = """
WITH due AS (
    SELECT id FROM actions
     WHERE processing_lease_until <= %(now)s AND status = 'active'
     ORDER BY last_evaluated_at NULLS FIRST, created_at, id
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
)
UPDATE actions a SET processing_lease_until = %(until)s
  FROM due WHERE a.id = due.id
RETURNING a.id
"""


@dataclass(frozen=True, slots=True)
class Leased:
    """A rule that is ours until `until`, and the quotes that woke it.

    `until` is the fencing token: whoever would fire the rule must find this very value in its row.
    """

    action: Action
    until: datetime
    woken_at: datetime
    quotes: Mapping[str, Sample]


def lease_actions_for_evaluation(
    *, now: datetime, limit: int, lease_seconds: float
) -> list[Leased]:
    """Up to `limit` woken rules, ours until `now` + `lease_seconds`.

    A woken rule carries a lease that has run out: since the instant it was woken, or because the
    evaluator that held it died. Both are taken alike, with the quotes that woke them.
    """
    until = now + timedelta(seconds=lease_seconds)
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, {"now": now, "until": until, "limit": limit})
        ids = [row[0] for row in cursor.fetchall()]
    actions = Action.objects.filter(id__in=ids, processing_lease_until=until).select_related("user")
    # The oldest rule goes first: where two want the same shares, it has the earlier claim.
    return [_leased(action, until) for action in actions.order_by("created_at", "id")]


def _leased(action: Action, until: datetime) -> Leased:
    waking: dict[str, Any] = action.waking_quote or {}
    return Leased(
        action=action,
        until=until,
        woken_at=datetime.fromisoformat(waking["woken_at"]),
        quotes={symbol: _sample(symbol, quote) for symbol, quote in waking["quotes"].items()},
    )


def _sample(symbol: str, quote: Mapping[str, Any]) -> Sample:
    previous = quote["previous_close"]
    return Sample(
        symbol=symbol,
        price=Decimal(quote["price"]),
        as_of=datetime.fromisoformat(quote["as_of"]),
        volume=quote["volume"],
        previous_close=None if previous is None else Decimal(previous),
        interpolated=quote["interpolated"],
        note=quote["note"],
    )
