"""A rule as a rehearsal: it does all that a rule does but trade, until it is promoted."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.engine import run_tick
from actions.execute_now import execute_now
from actions.models import Action, ActionExecution, Notification
from actions.parts import InvalidRule
from actions.services import Draft, RuleChanged, create_action, promote_action, update_action
from portfolios.ledger import Side
from portfolios.limits import Limits
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, pause_portfolio, primary_portfolio, set_limits, trade
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def ada(now: datetime) -> User:
    return holder(now)


def holder(now: datetime) -> User:
    """A user who has 10 AAPL and $1,000.00."""
    user = UserFactory.create(username="ada")
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(2000), at=now)
    trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(10),
        price=Decimal(100),
        at=now,
    )
    return user


def rule_of(user: User, now: datetime, *, rehearsal: bool = True, **changes: Any) -> Action:
    """By default: rehearse to sell all 10 AAPL at or below 90, once."""
    fields: dict[str, Any] = {
        "action_type": "SELL",
        "symbol": "AAPL",
        "quantity": Decimal(10),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "90"},
    }
    return create_action(user=user, draft=Draft(**(fields | changes), rehearsal=rehearsal), now=now)


def tick(feed: Feed, price: str, now: datetime) -> int:
    """How many rules fired at that price."""
    feed.says("AAPL", price, now)
    report = run_tick(now=now)
    assert report.errors == []
    return report.fired


def gate_of(action: Action) -> object:
    """The gate that its last look found shut."""
    return Action.objects.values_list("last_evaluation__gate", flat=True).get(pk=action.pk)


def books(user: User) -> object:
    columns = ("cash", "transactions_count", "changed", "executions_counted", "usd_counted")
    return (
        Portfolio.objects.filter(user=user).values(*columns).get(),
        list(Holding.objects.filter(portfolio__user=user).values("quantity", "cost_basis")),
        Transaction.objects.filter(portfolio__user=user).count(),
    )


# --- What it does ---


def test_it_fires_is_recorded_and_told_and_trades_nothing(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now)
    tick(feed, "100", now)
    before = books(ada)
    assert tick(feed, "89.50", now + SECOND) == 1
    assert books(ada) == before
    assert discrepancies() == []
    execution = action.executions.get()
    assert (execution.rehearsal, execution.execution_status) == (True, "success")
    assert execution.transaction is None
    assert execution.details["would_trade"] == [
        {
            "side": "sell",
            "symbol": "AAPL",
            "quantity": "-10",
            "price": "89.500000",
            "amount": "895.00",
        }
    ]
    assert not {"trades", "cash_after"} & execution.details.keys()
    action.refresh_from_db()
    assert (action.status, action.status_reason) == ("completed", "Rehearsed once.")
    assert (action.executions_count, action.last_triggered_at) == (1, now + SECOND)
    notice = Notification.objects.get(execution=execution)
    summary = "Rehearsal: would have sold 10 AAPL at $89.50 for $895.00."
    assert (notice.subject, notice.kind) == (summary, "fired")
    assert notice.body.splitlines()[2:] == [
        "Your rule: Rehearsal: Sell 10 AAPL when the price is at or below $90.00, once.",
        "Why: AAPL at $89.50 is at or below $90.00.",
        "This was a rehearsal: nothing was traded.",
        "The rule is now completed. Rehearsed once.",
    ]


def test_what_it_would_be_refused_is_a_failed_execution_as_ever(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now, quantity=Decimal(11), max_executions=None)
    for number in range(3):
        assert tick(feed, "80", now + number * 60 * SECOND) == 1
    action.refresh_from_db()
    assert (action.status, action.consecutive_failures) == ("failed", 3)
    execution = action.executions.get(sequence=1)
    assert (execution.rehearsal, execution.execution_status) == (True, "failed")
    assert execution.error == (
        "Selling 11 AAPL needs that many shares, but the portfolio holds 10."
    )
    assert execution.details["code"] == "insufficient_shares"
    assert execution.details["summary"] == (
        "Rehearsal: would have been refused: Sell 11 AAPL. " + execution.error
    )


def test_those_that_trade_find_the_books_as_if_there_were_no_rehearsal(
    ada: User, feed: Feed, now: datetime
) -> None:
    older = rule_of(ada, now)
    real = rule_of(ada, now + SECOND, rehearsal=False, quantity=Decimal(6))
    newer = rule_of(ada, now + 2 * SECOND)
    assert tick(feed, "80", now + 3 * SECOND) == 3
    assert older.executions.get().execution_status == "success"
    assert real.executions.get().transaction is not None
    refused = newer.executions.get()
    assert refused.error == (
        "Selling 10 AAPL needs that many shares, but the portfolio holds 4."
    ), "it is planned by the books as they are by then"
    assert Holding.objects.get(portfolio__user=ada).quantity == 4
    assert discrepancies() == []


def test_a_rebalance_tells_each_trade_that_it_would_have_made(
    ada: User, feed: Feed, now: datetime
) -> None:
    feed.says("IBM", "50", now)
    tick(feed, "100", now - SECOND)
    action = rule_of(
        ada,
        now,
        action_type="REBALANCE",
        symbol=None,
        quantity=None,
        action_params={"targets": {"AAPL": "0.25", "IBM": "0.5"}},
        trigger_type="time_of_day",
        trigger_params={
            "time": f"{now:%H:%M}",
            "timezone": "UTC",
            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        },
    )
    before = books(ada)
    assert tick(feed, "100", now) == 1
    details = action.executions.get().details
    assert details["summary"].splitlines() == [
        "Rehearsal: 2 trades: would have sold for $500.00, would have bought for $1,000.00.",
        "Would have sold 5 AAPL at $100.00 for $500.00.",
        "Would have bought 20 IBM at $50.00 for $1,000.00.",
    ]
    assert [trade["side"] for trade in details["would_trade"]] == ["sell", "buy"]
    assert books(ada) == before


def test_one_that_only_tells_says_that_it_is_a_rehearsal(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now, action_type="NOTIFY", quantity=None)
    assert tick(feed, "80", now) == 1
    summary = action.executions.get().details["summary"]
    assert summary == "Rehearsal: AAPL at $80.00 is at or below $90.00."


def test_it_is_held_back_by_what_holds_back_others(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now)
    pause_portfolio(portfolio_id=primary_portfolio(user=ada).pk)
    assert tick(feed, "80", now) == 0
    assert gate_of(action) == "portfolio"


def test_it_uses_up_nothing_of_the_portfolios_day(ada: User, feed: Feed, now: datetime) -> None:
    portfolio = primary_portfolio(user=ada)
    set_limits(portfolio_id=portfolio.pk, limits=Limits(day_executions=1))
    rehearsal = rule_of(ada, now, max_executions=None, cooldown_seconds=0, quantity=Decimal(1))
    real = rule_of(ada, now + SECOND, rehearsal=False, quantity=Decimal(1))
    assert tick(feed, "80", now + 2 * SECOND) == 2, "the day has room for the one that trades"
    assert real.executions.get().execution_status == "success"
    assert tick(feed, "80", now + 3 * SECOND) == 0, "what is used up holds back rehearsals, too"
    assert gate_of(rehearsal) == "day"


def test_executed_by_hand_it_is_a_rehearsal_too(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now, max_executions=None)
    tick(feed, "100", now)
    before = books(ada)
    execution = execute_now(
        user=ada, action_id=action.pk, key="k", now=now + SECOND, as_rehearsal=True
    )
    assert execution.rehearsal
    assert books(ada) == before
    promote_action(user=ada, action_id=action.pk, now=now + 2 * SECOND)
    with pytest.raises(RuleChanged, match="promoted meanwhile"):
        execute_now(user=ada, action_id=action.pk, key="l", now=now + 3 * SECOND, as_rehearsal=True)
    assert books(ada) == before
    again = execute_now(user=ada, action_id=action.pk, key="k", now=now + 3 * SECOND)
    assert again.pk == execution.pk, "the key's wish was granted when it was a rehearsal"


def test_a_batch_with_rehearsals_takes_no_statement_more(
    ada: User, feed: Feed, now: datetime
) -> None:
    def statements(at: datetime, *rehearsals: bool) -> int:
        for rehearsal in rehearsals:
            rule_of(ada, at, rehearsal=rehearsal, quantity=Decimal(1))
        feed.says("AAPL", "80", at)
        with CaptureQueriesContext(connection) as queries:
            assert run_tick(now=at).fired == len(rehearsals)
        return len(queries)

    statements(now, False)  # the first tick of a symbol asks more
    assert statements(now + 10 * SECOND, False, True, True) == statements(
        now + 20 * SECOND, False, False, False
    )


def test_the_database_itself_has_no_rehearsal_trade(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now, rehearsal=False)
    tick(feed, "80", now)
    refused = pytest.raises(IntegrityError, match="executions_rehearsal_trades_nothing")
    with refused, transaction.atomic():
        ActionExecution.objects.filter(action=action).update(rehearsal=True)


# --- What it is does not change by an edit ---


@pytest.mark.parametrize(
    ("rehearsal", "words"),
    [(True, "Promote it"), (False, "does not become a rehearsal")],
)
def test_an_edit_does_not_change_whether_it_trades(
    ada: User, now: datetime, rehearsal: bool, words: str
) -> None:
    action = rule_of(ada, now, rehearsal=rehearsal)
    with pytest.raises(InvalidRule, match=words) as refused:
        update_action(user=ada, action_id=action.pk, changes={"rehearsal": not rehearsal}, now=now)
    assert set(refused.value.errors) == {"rehearsal"}
    same = update_action(
        user=ada, action_id=action.pk, changes={"rehearsal": rehearsal, "notes": "x"}, now=now
    )
    assert (same.rehearsal, same.notes) == (rehearsal, "x")
