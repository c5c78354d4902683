"""Whatever people, rules, prices and splits do, in whatever order: the books hold.

Hypothesis makes up the stories. After each step, cash and holdings are summed up anew from the
transactions, by arithmetic of this test's own, and PostgreSQL verifies the ledger.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from actions.engine import run_tick
from actions.execute_now import GateRefused, execute_now
from actions.models import Action, ActionExecution
from actions.services import (
    Draft,
    cancel_action,
    create_action,
    pause_action,
    promote_action,
    resume_action,
)
from portfolios import services
from portfolios.ledger import Side
from portfolios.models import Holding, Portfolio, Split, Transaction
from portfolios.selectors import discrepancies
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

SYMBOLS = ["AAPL", "IBM", "SPY"]
MOST_USERS = 3
CENT = Decimal("0.01")
STEP = Fraction(1, 100_000_000)

symbols = st.sampled_from(SYMBOLS)
# Prices are often on both sides of a threshold, and amounts often what somebody has.
prices = st.one_of(st.sampled_from([Decimal(40), Decimal(60)]), st.decimals("0.5", 200, places=2))
thresholds = st.sampled_from(["50", "59.99"])
amounts = st.one_of(st.integers(10, 500).map(Decimal), st.decimals("0.01", 20_000, places=2))
quantities = st.one_of(st.integers(1, 10).map(Decimal), st.decimals("0.00000001", 20, places=8))
factors = st.sampled_from([Fraction(7), Fraction(3, 2), Fraction(1, 8), Fraction(2, 3)])
weights = st.sampled_from(["0", "0.1", "0.3"])
effects = st.one_of(
    st.fixed_dictionaries(
        {
            "action_type": st.sampled_from(["BUY", "SELL"]),
            "symbol": symbols,
            "quantity": quantities,
        }
    ),
    st.fixed_dictionaries(
        {
            "action_type": st.sampled_from(["BUY", "SELL"]),
            "symbol": symbols,
            "amount_usd": amounts,
        }
    ),
    st.fixed_dictionaries(
        {
            "action_type": st.just("SELL"),
            "symbol": symbols,
            "action_params": st.sampled_from([{"fraction": "0.333"}, {"fraction": "1"}]),
        }
    ),
    st.fixed_dictionaries(
        {
            "action_type": st.just("REBALANCE"),
            "action_params": st.fixed_dictionaries(
                {"targets": st.fixed_dictionaries(dict.fromkeys(SYMBOLS, weights))}
            ),
        }
    ),
    st.just({"action_type": "NOTIFY", "symbol": "AAPL"}),
)

happened: Counter[str] = Counter()


class Story(RuleBasedStateMachine):
    """People with portfolios, and a market."""

    users = Bundle("users")
    made = Bundle("made")  # rules

    def __init__(self, feed: Feed, now: datetime) -> None:
        super().__init__()
        self.feed, self.now = feed, now
        self.prices = dict.fromkeys(SYMBOLS, Decimal(50))
        self.number = 0
        self.undone = transaction.atomic()
        self.undone.__enter__()
        list_instruments(SYMBOLS)

    def teardown(self) -> None:
        happened.update(ActionExecution.objects.values_list("execution_status", flat=True))
        happened.update(Transaction.objects.values_list("kind", flat=True))
        traded = ActionExecution.objects.filter(action__action_type="REBALANCE")
        happened["rebalanced"] += traded.filter(transaction__isnull=False).count()
        happened["rehearsed"] += ActionExecution.objects.filter(rehearsal=True).count()
        happened["promoted"] += Action.objects.filter(promoted_at__isnull=False).count()
        connection.check_constraints()
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    # --- People ---

    @initialize(target=users, amount=amounts)
    def first_user(self, amount: Decimal) -> User:
        return self.somebody(amount)

    @initialize(target=made, user=users, effects=st.lists(effects, min_size=3, max_size=5))
    def first_rules(self, user: User, effects: list[dict[str, object]]) -> MultipleResults[UUID]:
        """That fire with every tick: Hypothesis leaves out some steps in each story."""
        return multiple(
            *[
                self.rule_of(
                    user, effect, trigger, {"threshold": "50", "symbol": symbol}, None, rehearsal
                )
                for effect in effects
                for trigger, symbol, rehearsal in (
                    ("price_above", "AAPL", False),
                    ("price_below", "IBM", False),
                    ("price_above", "SPY", True),
                )
            ]
        )

    @precondition(lambda self: User.objects.count() < MOST_USERS)
    @rule(target=users, amount=amounts)
    def another_user(self, amount: Decimal) -> User:
        return self.somebody(amount)

    @rule(user=users, amount=amounts)
    def deposits(self, user: User, amount: Decimal) -> None:
        services.deposit(portfolio=self.portfolio(user), amount=amount, at=self.now)

    @rule(user=users, amount=amounts)
    def withdraws(self, user: User, amount: Decimal) -> None:
        services.withdraw(portfolio=self.portfolio(user), amount=amount, at=self.now)

    @rule(user=users, side=st.sampled_from(Side), symbol=symbols, quantity=quantities, price=prices)
    def trades(
        self, user: User, side: Side, symbol: str, quantity: Decimal, price: Decimal
    ) -> None:
        services.trade(
            portfolio=self.portfolio(user),
            side=side,
            symbol=symbol,
            quantity=quantity,
            price=price,
            at=self.now,
        )

    # --- Rules ---

    @rule(
        target=made,
        user=users,
        effect=effects,
        trigger=st.sampled_from(["price_above", "price_below"]),
        threshold=thresholds,
        watched=symbols,
        most=st.sampled_from([None, 3, 1]),
        rehearsal=st.booleans(),
    )
    def makes_a_rule(
        self,
        user: User,
        effect: dict[str, object],
        trigger: str,
        threshold: str,
        watched: str,
        most: int | None,
        rehearsal: bool,
    ) -> UUID:
        params = {"threshold": threshold, "symbol": watched}
        return self.rule_of(user, effect, trigger, params, most, rehearsal)

    @rule(id=made)
    def promotes(self, id: UUID) -> None:
        action = Action.objects.get(pk=id)
        if action.status != "cancelled":
            promote_action(user=action.user, action_id=id, now=self.now)

    @rule(id=made)
    def pauses_or_resumes(self, id: UUID) -> None:
        action = Action.objects.get(pk=id)
        if action.status == "active":
            pause_action(user=action.user, action_id=id, now=self.now)
        elif action.status in {"paused", "failed"}:
            resume_action(user=action.user, action_id=id, now=self.now)

    @rule(id=made)
    def cancels(self, id: UUID) -> None:
        action = Action.objects.get(pk=id)
        if action.status in {"active", "paused"}:
            cancel_action(user=action.user, action_id=id, now=self.now)

    @rule(id=made)
    def executes_by_hand(self, id: UUID) -> None:
        self.number += 1
        action = Action.objects.get(pk=id)
        try:
            execute_now(user=action.user, action_id=id, key=str(self.number), now=self.now)
        except GateRefused:
            happened["gate refused"] += 1

    # --- The market ---

    @rule(prices=st.fixed_dictionaries(dict.fromkeys(SYMBOLS, prices)))
    def ticks(self, prices: dict[str, Decimal]) -> None:
        """The price moves, and a minute passes, so that a refused rule may try again."""
        self.prices = prices
        self.tick()

    @rule(symbol=symbols, factor=factors)
    def splits(self, symbol: str, factor: Fraction) -> None:
        """Two a day would be one, or refused."""
        self.now += timedelta(days=1)
        services.record_split(symbol=symbol, factor=factor, at=self.now)
        price = Fraction(self.prices[symbol]) / factor
        self.prices = self.prices | {symbol: max(CENT, Decimal(round(price * 100)) / 100)}
        self.tick()

    # --- What always holds ---

    @invariant()
    def the_ledger_holds(self) -> None:
        assert discrepancies() == []

    @invariant()
    def cash_and_holdings_are_the_sum_of_the_transactions(self) -> None:
        cash: defaultdict[UUID, Decimal] = defaultdict(Decimal)
        shares: defaultdict[tuple[UUID, str], Fraction] = defaultdict(Fraction)
        factors = {one.pk: Fraction(one.new_shares, one.old_shares) for one in Split.objects.all()}
        for line in Transaction.objects.order_by("portfolio", "sequence"):
            key = line.portfolio_id, line.instrument_id or ""
            if line.kind == "split":
                assert line.reference is not None
                split = shares[key] * factors[line.reference]
                shares[key] = floor(split / STEP) * STEP
            elif line.quantity is not None and line.price is not None:
                worth = (line.quantity * line.price).quantize(CENT, rounding=ROUND_HALF_UP)
                assert line.amount == -worth
                shares[key] += Fraction(line.quantity)
            cash[line.portfolio_id] += line.amount
            assert cash[line.portfolio_id] >= 0
            assert shares[key] >= 0
        assert dict(Portfolio.objects.values_list("id", "cash")) == cash
        assert {
            (one.portfolio_id, one.instrument_id): Fraction(one.quantity)
            for one in Holding.objects.all()
        } == {key: left for key, left in shares.items() if left}

    @invariant()
    def every_execution_is_counted_once_and_only_a_success_trades(self) -> None:
        executions = list(ActionExecution.objects.order_by("sequence"))
        successes = Counter(
            (one.action_id, one.rehearsal)
            for one in executions
            if one.execution_status == "success"
        )
        numbers: defaultdict[UUID, list[int]] = defaultdict(list)
        for one in executions:
            numbers[one.action_id].append(one.sequence)
        for action in Action.objects.all():
            counted = successes[action.pk, action.rehearsal]
            assert action.executions_count == counted
            assert action.max_executions is None or counted <= action.max_executions
            assert numbers[action.pk] == list(range(1, len(numbers[action.pk]) + 1))
        caused = set(Transaction.objects.filter(kind__in=["buy", "sell"]).values_list("reference"))
        idle = {one.pk for one in executions if one.rehearsal or one.execution_status == "failed"}
        assert not idle & {reference for (reference,) in caused}

    def tick(self) -> None:
        self.now += timedelta(seconds=61)
        for symbol, price in self.prices.items():
            self.feed.says(symbol, price, self.now)
        assert run_tick(now=self.now).errors == []

    def somebody(self, amount: Decimal) -> User:
        user = UserFactory.create()
        services.deposit(portfolio=self.portfolio(user), amount=amount + 2000, at=self.now)
        for symbol in SYMBOLS:
            self.trades(user, Side.BUY, symbol, Decimal(10), Decimal(50))
        return user

    def rule_of(
        self,
        user: User,
        effect: dict[str, object],
        trigger: str,
        params: dict[str, str],
        most: int | None,
        rehearsal: bool,
    ) -> UUID:
        # None is as old as another: whose turn it is would be for their ids to say, which are
        # others each time that a story is told.
        self.now += timedelta(microseconds=1)
        draft = Draft(
            trigger_type=trigger,
            trigger_params=params,
            max_executions=most,
            rehearsal=rehearsal,
            **effect,  # type: ignore[arg-type]
        )
        return create_action(user=user, draft=draft, now=self.now).pk

    def portfolio(self, user: User) -> Portfolio:
        return services.primary_portfolio(user=user)


@pytest.mark.slow
@pytest.mark.django_db
def test_the_books_hold_in_every_story(feed: Feed, now: datetime) -> None:
    happened.clear()
    run_state_machine_as_test(
        lambda: Story(feed, now),  # type: ignore[arg-type]  # any callable does
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            # A story that fails is told as it is: to shorten it takes longer than this test may.
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what in (
        "success", "failed", "rebalanced", "rehearsed", "promoted", "buy", "sell", "split",
        "withdrawal",
    ):  # fmt: skip
        assert happened[what] > 0, f"no story had any: {what}"
