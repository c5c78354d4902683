"""What happens to some rules of a batch that fires leaves the others alone."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from actions import execute
from actions.effects.buy import Buy
from actions.execute import MOST_ATTEMPTS
from actions.models import Action, ActionExecution, Watch
from actions.rules import Desk, Plan, Rule
from actions.services import pause_action
from portfolios.ledger import Refusal
from portfolios.models import Transaction
from portfolios.selectors import discrepancies
from tests.conftest import Feed
from tests.integration.test_storms import MINUTE, SECOND, below, leased_at, look_at, owner_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


def test_a_lease_that_is_lost_in_the_middle_of_a_batch_costs_that_rule_only(
    feed: Feed, now: datetime
) -> None:
    owner = owner_of(shares=10, cash=1000, now=now)
    first, paused, last = (below("100", now, owner) for _ in range(3))
    batch = leased_at("90", feed, now)
    pause_action(user=owner, action_id=paused.pk, now=now)
    assert look_at(batch, now).fired == 2
    assert {one.action_id for one in ActionExecution.objects.all()} == {first.pk, last.pk}
    paused.refresh_from_db()
    assert paused.status == "paused"


def test_a_gate_that_has_shut_since_the_lease_is_found_shut(feed: Feed, now: datetime) -> None:
    owner = owner_of(shares=10, cash=1000, now=now)
    fires, cooled, over = (below("100", now, owner, max_executions=None) for _ in range(3))
    batch = leased_at("90", feed, now)
    Action.objects.filter(pk=cooled.pk).update(last_triggered_at=now, cooldown_seconds=60)
    Action.objects.filter(pk=over.pk).update(valid_until=now, valid_from=now - MINUTE)
    assert look_at(batch, now).fired == 1
    assert ActionExecution.objects.get().action_id == fires.pk
    for action, finding, status in ((cooled, "blocked", "active"), (over, "expired", "completed")):
        action.refresh_from_db()
        assert action.last_evaluation is not None
        assert (action.last_evaluation["finding"], action.status) == (finding, status)
    assert Watch.objects.get(action=cooled).at == now + MINUTE


def test_an_error_in_planning_one_rule_puts_off_that_one_only(
    feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = owner_of(shares=10, cash=1000, now=now)
    good = [below("100", now, owner), below("100", now, owner)]
    bad = below("100", now, owner, quantity=Decimal(7))
    plan = Buy.plan

    def with_a_bug(self: Buy, rule: Rule, desk: Desk) -> Plan | Refusal:
        if self.quantity == 7:
            raise ZeroDivisionError("a bug")
        return plan(self, rule, desk)

    monkeypatch.setattr(Buy, "plan", with_a_bug)
    report = look_at(leased_at("90", feed, now), now)
    assert (report.fired, report.errors) == (2, [f"Rule {bad.pk}: ZeroDivisionError"])
    assert {one.action_id for one in ActionExecution.objects.all()} == {one.pk for one in good}
    assert Watch.objects.get(action=bad).at == now + 30 * SECOND


def test_a_row_that_the_database_refuses_puts_off_its_rule_only(feed: Feed, now: datetime) -> None:
    owner = owner_of(shares=10, cash=1000, now=now)
    actions = [below("100", now, owner) for _ in range(7)]
    bad = actions[4]
    # Its first execution exists, though the rule does not know of it.
    ActionExecution.objects.create(
        action=bad, sequence=1, execution_status="success", details={"summary": "a stray"}
    )
    report = look_at(leased_at("90", feed, now), now)
    assert (report.fired, report.errors) == (6, [f"Rule {bad.pk}: IntegrityError"])
    bad.refresh_from_db()
    assert bad.executions_count == 0
    assert Transaction.objects.filter(kind="buy", price=90).count() == 6
    assert Watch.objects.get(action=bad).at == now + 30 * SECOND
    assert discrepancies() == []


def disturbed(times: int) -> Callable[..., Any]:
    """`_commit` that PostgreSQL picks as a deadlock's victim so many times."""
    commit = execute._commit
    left = [times]

    def attempt(firings: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OperationalError("deadlock detected") from psycopg.errors.DeadlockDetected()
        return commit(firings)

    return attempt


def test_a_batch_that_another_transaction_disturbed_is_tried_again(
    feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = owner_of(shares=10, cash=1000, now=now)
    for _ in range(3):
        below("100", now, owner)
    batch = leased_at("90", feed, now)
    monkeypatch.setattr(execute, "_commit", disturbed(MOST_ATTEMPTS - 1))
    report = look_at(batch, now)
    assert (report.fired, report.errors) == (3, [])
    assert ActionExecution.objects.count() == 3


def test_a_batch_that_is_disturbed_for_ever_is_put_off(
    feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = below("100", now, owner_of(shares=10, cash=1000, now=now))
    batch = leased_at("90", feed, now)
    monkeypatch.setattr(execute, "_commit", disturbed(MOST_ATTEMPTS))
    report = look_at(batch, now)
    assert (report.fired, report.errors) == (0, [f"Rule {action.pk}: OperationalError"])
    assert Watch.objects.get(action=action).at == now + 30 * SECOND


def test_a_database_that_is_gone_is_nobodys_fault(
    feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = below("100", now, owner_of(shares=10, cash=1000, now=now))
    batch = leased_at("90", feed, now)

    def gone(firings: Any) -> Any:
        raise OperationalError("the connection is lost") from psycopg.errors.AdminShutdown()

    monkeypatch.setattr(execute, "_commit", gone)
    with pytest.raises(OperationalError):
        look_at(batch, now)
    action.refresh_from_db()
    assert action.processing_lease_until == now + 30 * SECOND, "it is taken over later"
