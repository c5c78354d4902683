"""The whole way: a quote comes in, a rule wakes, fires, and the trade is in the ledger."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import mail

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution, Notification, Tick, Watch
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.services import Draft, create_action
from portfolios.ledger import Side
from portfolios.models import Holding, Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio, trade
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    """Holds 20 AAPL and $8,000 in cash."""
    user = UserFactory.create(email="owner@example.org")
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(10_000), at=now)
    trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(20),
        price=Decimal(100),
        at=now,
    )
    return user


def sell_below_150(**changes: object) -> Draft:
    fields: dict[str, object] = {
        "action_type": "SELL",
        "symbol": "AAPL",
        "quantity": Decimal(10),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return Draft(**(fields | changes))  # type: ignore[arg-type]


def test_a_price_at_its_threshold_sells_once_and_tells_the_owner(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = create_action(user=owner, draft=sell_below_150(), now=now)

    feed.says("AAPL", "151", now)
    assert run_tick(now=now).fired == 0
    watch = Watch.objects.get(action=action)
    assert (watch.symbol, watch.below, watch.above, watch.at) == ("AAPL", Decimal(150), None, None)

    feed.says("AAPL", "150", now + 10 * SECOND)
    report = run_tick(now=now + 10 * SECOND)
    assert (report.woken, report.fired, report.errors) == (1, 1, [])

    action.refresh_from_db()
    assert action.status == "completed"
    assert action.status_reason == "Executed once."
    assert action.executions_count == 1
    assert action.processing_lease_until is None
    assert not Watch.objects.exists()

    execution = ActionExecution.objects.get()
    assert (execution.sequence, execution.execution_status) == (1, "success")
    assert execution.details["summary"] == "Sold 10 AAPL at $150.00 for $1,500.00."
    assert execution.details["reason"] == "AAPL at $150.00 is at or below $150.00."
    entry = execution.transaction
    assert entry is not None
    assert (entry.kind, entry.quantity, entry.price, entry.amount, entry.reference) == (
        "sell",
        Decimal(-10),
        Decimal(150),
        Decimal(1500),
        execution.pk,
    )
    assert Holding.objects.get().quantity == 10
    assert primary_portfolio(user=owner).cash == Decimal(9_500)
    assert discrepancies() == []

    told = Notification.objects.get()
    assert told.subject == "Sold 10 AAPL at $150.00 for $1,500.00."
    assert "Cash now: $9,500.00." in told.body
    dispatch(now=now + 11 * SECOND)
    assert deliver_due(now=now + 11 * SECOND) == 1
    assert deliver_due(now=now + 12 * SECOND) == 0
    assert [message.to for message in mail.outbox] == [["owner@example.org"]]

    feed.says("AAPL", "149", now + 20 * SECOND)
    assert run_tick(now=now + 20 * SECOND).woken == 0
    assert Tick.objects.count() == 3


def test_a_gap_through_the_threshold_fills_at_the_price_seen(
    owner: User, feed: Feed, now: datetime
) -> None:
    create_action(user=owner, draft=sell_below_150(), now=now)
    feed.says("AAPL", "120.5", now)
    run_tick(now=now)
    assert Transaction.objects.get(kind="sell").price == Decimal("120.5")


def test_a_rule_that_sleeps_costs_no_look(owner: User, feed: Feed, now: datetime) -> None:
    action = create_action(user=owner, draft=sell_below_150(), now=now)
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    looked_at = Action.objects.get().last_evaluated_at
    for second in range(10, 60, 10):
        feed.says("AAPL", Decimal(160 - second) / 1 + 49, now + second * SECOND)
        assert run_tick(now=now + second * SECOND).woken == 0
    assert Action.objects.get(pk=action.pk).last_evaluated_at == looked_at


def test_a_refusal_is_a_failed_execution_that_trades_nothing(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = create_action(user=owner, draft=sell_below_150(quantity=Decimal(21)), now=now)
    feed.says("AAPL", "140", now)
    assert run_tick(now=now).fired == 1
    execution = ActionExecution.objects.get()
    assert execution.execution_status == "failed"
    assert execution.details["code"] == "insufficient_shares"
    assert execution.transaction is None
    assert Holding.objects.get().quantity == 20

    # It is not retried before its cooldown, 60 s where none is set.
    feed.says("AAPL", "139", now + 59 * SECOND)
    run_tick(now=now + 59 * SECOND)
    assert ActionExecution.objects.count() == 1
    for minute in (1, 2, 3, 4):
        feed.says("AAPL", str(139 - minute), now + timedelta(minutes=minute))
        run_tick(now=now + timedelta(minutes=minute))
    assert ActionExecution.objects.count() == 3
    action.refresh_from_db()
    assert (action.status, action.status_reason) == ("failed", "Refused 3 times in a row.")
    assert action.executions_count == 0
