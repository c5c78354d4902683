"""How PostgreSQL goes about a storm's batch, whatever its statistics know of those awake."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from actions import lease
from actions.engine import Report, look_at_the_woken
from actions.models import Action
from actions.watches import wake
from bench.storm import LOW, SYMBOL, Storm
from market.models import Quote
from tests.conftest import Feed
from tests.plans import carried_out, plans, read_whole, touched

RULES = 20_000
AWAKE = 2_000
BATCH = 500

# A batch's statements in the firing's transaction, by what each begins with.
WRITES = (
    "INSERT INTO action_executions",
    "WITH slept AS",
    "INSERT INTO notifications",
    "WITH posted AS",
    "DELETE FROM watches",
)

_ASLEEP = """
UPDATE watches SET below = 1
 WHERE action_id NOT IN (SELECT id FROM actions ORDER BY created_at LIMIT %s)
"""


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.fixture
def storm(db: None, feed: Feed, now: datetime) -> None:
    """A tenth of the rules are awake, and the statistics are of when all were asleep."""
    Storm(portfolios=100, at=now).brew(RULES)
    with connection.cursor() as cursor:
        cursor.execute(_ASLEEP, [AWAKE])
    analyze()
    feed.says(SYMBOL, LOW, now)
    Quote.objects.filter(pk=SYMBOL).update(price=LOW, as_of=now, received_at=now)
    assert wake(symbols=[SYMBOL], now=now) == AWAKE


@pytest.mark.usefixtures("storm")
def test_a_lease_looks_at_each_rule_that_is_awake_a_few_times_only(now: datetime) -> None:
    lease_until = {"now": now, "until": now + timedelta(seconds=30), "limit": BATCH}
    plan = carried_out(lease._LEASE, lease_until)
    assert max(touched(node) for node in plan) <= 2 * AWAKE
    assert "actions" not in read_whole(plan)
    assert Action.objects.filter(processing_lease_until__gt=now).count() == BATCH


@pytest.mark.usefixtures("storm")
@pytest.mark.parametrize("statistics", ["of all asleep", "of many awake"])
def test_no_statement_of_a_batch_reads_all_rules(statistics: str, now: datetime) -> None:
    if statistics == "of many awake":
        analyze()
    report = Report()
    with plans() as seen:
        look_at_the_woken(now=now, report=report)
    assert (report.fired, report.errors) == (AWAKE, [])
    for sql, plan in seen.items():
        assert "actions" not in read_whole(plan), sql
    for begins in WRITES:
        (written,) = (plan for sql, plan in seen.items() if sql.lstrip().startswith(begins))
        assert "Nested Loop" not in {node["Node Type"] for node in written}, begins
