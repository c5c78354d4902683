"""An evaluator is killed at each step of a firing, by SIGKILL: every rule still fires once.

The rules wait for a price that crosses for one tick only, the tick whose evaluator is killed. What
is left of it is what docs/reliability.md says; another process finishes it, and nobody else does
anything.
"""

import signal
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import psutil
import pytest
from django.db import connection

from accounts.models import User
from actions.models import Action, ActionExecution, Notification, Watch
from actions.services import Draft, create_action
from market.models import Quote
from portfolios.ledger import Side
from portfolios.models import Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio, trade
from tests.conftest import list_instruments
from tests.evaluators import COMMIT, LEASE, SECOND, STATEMENT, Death, Shift, evaluate
from tests.factories import UserFactory
from tests.postgres import run_cluster
from tests.processes import KILLED, begin, done_by_another

pytestmark = pytest.mark.django_db(transaction=True)

# What a death leaves behind.
EVALUATOR = "evaluator"  # as PostgreSQL knows its session

NOTHING = "nothing was seen"
AWAKE = "the rules are awake, and nobody's"
LEASED = "the rules are leased by the dead"
FIRED = "the rules have fired"

AFTER = "after"
WAKING, LEASING, FIRING, SETTLING = 1, 2, 3, 4  # a tick's commits, in their order

DEATHS = [
    (Death(AFTER, "actions.engine.fetch_quotes"), {NOTHING}),
    (Death(AFTER, "actions.engine.accept_quotes"), {NOTHING}),
    (Death(AFTER, "actions.engine.record_history"), {NOTHING}),
    (Death(AFTER, "actions.watches.wake"), {NOTHING}),
    (Death("before", COMMIT, WAKING), {NOTHING}),
    (Death("amid", COMMIT, WAKING), {NOTHING, AWAKE}),
    (Death(AFTER, COMMIT, WAKING), {AWAKE}),
    (Death(AFTER, "actions.lease.send"), {AWAKE}),  # it asks for the lock of whose turn it is
    (Death(AFTER, "actions.lease.ask"), {AWAKE}),
    (Death("before", COMMIT, LEASING), {AWAKE}),
    (Death("amid", COMMIT, LEASING), {AWAKE, LEASED}),
    (Death(AFTER, COMMIT, LEASING), {LEASED}),
    (Death("before", "actions.engine.judge"), {LEASED}),
    (Death(AFTER, "actions.engine.judge", 3), {LEASED}),
    (Death("before", "actions.engine.commit_firings"), {LEASED}),
    (Death(AFTER, "actions.execute.lock_leased"), {LEASED}),
    (Death(AFTER, "actions.execute.ask_locked"), {LEASED}),
    (Death(AFTER, "actions.execute.book"), {LEASED}),
    (Death(AFTER, "actions.execute.write"), {LEASED}),
    (Death(AFTER, "actions.execute.write_executions"), {LEASED}),
    (Death(AFTER, "actions.execute.write_rules"), {LEASED}),
    (Death(AFTER, "actions.execute.set_watches"), {LEASED}),
    (Death(AFTER, "actions.execute.tell"), {LEASED}),
    (Death("before", COMMIT, FIRING), {LEASED}),
    (Death("amid", COMMIT, FIRING), {LEASED, FIRED}),
    (Death(AFTER, COMMIT, FIRING), {FIRED}),
    (Death("before", "actions.engine.settle"), {FIRED}),
    (Death(AFTER, "actions.settle.set_watches"), {FIRED}),
    (Death("amid", COMMIT, SETTLING), {FIRED}),
    (Death(AFTER, "actions.engine.settle"), {FIRED}),
    (Death(AFTER, "actions.watches.widen_alerts"), {FIRED}),
]


@pytest.mark.parametrize(("death", "possible"), DEATHS, ids=[str(death) for death, _ in DEATHS])
def test_a_crossing_of_one_tick_fires_once_wherever_its_evaluator_dies(
    now: datetime, death: Death, possible: set[str]
) -> None:
    owners, rules = two_that_wait(now)
    tick(now, "151")
    other = buys_below("100", owners[0], now)  # a first look, beside the firings

    crossed = now + 10 * SECOND
    killed_in_a_tick(crossed, "149", death)
    left = left_by(crossed)
    assert left in possible

    # Nobody has seen the crossing, or somebody has, and then the price has gone back.
    price = "149" if left == NOTHING else "155"
    tick(crossed + LEASE, price)
    each_has_fired_once(rules)
    executions = ActionExecution.objects.all()
    assert {execution.details["reason"] for execution in executions} == {
        "AAPL at $149.00 is at or below $150.00."
    }
    at_price = Decimal(149 if left == FIRED else price)
    assert {one.transaction.price for one in executions if one.transaction} == {at_price}
    assert Watch.objects.get().action_id == other.pk
    assert Watch.objects.get().below == 100

    tick(crossed + 2 * LEASE, "149")
    each_has_fired_once(rules)


@pytest.mark.parametrize(
    "death", [Death(AFTER, "actions.execute.book"), Death("amid", COMMIT, FIRING)], ids=str
)
def test_a_rehearsal_beside_them_is_rehearsed_once_and_trades_nothing(
    now: datetime, death: Death
) -> None:
    owners, rules = two_that_wait(now)
    rehearsal = buys_below("150", owners[0], now, rehearsal=True)
    tick(now, "151")
    crossed = now + 10 * SECOND
    killed_in_a_tick(crossed, "149", death)
    tick(crossed + LEASE, "155")
    each_has_fired_once(rules)
    rehearsal.refresh_from_db()
    execution = rehearsal.executions.get()
    assert (rehearsal.status, execution.rehearsal) == ("completed", True)
    assert not Transaction.objects.filter(reference=execution.pk).exists()
    assert Notification.objects.filter(action=rehearsal).count() == 1


