"""A process that hangs amid a transaction holds nothing for ever, and costs nobody a firing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import OperationalError, connection

from accounts.models import User
from actions import evaluator
from actions.engine import Report, run_tick
from actions.evaluator import tick_for
from actions.execute import MOST_ATTEMPTS
from actions.models import Action, ActionExecution, Watch
from actions.services import Draft, create_action
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("instruments", "feed"),
]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.fixture
def hanging(owner: User) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """A session that has locked the owner's portfolio, and then says nothing more."""
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(
            "SELECT id FROM portfolios_portfolio WHERE id = %s FOR NO KEY UPDATE",
            [primary_portfolio(user=owner).pk],
        )
        try:
            yield other
        finally:
            other.close()


@pytest.fixture
def impatient() -> Iterator[None]:
    """We wait for a lock for a fifth of a second."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        yield
        cursor.execute("RESET lock_timeout")


def buy(owner: User, now: datetime) -> Action:
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    return create_action(user=owner, draft=draft, now=now)


def test_every_session_has_its_limits() -> None:
    """The first is what tests are given (tests/postgres.py)."""
    with connection.cursor() as cursor:
        shown = {}
        for name in ("idle_in_transaction_session_timeout", "lock_timeout"):
            cursor.execute(f"SHOW {name}")
            (shown[name],) = cursor.fetchone()
    assert shown == {"idle_in_transaction_session_timeout": "15min", "lock_timeout": "15s"}


@pytest.mark.usefixtures("impatient")
def test_a_rule_fires_as_soon_as_the_session_that_hangs_in_its_portfolio_is_ended(
    owner: User, hanging: "psycopg.Connection[tuple[object, ...]]", feed: Feed, now: datetime
) -> None:
    # It ends amid the second of the attempts.
    hanging.execute("SET LOCAL idle_in_transaction_session_timeout = '1500ms'")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    buy(owner, now)
    feed.says("AAPL", "149", now)
    assert run_tick(now=now).fired == 1
    assert ActionExecution.objects.get().execution_status == "success"
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        hanging.execute("SELECT 1")
    assert discrepancies() == []


@pytest.mark.usefixtures("impatient", "hanging")
def test_a_lock_that_is_not_to_be_had_is_a_fault_of_ours(
    owner: User, feed: Feed, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    action = buy(owner, now)
    feed.says("AAPL", "149", now)
    report = run_tick(now=now)
    assert (report.fired, report.errors) == (0, [f"Rule {action.pk}: OperationalError"])
    attempts = [record for record in caplog.records if "lock timeout" in record.getMessage()]
    assert len(attempts) == MOST_ATTEMPTS
    assert not ActionExecution.objects.exists()
    assert Watch.objects.get(action=action).at == now + 30 * SECOND
    action.refresh_from_db()
    assert (action.status, action.processing_lease_until) == ("active", None)


def test_a_tick_that_could_not_have_a_lock_does_not_end_the_evaluator(
    monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    ticks = []

    def tick(**given: object) -> Report:
        ticks.append(given["now"])
        if len(ticks) == 1:
            raise OperationalError("lock timeout") from psycopg.errors.LockNotAvailable()
        return Report()

    monkeypatch.setattr(evaluator, "run_tick", tick)
    made = tick_for(
        seconds=None, clock=lambda: now, sleep=lambda s: None, stopping=lambda: len(ticks) == 2
    )
    assert made == len(ticks) == 2
