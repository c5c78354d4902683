"""How PostgreSQL goes about leasing when all rules are awake, and statistics know of none."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from actions import lease
from actions.models import Action
from actions.watches import wake
from bench.storm import LOW, SYMBOL, Storm
from market.models import Quote

RULES = 3000


def touched(plan: dict[str, Any]) -> Iterator[int]:
    """The rows that each node of the plan looked at."""
    removed = plan.get("Rows Removed by Join Filter", 0) + plan.get("Rows Removed by Filter", 0)
    yield round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    for below in plan.get("Plans", ()):
        yield from touched(below)


@pytest.mark.django_db
def test_a_lease_looks_at_each_rule_that_is_awake_a_few_times_only(now: datetime) -> None:
    Storm(portfolios=100, at=now).brew(RULES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    Quote.objects.filter(pk=SYMBOL).update(price=LOW, as_of=now)
    assert wake(symbols=[SYMBOL], now=now) == RULES
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {lease._LEASE}",
            {"now": now, "until": now + timedelta(seconds=30), "limit": 500},
        )
        (found,) = cursor.fetchone()
    plan = found if isinstance(found, list) else json.loads(found)
    assert max(touched(plan[0]["Plan"])) <= 2 * RULES
    assert Action.objects.filter(processing_lease_until__gt=now).count() == 500
