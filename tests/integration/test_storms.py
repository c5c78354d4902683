"""Rules that fire together: what comes of it is what would come of them one by one."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from actions import engine
from actions.booking import Firing
from actions.engine import Report, run_tick
from actions.execute import Fired, commit_firings
from actions.lease import Leased, lease_actions_for_evaluation
from actions.models import Action, Notification, Watch
from actions.services import Draft, create_action
from actions.watches import wake
from market.services import accept_quotes
from portfolios.ledger import Side
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio, trade
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def owner_of(shares: int, cash: int, now: datetime) -> User:
    user = UserFactory.create()
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(cash + shares * 100), at=now)
    trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(shares),
        price=Decimal(100),
        at=now,
    )
    return user


def below(threshold: str, now: datetime, owner: User, **changes: object) -> Action:
    fields: dict[str, object] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": threshold},
    }
    return create_action(user=owner, draft=Draft(**(fields | changes)), now=now)  # type: ignore[arg-type]


def leased_at(price: str, feed: Feed, now: datetime) -> list[Leased]:
    feed.says("AAPL", price, now)
    with transaction.atomic():
        broken = accept_quotes(samples=list(feed.samples.values()), now=now, max_age=MINUTE)
        wake(symbols=broken, now=now)
    return lease_actions_for_evaluation(now=now, limit=100, lease_seconds=30)


def look_at(batch: list[Leased], now: datetime) -> Report:
    report = Report()
    engine._look_at(batch, now, report)
    return report


# --- Equality with one by one ---

SIZES: list[dict[str, Any]] = [
    {"action_type": "BUY", "quantity": Decimal(3)},
    {"action_type": "BUY", "amount_usd": Decimal(250)},
    {"action_type": "SELL", "quantity": Decimal(4)},
    {"action_type": "SELL", "action_params": {"fraction": "0.5"}},
    {"action_type": "SELL", "action_params": {"fraction": "1"}},
    {"action_type": "NOTIFY", "action_params": {"message": "Look."}},
]
rules = st.fixed_dictionaries(
    {
        "owner": st.integers(0, 1),
        "size": st.sampled_from(SIZES),
        "trigger": st.sampled_from(["price_below", "price_above"]),
        "params": st.sampled_from(
            [{"threshold": "95"}, {"threshold": "105"}, {"threshold": "100", "on": "cross"}]
        ),
        "max_executions": st.sampled_from([1, 2, None]),
        "cooldown": st.sampled_from([None, 0, 15]),
        "rehearsal": st.booleans(),
    }
)
prices = st.lists(st.sampled_from(["90", "95", "100", "104.5", "110"]), min_size=1, max_size=6)


def one_by_one(*, firings: Sequence[Firing], lease: timedelta) -> Fired:
    """As `commit_firings`, in a transaction a rule."""
    fired = Fired()
    for firing in firings:
        fired.add(commit_firings(firings=[firing], lease=lease))
    return fired


@pytest.mark.slow
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
)
@given(drafts=st.lists(rules, min_size=2, max_size=9), path=prices)
def test_a_batch_does_what_one_by_one_would_do(
    drafts: list[dict[str, Any]], path: list[str], feed: Feed, now: datetime
) -> None:
    def outcome(commit: Callable[..., Fired]) -> object:
        with pytest.MonkeyPatch.context() as patched, transaction.atomic():
            patched.setattr(engine, "commit_firings", commit)
            found = play(drafts, path, feed, now)
            transaction.set_rollback(True)
        return found

    assert outcome(commit_firings) == outcome(one_by_one)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(drafts=st.lists(rules, min_size=2, max_size=9), path=prices)
def test_what_trades_does_what_it_would_do_without_the_rehearsals_beside_it(
    drafts: list[dict[str, Any]], path: list[str], feed: Feed, now: datetime
) -> None:
    def left(rehearsals: bool) -> object:
        with transaction.atomic():
            kept = [draft if rehearsals or not draft["rehearsal"] else None for draft in drafts]
            _, rules, books = play(kept, path, feed, now)
            transaction.set_rollback(True)
        real = zip(rules, drafts, strict=True)
        return [rule for rule, draft in real if not draft["rehearsal"]], books

    assert left(rehearsals=True) == left(rehearsals=False)


def play(
    drafts: Sequence[dict[str, Any] | None], path: list[str], feed: Feed, now: datetime
) -> tuple[object, list[object], list[object]]:
    """All that happened and that the rules leave behind after these prices, 10 s apart, without
    what is random: the ticks, the rules, the books. None: a rule that is left out."""
    owners = [owner_of(shares=10, cash=600, now=now - MINUTE) for _ in range(2)]
    actions = [
        draft
        and create_action(
            user=owners[draft["owner"]],
            draft=Draft(
                symbol="AAPL",
                trigger_type=draft["trigger"],
                trigger_params=draft["params"],
                max_executions=draft["max_executions"],
                cooldown_seconds=draft["cooldown"],
                rehearsal=draft["rehearsal"],
                **draft["size"],
            ),
            now=now + number * timedelta(milliseconds=1),
        )
        for number, draft in enumerate(drafts)
    ]
    ticks = []
    for number, price in enumerate(path, start=1):
        feed.says("AAPL", price, now + number * 10 * SECOND)
        report = run_tick(now=now + number * 10 * SECOND)
        ticks.append((report.woken, report.fired, report.errors))
    assert discrepancies() == []
    left = [left_by(action) if action else None for action in actions]
    return ticks, left, [books(owner) for owner in owners]


def left_by(action: Action) -> object:
    columns = (
        "status",
        "status_reason",
        "executions_count",
        "consecutive_failures",
        "last_triggered_at",
        "last_evaluated_at",
        "last_evaluation",
        "runtime_state",
        "processing_lease_until",
        "waking_quote",
    )
    executions = []
    for execution in action.executions.order_by("sequence"):
        details = dict(execution.details)
        details.pop("portfolio_id", None)
        traded = [line.pop("transaction_id") for line in details.get("trades", [])]
        first = execution.transaction
        assert (str(first.pk) if first else None) == (traded[0] if traded else None)
        assert first is None or first.reference == execution.pk
        assert execution.rehearsal == action.rehearsal
        executions.append(
            (execution.sequence, execution.execution_status, execution.error, details)
        )
    watches = Watch.objects.filter(action=action).order_by("symbol")
    notices = Notification.objects.filter(action=action).order_by("execution__sequence", "body")
    return (
        Action.objects.values(*columns).get(pk=action.pk),
        executions,
        list(watches.values_list("symbol", "below", "above", "volume_above", "at")),
        list(notices.values_list("execution__sequence", "subject", "body")),
    )


def books(owner: User) -> object:
    portfolio = Portfolio.objects.get(user=owner)
    lines = Transaction.objects.filter(portfolio=portfolio).order_by("sequence")
    return (
        portfolio.cash,
        list(
            lines.values_list(
                "sequence", "kind", "quantity", "price", "amount", "cash_after", "quantity_after",
                "cost_basis_after", "at", "note",
            )
        ),
        list(Holding.objects.filter(portfolio=portfolio).values_list("quantity", "cost_basis")),
    )  # fmt: skip


def test_of_two_rules_that_want_the_same_shares_the_older_has_them(
    feed: Feed, now: datetime
) -> None:
    owner = owner_of(shares=10, cash=0, now=now)
    sell = {"action_type": "SELL", "quantity": Decimal(6)}
    older = below("100", now, owner, **sell)
    newer = below("100", now + SECOND, owner, **sell)
    feed.says("AAPL", "90", now + 2 * SECOND)
    assert run_tick(now=now + 2 * SECOND).fired == 2
    assert older.executions.get().execution_status == "success"
    refused = newer.executions.get()
    assert refused.error == ("Selling 6 AAPL needs that many shares, but the portfolio holds 4.")
    newer.refresh_from_db()
    assert (newer.status, newer.consecutive_failures) == ("active", 1)
    assert discrepancies() == []


def test_what_one_rule_sells_another_of_the_batch_can_spend(feed: Feed, now: datetime) -> None:
    owner = owner_of(shares=10, cash=0, now=now)
    below("100", now, owner, action_type="SELL", quantity=Decimal(10))
    bought = below("100", now + SECOND, owner, quantity=Decimal(9))
    feed.says("AAPL", "90", now + 2 * SECOND)
    run_tick(now=now + 2 * SECOND)
    assert bought.executions.get().execution_status == "success"
    assert Holding.objects.get().quantity == 9
    assert discrepancies() == []


def test_the_statements_do_not_grow_with_the_firings(feed: Feed, now: datetime) -> None:
    def statements(firings: int, at: datetime) -> int:
        owners = [owner_of(shares=10, cash=1000, now=at) for _ in range(3)]
        for number in range(firings):
            below("100", at, owners[number % 3])
        batch = leased_at("90", feed, at)
        assert len(batch) == firings
        with CaptureQueriesContext(connection) as queries:
            assert look_at(batch, at).fired == firings
        return len(queries)

    assert statements(3, now) == statements(12, now + SECOND)
