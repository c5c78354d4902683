"""Executing a rule by hand: at the price seen now, once for each key."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction

from accounts.models import User
from actions import engine
from actions.engine import run_tick
from actions.execute_now import GateRefused, InvalidKey, KeyReused, execute_now
from actions.lease import lease_actions_for_evaluation
from actions.models import Action, ActionExecution, Notification, Watch
from actions.services import Draft, cancel_action, create_action, pause_action
from actions.watches import wake
from market.hours import Exchange
from market.services import accept_quotes
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(1000), at=now)
    return user


def buy_below_50(owner: User, feed: Feed, now: datetime, **changes: object) -> Action:
    """A rule that the price of 100 does not fire, asleep."""
    fields: dict[str, object] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(2),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "50"},
        "max_executions": None,
    }
    action = create_action(user=owner, draft=Draft(**(fields | changes)), now=now)  # type: ignore[arg-type]
    feed.says("AAPL", "100", now)
    assert run_tick(now=now).fired == 0
    return action


def test_it_trades_at_the_price_seen_now_and_leaves_the_watch_alone(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_50(owner, feed, now)
    execution = execute_now(user=owner, action_id=action.pk, key="a", now=now + SECOND)
    assert (execution.sequence, execution.execution_status) == (1, "success")
    assert execution.idempotency_key == "a"
    assert execution.details["reason"] == "You executed it by hand."
    assert execution.details["summary"] == "Bought 2 AAPL at $100.00 for $200.00."
    assert execution.transaction is not None
    assert execution.transaction.reference == execution.pk
    action.refresh_from_db()
    assert (action.status, action.executions_count) == ("active", 1)
    assert action.last_triggered_at == now + SECOND
    assert Watch.objects.get(action=action).below == 50
    assert Notification.objects.filter(execution=execution).count() == 1
    assert discrepancies() == []


def test_the_same_key_gives_the_same_execution_back(owner: User, feed: Feed, now: datetime) -> None:
    action = buy_below_50(owner, feed, now)
    first = execute_now(user=owner, action_id=action.pk, key="a", now=now)
    again = execute_now(user=owner, action_id=action.pk, key="a", now=now + 5 * SECOND)
    assert again.pk == first.pk
    other = execute_now(user=owner, action_id=action.pk, key="b", now=now + 5 * SECOND)
    assert other.sequence == 2, "another key is another wish, and no cooldown is asked"
    assert ActionExecution.objects.count() == 2


def test_the_same_key_with_another_request_is_refused(
    owner: User, feed: Feed, now: datetime
) -> None:
    action, other = buy_below_50(owner, feed, now), buy_below_50(owner, feed, now)
    execute_now(user=owner, action_id=action.pk, key="a", now=now)
    with pytest.raises(KeyReused, match="Send a new key"):
        execute_now(user=owner, action_id=other.pk, key="a", now=now)
    with pytest.raises(KeyReused):
        execute_now(user=owner, action_id=action.pk, key="a", now=now, request={"note": "now"})
    assert ActionExecution.objects.count() == 1


def test_somebody_elses_key_is_another_key(owner: User, feed: Feed, now: datetime) -> None:
    stranger = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=stranger), amount=Decimal(1000), at=now)
    mine, theirs = buy_below_50(owner, feed, now), buy_below_50(stranger, feed, now)
    execute_now(user=owner, action_id=mine.pk, key="a", now=now)
    execute_now(user=stranger, action_id=theirs.pk, key="a", now=now)
    assert ActionExecution.objects.count() == 2
    with pytest.raises(Action.DoesNotExist):
        execute_now(user=stranger, action_id=mine.pk, key="b", now=now)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b"])
def test_a_key_that_cannot_be_kept_is_refused(
    owner: User, feed: Feed, now: datetime, key: str
) -> None:
    action = buy_below_50(owner, feed, now)
    with pytest.raises(InvalidKey):
        execute_now(user=owner, action_id=action.pk, key=key, now=now)


def test_the_portfolios_refusal_is_an_execution_that_failed(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_50(owner, feed, now, quantity=Decimal(11))
    refused = execute_now(user=owner, action_id=action.pk, key="a", now=now)
    assert refused.execution_status == "failed"
    assert execute_now(user=owner, action_id=action.pk, key="a", now=now).pk == refused.pk
    for number in (2, 3):
        execute_now(user=owner, action_id=action.pk, key=str(number), now=now)
    action.refresh_from_db()
    assert (action.status, action.status_reason) == ("failed", "Refused 3 times in a row.")
    assert not Watch.objects.exists()


def test_a_shut_gate_is_named_and_leaves_the_key_free(
    owner: User, feed: Feed, now: datetime
) -> None:
    def refused(action: Action, at: datetime) -> str:
        with pytest.raises(GateRefused) as refusal:
            execute_now(user=owner, action_id=action.pk, key="a", now=at)
        return refusal.value.gate

    early = buy_below_50(owner, feed, now, valid_from=now + 60 * SECOND)
    assert refused(early, now) == "validity"
    paused = buy_below_50(owner, feed, now)
    pause_action(user=owner, action_id=paused.pk, now=now)
    assert refused(paused, now) == "status"
    ended = buy_below_50(owner, feed, now)
    cancel_action(user=owner, action_id=ended.pk, now=now)
    assert refused(ended, now) == "status"
    action = buy_below_50(owner, feed, now)
    assert refused(action, now + 61 * SECOND) == "quote"
    feed.calendar = Exchange()
    assert refused(action, datetime(2026, 11, 17, 23, tzinfo=now.tzinfo)) == "session"
    assert not ActionExecution.objects.exists()
    execute_now(user=owner, action_id=action.pk, key="a", now=now)


def test_the_last_execution_that_a_rule_may_make_completes_it(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_50(owner, feed, now, max_executions=1)
    execute_now(user=owner, action_id=action.pk, key="a", now=now)
    action.refresh_from_db()
    assert (action.status, action.status_reason) == ("completed", "Executed once.")
    assert not Watch.objects.exists()
    with pytest.raises(GateRefused):
        execute_now(user=owner, action_id=action.pk, key="b", now=now)


@pytest.mark.parametrize(("most", "executions"), [(1, 1), (None, 2)])
def test_an_evaluator_that_holds_the_rule_fires_it_only_if_its_gates_still_let_it(
    owner: User, feed: Feed, now: datetime, most: int | None, executions: int
) -> None:
    action = buy_below_50(owner, feed, now, max_executions=most)
    feed.says("AAPL", "49", now + SECOND)
    with transaction.atomic():
        broken = accept_quotes(
            samples=list(feed.samples.values()), now=now + SECOND, max_age=timedelta(minutes=1)
        )
        wake(symbols=broken, now=now + SECOND)
    held = lease_actions_for_evaluation(now=now + SECOND, limit=10, lease_seconds=30)
    assert len(held) == 1
    execute_now(user=owner, action_id=action.pk, key="a", now=now + SECOND)
    engine._look_at(held, now + SECOND, engine.Report())
    sequences = action.executions.order_by("sequence").values_list("sequence", flat=True)
    assert list(sequences) == list(range(1, executions + 1))
    action.refresh_from_db()
    assert action.executions_count == executions
    assert discrepancies() == []


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_the_same_key_are_one_execution(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_50(owner, feed, now)
    barrier = Barrier(6)

    def ask() -> object:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=120)
            return execute_now(user=owner, action_id=action.pk, key="a", now=now).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = [asked.result(timeout=240) for asked in [pool.submit(ask) for _ in range(6)]]
    assert set(answers) == {ActionExecution.objects.get().pk}
    action.refresh_from_db()
    assert action.executions_count == 1
    assert discrepancies() == []
