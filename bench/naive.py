"""The loop of the specification, to compare with: lease, look at each rule, save each."""

from datetime import datetime, timedelta
from time import perf_counter

from django.db import connection

from actions.judge import judge
from actions.models import Action
from actions.rules import View
from market.hours import AlwaysOpen
from market.models import Quote

BATCH = 100
LEASE = timedelta(seconds=30)

# As specified, plus the waking quote that a leased rule must have here.
_LEASE = """
UPDATE actions SET processing_lease_until = %(until)s, waking_quote = '{}'
 WHERE id IN (
    SELECT id FROM actions
     WHERE status = 'active'
       AND (processing_lease_until IS NULL OR processing_lease_until < %(now)s)
     LIMIT %(limit)s)
RETURNING id
"""


def naive_rules_per_s(*, now: datetime, max_age: timedelta, seconds: float) -> float:
    """How many sleeping rules a second the naive loop looks at, tried for so many seconds."""
    started = perf_counter()
    looked_at = 0
    while perf_counter() - started < seconds:
        looked_at += _batch(now, max_age)
    return looked_at / (perf_counter() - started)


def _batch(now: datetime, max_age: timedelta) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, {"now": now, "until": now + LEASE, "limit": BATCH})
        ids = [row[0] for row in cursor.fetchall()]
    actions = Action.objects.filter(id__in=ids)
    quotes = Quote.objects.in_bulk([action.symbol for action in actions])
    for action in actions:
        quote = quotes[action.symbol or ""].sample()
        view = View(
            now=now,
            woken_at=now,
            calendar=AlwaysOpen(),
            max_age=max_age,
            quotes={quote.symbol: quote} if quote else {},
        )
        judge(action.as_rule(), view)
        action.last_evaluated_at = now
        action.processing_lease_until = None
        action.waking_quote = None
        action.save()
    return len(ids)