def test_an_evaluator_that_was_only_late_finds_its_rules_fired_and_writes_nothing(
    now: datetime,
) -> None:
    _, rules = two_that_wait(now)
    tick(now, "151")
    crossed = now + 10 * SECOND
    stop = Death("before", "actions.engine.commit_firings", by=signal.SIGSTOP)
    late = begin(url(), evaluate, shift(crossed, "149", stop))
    until(lambda: late.process_status() == psutil.STATUS_STOPPED)
    try:
        assert left_by(crossed) == LEASED
        tick(crossed + LEASE, "155")
        each_has_fired_once(rules)
    finally:
        late.send(signal.SIGCONT)
    report = late.result(seconds=120)
    assert (report.fired, report.errors) == (0, [])
    each_has_fired_once(rules)


@pytest.mark.slow
def test_a_tick_may_die_after_any_of_its_statements(now: datetime) -> None:
    owners, _ = two_that_wait(now)
    Action.objects.all().delete()
    statement = 0
    while True:
        statement += 1
        now += 4 * LEASE
        tick(now, "151")
        rules = [buys_below("150", owners[0], now), sells_below("150", owners[1], now)]
        tick(now + SECOND, "151")
        crossed = now + 10 * SECOND
        running = begin(url(), evaluate, shift(crossed, "149", Death(AFTER, STATEMENT, statement)))
        if running.exit_code(seconds=120) == 0:
            break  # it has come by all of them
        assert running.exit_code(seconds=0) == KILLED
        until_its_session_has_ended()
        seen = Quote.objects.get(instrument="AAPL").price == 149
        tick(crossed + LEASE, "155" if seen else "149")
        each_has_fired_once(rules)
    assert statement > 30, "a tick that fires, settles and reports takes more statements"


def two_that_wait(now: datetime) -> tuple[list[User], list[Action]]:
    """A rule that buys and one that sells, of two owners, who both have cash and shares."""
    list_instruments(["AAPL"])
    owners = [UserFactory.create(), UserFactory.create()]
    for owner in owners:
        portfolio = primary_portfolio(user=owner)
        deposit(portfolio=portfolio, amount=Decimal(100_000), at=now)
        trade(
            portfolio=portfolio,
            side=Side.BUY,
            symbol="AAPL",
            quantity=Decimal(200),
            price=Decimal(100),
            at=now,
        )
    return owners, [buys_below("150", owners[0], now), sells_below("150", owners[1], now)]


def buys_below(
    threshold: str,
    owner: User,
    now: datetime,
    action_type: str = "BUY",
    *,
    rehearsal: bool = False,
) -> Action:
    draft = Draft(
        action_type=action_type,
        symbol="AAPL",
        quantity=Decimal(2),
        trigger_type="price_below",
        trigger_params={"threshold": threshold},
        rehearsal=rehearsal,
    )
    return create_action(user=owner, draft=draft, now=now)


def sells_below(threshold: str, owner: User, now: datetime) -> Action:
    return buys_below(threshold, owner, now, action_type="SELL")


def url() -> str:
    """The test's database, for an evaluator, by whose name its session is known."""
    address = run_cluster().url(str(connection.settings_dict["NAME"]))
    return f"{address}{'&' if '?' in address else '?'}application_name={EVALUATOR}"


def shift(now: datetime, price: str, death: Death | None = None) -> Shift:
    return Shift(now=now, prices={"AAPL": price}, death=death)


def tick(now: datetime, price: str) -> None:
    """An evaluator that lives."""
    report = done_by_another(url(), evaluate, shift(now, price))
    assert report.errors == []


def killed_in_a_tick(now: datetime, price: str, death: Death) -> None:
    running = begin(url(), evaluate, shift(now, price, death))
    assert running.exit_code(seconds=120) == KILLED, "it has not come by the place of its death"
    until_its_session_has_ended()


def until_its_session_has_ended() -> None:
    """PostgreSQL may still work on what the dead has sent, and ends what it has begun."""
    until(lambda: evaluators_sessions() == 0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def evaluators_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [EVALUATOR],
        )
        (count,) = cursor.fetchone()
    return int(count)


def left_by(crossed: datetime) -> str:
    """What is left by one that was killed in the tick of `crossed`."""
    if Quote.objects.get(instrument="AAPL").price == 151:
        assert not Action.objects.filter(processing_lease_until__isnull=False).exists()
        return NOTHING
    if ActionExecution.objects.exists():
        return FIRED
    (until,) = set(Action.objects.values_list("processing_lease_until", flat=True))
    assert until in {crossed, crossed + LEASE}
    return AWAKE if until == crossed else LEASED


def each_has_fired_once(rules: list[Action]) -> None:
    for rule in rules:
        rule.refresh_from_db()
        assert (rule.status, rule.executions_count) == ("completed", 1)
        execution = rule.executions.get()
        assert execution.execution_status == "success"
        trades = Transaction.objects.filter(reference=execution.pk)
        assert [abs(line.quantity or 0) for line in trades] == [2]
        assert Notification.objects.filter(action=rule).count() == 1
    assert not Action.objects.filter(processing_lease_until__isnull=False).exists()
    assert discrepancies() == []
