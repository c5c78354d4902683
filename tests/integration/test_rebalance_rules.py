"""A rule that rebalances: from the draft to the ledger, and beside other rules of its portfolio."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution, Notification, Watch
from actions.parts import InvalidRule
from actions.rules import PRICE_STEP
from actions.services import Draft, create_action
from market.hours import Exchange
from portfolios.ledger import Side
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio, trade
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)
AT_TEN: dict[str, Any] = {
    "trigger_type": "time_of_day",
    "trigger_params": {"time": "10:00"},  # in New York, which is the tests' `now`
}
TARGETS = {"AAPL": "0.5", "MSFT": "0.3", "IBM": "0.1"}


@pytest.fixture
def portfolio(now: datetime) -> Portfolio:
    """$1,000.00, 90 AAPL that are worth $9,000.00, and 10 GOOG, which no rule names."""
    portfolio = primary_portfolio(user=UserFactory.create())
    deposit(portfolio=portfolio, amount=Decimal(11_000), at=now)
    for symbol, shares in (("AAPL", 90), ("GOOG", 10)):
        trade(
            portfolio=portfolio,
            side=Side.BUY,
            symbol=symbol,
            quantity=Decimal(shares),
            price=Decimal(100),
            at=now,
        )
    return portfolio


@pytest.fixture
def owner(portfolio: Portfolio) -> User:
    return portfolio.user


def rebalancing(targets: dict[str, str] = TARGETS, **more: Any) -> Draft:
    return Draft(
        **{"action_type": "REBALANCE", "action_params": {"targets": targets}, **AT_TEN, **more}
    )


def quote(feed: Feed, at: datetime, **prices: str | int | Decimal) -> None:
    for symbol, price in {"AAPL": 100, "GOOG": 100, "IBM": 25, "MSFT": 40, **prices}.items():
        feed.says(symbol, str(price), at)


def held(portfolio: Portfolio) -> dict[str, Decimal]:
    of = Holding.objects.filter(portfolio=portfolio)
    return {holding.instrument_id: holding.quantity for holding in of}


def test_at_its_time_it_is_one_execution_of_several_trades(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    action = create_action(user=owner, draft=rebalancing(), now=now)
    assert action.symbol is None
    assert action.portfolio == portfolio
    assert action.sentence(owner.zone).startswith(
        "Rebalance to 50 % AAPL, 30 % MSFT, 10 % IBM and 10 % cash at 10:00 New York"
    )
    quote(feed, now)
    assert run_tick(now=now).errors == []
    quote(feed, now + 10 * SECOND, AAPL=50)
    assert run_tick(now=now + 10 * SECOND).fired == 0

    execution = ActionExecution.objects.get()
    assert execution.execution_status == "success"
    traded = Transaction.objects.filter(reference=execution.pk).order_by("sequence")
    assert [(one.kind, one.instrument_id, one.quantity) for one in traded] == [
        ("sell", "AAPL", Decimal(-40)),
        ("buy", "MSFT", Decimal(75)),
        ("buy", "IBM", Decimal(40)),
    ]
    assert execution.transaction == traded[0]
    assert [trade["transaction_id"] for trade in execution.details["trades"]] == [
        str(one.pk) for one in traded
    ]
    assert held(portfolio) == {"AAPL": 50, "GOOG": 10, "IBM": 40, "MSFT": 75}
    assert primary_portfolio(user=owner).cash == 1000
    assert discrepancies() == []
    action.refresh_from_db()
    assert (action.status, action.status_reason) == ("completed", "Executed once.")
    assert not Watch.objects.exists()


def test_its_receipt_has_the_sums_first_and_a_line_for_each_trade(
    owner: User, feed: Feed, now: datetime
) -> None:
    create_action(user=owner, draft=rebalancing(), now=now)
    quote(feed, now)
    run_tick(now=now)
    notice = Notification.objects.get()
    assert notice.subject == "3 trades: sold for $4,000.00, bought for $4,000.00."
    assert notice.body.splitlines()[:4] == [
        "3 trades: sold for $4,000.00, bought for $4,000.00.",
        "Sold 40 AAPL at $100.00 for $4,000.00.",
        "Bought 75 MSFT at $40.00 for $3,000.00.",
        "Bought 40 IBM at $25.00 for $1,000.00.",
    ]
    assert "Cash now: $1,000.00." in notice.body


def test_one_trade_reads_as_that_of_any_other_rule(owner: User, feed: Feed, now: datetime) -> None:
    create_action(user=owner, draft=rebalancing({"AAPL": "1"}), now=now)
    quote(feed, now)
    run_tick(now=now)
    details = ActionExecution.objects.get().details
    assert details["summary"] == "Bought 10 AAPL at $100.00 for $1,000.00."


def test_where_nothing_is_to_be_done_it_succeeds_and_says_so(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = create_action(user=owner, draft=rebalancing({"AAPL": "0.9"}), now=now)
    quote(feed, now)
    assert run_tick(now=now).fired == 1
    execution = ActionExecution.objects.get()
    assert (execution.execution_status, execution.transaction) == ("success", None)
    assert execution.details["trades"] == []
    assert execution.details["summary"].splitlines() == [
        "Nothing was traded: no trade of $1.00 or more would bring the portfolio nearer to its "
        "targets.",
        execution.details["reason"],
    ]
    action.refresh_from_db()
    assert (action.status, action.executions_count) == ("completed", 1)


def test_without_anything_to_divide_it_is_a_failed_execution(feed: Feed, now: datetime) -> None:
    create_action(user=UserFactory.create(), draft=rebalancing(), now=now)
    quote(feed, now)
    run_tick(now=now)
    execution = ActionExecution.objects.get()
    assert execution.execution_status == "failed"
    assert execution.details["summary"] == (
        "Refused: Rebalance to 50 % AAPL, 30 % MSFT, 10 % IBM and 10 % cash. "
        "There is nothing to divide: no cash, and none of the symbols named."
    )


def test_it_waits_until_every_symbol_has_a_fresh_quote(
    owner: User, feed: Feed, now: datetime
) -> None:
    create_action(user=owner, draft=rebalancing(), now=now)
    quote(feed, now, IBM=25)
    del feed.samples["IBM"]
    assert run_tick(now=now).fired == 0
    assert last_reason() == "There is no quote for IBM yet."

    quote(feed, now + 10 * SECOND)
    assert run_tick(now=now + 10 * SECOND).fired == 1


def test_it_waits_for_the_session(owner: User, feed: Feed, now: datetime) -> None:
    feed.calendar = Exchange()
    opening = now.replace(hour=14, minute=30)
    draft = rebalancing(trigger_params={"time": "09:00", "window_minutes": 60})
    before = opening - timedelta(minutes=10)
    create_action(user=owner, draft=draft, now=before)
    quote(feed, before)
    assert run_tick(now=before).fired == 0
    assert last_reason() == "The market is closed."
    quote(feed, opening)
    assert run_tick(now=opening).fired == 1


def last_reason() -> str:
    found = Action.objects.get().last_evaluation
    assert found is not None
    return str(found["reason"])


# --- Beside other rules of its portfolio ---


def test_of_two_rules_in_one_tick_the_second_divides_what_the_first_has_left(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    sale = Draft(
        action_type="SELL",
        symbol="AAPL",
        quantity=Decimal(80),
        trigger_type="price_above",
        trigger_params={"threshold": "100"},
    )
    create_action(user=owner, draft=sale, now=now - SECOND)
    create_action(user=owner, draft=rebalancing({"AAPL": "0.5"}), now=now)
    quote(feed, now)
    assert run_tick(now=now).fired == 2
    summaries = ActionExecution.objects.order_by("transaction__sequence")
    assert [one.details["summary"] for one in summaries] == [
        "Sold 80 AAPL at $100.00 for $8,000.00.",
        "Bought 40 AAPL at $100.00 for $4,000.00.",
    ]
    assert discrepancies() == []


def test_of_two_rules_with_the_same_targets_the_second_finds_nothing_to_do(
    owner: User, feed: Feed, now: datetime
) -> None:
    for _ in range(2):
        create_action(user=owner, draft=rebalancing(), now=now)
    quote(feed, now)
    assert run_tick(now=now).fired == 2
    assert sorted(len(one.details["trades"]) for one in ActionExecution.objects.all()) == [0, 3]
    assert {one.execution_status for one in ActionExecution.objects.all()} == {"success"}
    assert discrepancies() == []


# --- When its weights drift ---

DRIFT: dict[str, Any] = {
    "trigger_type": "drift",
    "trigger_params": {"tolerance_pct": "5"},
    "max_executions": None,
}


def test_it_sleeps_until_a_weight_has_drifted_and_again_once_it_has_rebalanced(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    # 1,000 in cash, 9,000 of AAPL
    action = create_action(
        user=owner, draft=rebalancing({"AAPL": "0.85", "MSFT": "0.04"}, **DRIFT), now=now
    )
    quote(feed, now)
    assert run_tick(now=now).fired == 1, "AAPL is at 90 %"
    quote(feed, now + 10 * SECOND)
    assert run_tick(now=now + 10 * SECOND).fired == 0
    assert held(portfolio) == {"AAPL": 85, "GOOG": 10, "MSFT": 10}
    watches = {watch.symbol: watch for watch in Watch.objects.filter(action=action)}
    assert watches.keys() == {"AAPL", "MSFT"}
    below, above = watches["AAPL"].below, watches["AAPL"].above
    assert below is not None
    assert above is not None
    assert below < 100 < above

    for second, price in ((20, above - PRICE_STEP), (30, below + PRICE_STEP)):
        quote(feed, now + second * SECOND, AAPL=price)
        assert run_tick(now=now + second * SECOND).woken == 0
    quote(feed, now + 40 * SECOND, AAPL=160)
    assert run_tick(now=now + 40 * SECOND).fired == 1
    reason = ActionExecution.objects.order_by("sequence")[1].details["reason"]
    assert reason == "AAPL is 90.06 % of the portfolio, 5.06 points above its target of 85 %."
    assert discrepancies() == []


def test_money_that_is_paid_in_wakes_it(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    create_action(user=owner, draft=rebalancing({"AAPL": "0.9"}, **DRIFT), now=now)
    quote(feed, now)
    assert run_tick(now=now).fired == 0
    deposit(portfolio=portfolio, amount=Decimal(1_000), at=now)
    quote(feed, now + 10 * SECOND)
    assert run_tick(now=now + 10 * SECOND).fired == 1
    assert held(portfolio)["AAPL"] == 99


def test_another_rules_trade_wakes_it(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    sale = Draft(
        action_type="SELL",
        symbol="AAPL",
        quantity=Decimal(40),
        trigger_type="price_above",
        trigger_params={"threshold": "101"},
    )
    create_action(user=owner, draft=sale, now=now - SECOND)
    create_action(user=owner, draft=rebalancing({"AAPL": "0.9"}, **DRIFT), now=now)
    quote(feed, now)
    assert run_tick(now=now).fired == 0
    quote(feed, now + 10 * SECOND, AAPL=101)
    assert run_tick(now=now + 10 * SECOND).fired == 1, "the sale"
    quote(feed, now + 20 * SECOND, AAPL=101)
    assert run_tick(now=now + 20 * SECOND).fired == 1, "the drift that it has made"
    quote(feed, now + 30 * SECOND, AAPL=101)
    assert run_tick(now=now + 30 * SECOND).fired == 0
    assert discrepancies() == []


# --- What is refused ---


def test_a_drift_without_targets_is_refused(owner: User, now: datetime, feed: Feed) -> None:
    draft = Draft(action_type="NOTIFY", symbol="AAPL", **DRIFT)
    with pytest.raises(InvalidRule) as refused:
        create_action(user=owner, draft=draft, now=now)
    assert refused.value.errors.keys() == {"trigger_type"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"symbol": "AAPL"}, {"symbol"}),
        ({"symbol": " "}, {"symbol"}),
        ({"quantity": Decimal(1)}, {"quantity"}),
        ({"amount_usd": Decimal(1)}, {"amount_usd"}),
        ({"action_params": {}}, {"action_params.targets"}),
        (
            {"action_params": {"targets": {"NOPE": "0.5", "aapl": "0.1", "NADA": 0}}},
            {"action_params.targets.NOPE", "action_params.targets.NADA"},
        ),
        ({"trigger_params": {"time": "25:00"}}, {"trigger_params.time"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    owner: User, now: datetime, feed: Feed, changes: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(InvalidRule) as refused:
        create_action(user=owner, draft=rebalancing(**changes), now=now)
    assert refused.value.errors.keys() == fields
    assert not Action.objects.exists()


def test_a_trigger_needs_a_symbol_of_its_own_since_the_rule_has_none(
    owner: User, now: datetime, feed: Feed
) -> None:
    level: dict[str, Any] = {"trigger_type": "price_below", "trigger_params": {"threshold": "90"}}
    with pytest.raises(InvalidRule) as refused:
        create_action(user=owner, draft=rebalancing(**level), now=now)
    assert refused.value.errors == {"trigger_params.symbol": "Say which symbol to watch."}
    level["trigger_params"] = {"threshold": "90", "symbol": "AAPL"}
    create_action(user=owner, draft=rebalancing(**level), now=now)
    quote(feed, now, AAPL=90)
    assert run_tick(now=now).fired == 1
