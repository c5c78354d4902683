"""A split while ticks, firings and others like it run happens once."""

from datetime import datetime
from fractions import Fraction

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.engine import run_tick, take_in
from actions.lease import lease_actions_for_evaluation
from actions.models import Action, ActionExecution
from actions.splits import Recorded
from market.models import Quote
from market.quotes import Sample
from tests.conftest import Feed
from tests.integration.test_portfolio_concurrency import at_once
from tests.integration.test_splits_of_rules import (
    DAY,
    MIDNIGHT,
    NIGHT,
    TICK,
    D,
    owner,
    portfolio,
    record,
    rule,
    tick,
)

__all__ = ["owner", "portfolio"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


def test_a_rule_that_is_awake_is_judged_on_its_quote_in_new_shares(
    feed: Feed, owner: User, now: datetime
) -> None:
    action = rule(owner, now)
    tick(feed, now, "645.57")
    before = MIDNIGHT - TICK
    assert take_in([Sample("AAPL", D("599"), before)], before) == 1
    (leased,) = lease_actions_for_evaluation(now=before, limit=10, lease_seconds=30)
    at = MIDNIGHT + TICK
    record(at)
    action.refresh_from_db()
    assert action.processing_lease_until is not None
    assert action.processing_lease_until < at != leased.until
    assert tick(feed, at + TICK) == 1
    reason = ActionExecution.objects.get().details["reason"]
    assert reason == "AAPL at $85.571429 is at or below $85.714285."


@pytest.mark.django_db(transaction=True)
def test_a_split_beside_ticks_new_rules_and_itself_happens_once(
    feed: Feed, owner: User, now: datetime
) -> None:
    for _ in range(3):
        rule(owner, now, "trailing_stop", params={"percent": "5"})
    tick(feed, now, "644")
    feed.says("AAPL", "92", NIGHT)  # held before the split, accepted after it

    def ticks() -> object:
        return [run_tick(now=NIGHT + n * TICK).fired for n in range(3)]

    def makes() -> object:
        return rule(owner, now, "trailing_stop", params={"percent": "5"})

    results = at_once(record, ticks, makes, record, ticks)
    assert sorted(str(one) for one in results if isinstance(one, Recorded))[0] == "applied"
    assert not ActionExecution.objects.exists()
    peaks = {D(action.runtime_state["peak"]) for action in Action.objects.all()}
    assert peaks == {D(92)}
    assert Quote.objects.get(instrument="AAPL").price == D(92)


def test_the_statements_do_not_grow_with_the_rules(feed: Feed, owner: User, now: datetime) -> None:
    def statements(rules: int, at: datetime) -> int:
        for _ in range(rules):
            rule(owner, now)
        with CaptureQueriesContext(connection) as queries:
            record(at, on=at.date(), factor=Fraction(at.day))
        return len(queries)

    few = statements(2, NIGHT)
    assert statements(6, NIGHT + DAY) == few
