"""What goes wrong, and what does not go wrong with it."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from actions import engine
from actions.engine import run_tick
from actions.lease import Leased, lease_actions_for_evaluation
from actions.models import Action, ActionExecution, Notification, Tick, Watch
from actions.rules import View
from actions.services import Draft, create_action, pause_action, resume_action
from actions.triggers.price_below import PriceBelow
from actions.watches import wake
from market.services import accept_quotes
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)
LEASE_SECONDS = 30


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


def buy_below_150(owner: User, now: datetime, **changes: object) -> Action:
    fields: dict[str, object] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return create_action(user=owner, draft=Draft(**(fields | changes)), now=now)  # type: ignore[arg-type]


def leased_by_one_that_dies(feed: Feed, now: datetime) -> list[Leased]:
    """A tick whose process is killed between its lease and its commit."""
    with transaction.atomic():
        broken = accept_quotes(
            samples=list(feed.samples.values()), now=now, max_age=timedelta(minutes=1)
        )
        wake(symbols=broken, now=now)
    return lease_actions_for_evaluation(now=now, limit=10, lease_seconds=LEASE_SECONDS)


def test_a_crossing_of_one_tick_survives_the_death_of_its_evaluator(
    owner: User, feed: Feed, now: datetime
) -> None:
    buy_below_150(owner, now)
    feed.says("AAPL", "151", now)
    run_tick(now=now)
    died = now + 10 * SECOND
    feed.says("AAPL", "149", died)
    assert len(leased_by_one_that_dies(feed, died)) == 1

    feed.says("AAPL", "155", died + 10 * SECOND)
    assert run_tick(now=died + 10 * SECOND).fired == 0, "the lease still stands"
    feed.says("AAPL", "156", died + 30 * SECOND)
    assert run_tick(now=died + 30 * SECOND).fired == 1
    execution = ActionExecution.objects.get()
    assert execution.details["reason"] == "AAPL at $149.00 is at or below $150.00."
    assert execution.transaction is not None
    assert execution.transaction.price == 156, "judged on the old quote, traded at the new one"


def test_a_waking_quote_older_than_two_leases_is_missed_and_told(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_150(owner, now)
    feed.says("AAPL", "149", now)
    leased_by_one_that_dies(feed, now)

    late = now + 61 * SECOND
    feed.says("AAPL", "155", late)
    assert run_tick(now=late).fired == 0
    assert not ActionExecution.objects.exists()
    action.refresh_from_db()
    assert action.last_evaluation is not None
    assert action.last_evaluation["finding"] == "missed"
    assert action.status == "active"
    assert Notification.objects.get().subject.startswith("Missed: Buy 1 AAPL")
    # It goes on watching, on the present quote.
    feed.says("AAPL", "155", late + SECOND)
    run_tick(now=late + SECOND)
    assert Watch.objects.get(action=action).below == 150


def test_an_evaluator_that_lost_its_lease_fires_nothing(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_150(owner, now)
    feed.says("AAPL", "149", now)
    (slow,) = leased_by_one_that_dies(feed, now)
    later = now + 31 * SECOND
    feed.says("AAPL", "148", later)
    assert run_tick(now=later).fired == 1
    # The slow one comes back, and finds another value in the rule's row.
    report = engine.Report()
    engine._look_at([slow], later, report)
    assert (report.fired, report.errors) == (0, [])
    assert ActionExecution.objects.filter(action=action).count() == 1
    assert discrepancies() == []


def test_pausing_a_rule_takes_it_from_the_evaluator_that_holds_it(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = buy_below_150(owner, now)
    feed.says("AAPL", "149", now)
    (held,) = leased_by_one_that_dies(feed, now)
    pause_action(user=owner, action_id=action.pk, now=now)
    engine._look_at([held], now, engine.Report())
    assert not ActionExecution.objects.exists()
    assert not Watch.objects.exists()
    resume_action(user=owner, action_id=action.pk, now=now + SECOND)
    assert run_tick(now=now + SECOND).fired == 1


def test_one_bad_rule_never_stops_another(
    owner: User, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = buy_below_150(owner, now, trigger_params={"threshold": "140"})
    good = buy_below_150(owner, now)
    evaluate = PriceBelow.evaluate

    def with_a_bug(self: PriceBelow, rule: object, view: View) -> object:
        if self.threshold == 140:
            raise ZeroDivisionError("a bug")
        return evaluate(self, rule, view)  # type: ignore[arg-type]

    monkeypatch.setattr(PriceBelow, "evaluate", with_a_bug)
    feed.says("AAPL", "139", now)
    report = run_tick(now=now)
    assert report.fired == 1
    assert report.errors == [f"Rule {bad.pk}: ZeroDivisionError"]
    assert ActionExecution.objects.get().action_id == good.pk

    bad.refresh_from_db()
    assert bad.status == "active"
    assert bad.last_evaluation is not None
    assert bad.last_evaluation["finding"] == "unknown"
    assert "ZeroDivisionError: a bug" in bad.last_evaluation["reason"]
    assert Watch.objects.get(action=bad).at == now + 30 * SECOND
    # Each fault in a row doubles the wait; without the bug the rule goes on.
    feed.says("AAPL", "139", now + 30 * SECOND)
    run_tick(now=now + 30 * SECOND)
    assert Watch.objects.get(action=bad).at == now + 90 * SECOND
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("trigger_type", "price_sideways", "“price_sideways” is not known"),
        ("trigger_params", {"threshold": "NaN"}, "trigger_params.threshold"),
        ("trigger_params", {}, "trigger_params.threshold: This is needed."),
        ("action_type", "SWAP", "“SWAP” is not known"),
    ],
)
def test_a_stored_rule_that_cannot_be_read_is_looked_at_again_later(
    owner: User, feed: Feed, now: datetime, field: str, value: object, words: str
) -> None:
    action = buy_below_150(owner, now)
    Action.objects.filter(pk=action.pk).update(**{field: value})
    feed.says("AAPL", "149", now)
    report = run_tick(now=now)
    assert report.fired == 0
    assert len(report.errors) == 1
    action.refresh_from_db()
    assert action.last_evaluation is not None
    assert words in action.last_evaluation["reason"]
    assert words in action.sentence(owner.zone)
    assert run_tick(now=now + 10 * SECOND).woken == 0


@pytest.mark.parametrize("peak", ["NaN", "soon", [107], None])
def test_a_state_that_cannot_be_read_is_a_fault_of_that_rule_alone(
    owner: User, feed: Feed, now: datetime, client: Client, admin_client: Client, peak: object
) -> None:
    trailing = {"trigger_type": "trailing_stop", "trigger_params": {"percent": "5"}}
    bad = buy_below_150(owner, now, **trailing)
    good = buy_below_150(owner, now)
    Action.objects.filter(pk=bad.pk).update(runtime_state={"peak": peak})
    feed.says("AAPL", "149", now)
    report = run_tick(now=now)
    assert report.fired == 1
    assert ActionExecution.objects.get().action_id == good.pk
    bad.refresh_from_db()
    assert bad.last_evaluation is not None
    if peak is None:  # it has not begun to follow, and does so now
        assert bad.last_evaluation["finding"] == "not_fired"
        return
    (error,) = report.errors
    assert error.startswith(f"Rule {bad.pk}: ")
    assert bad.last_evaluation["finding"] == "unknown"
    assert Watch.objects.get(action=bad).at == now + 30 * SECOND
    client.force_login(owner)
    assert "Looking at the rule failed" in client.get("/actions").content.decode()
    page = admin_client.get(f"/admin/actions/action/{bad.pk}/change/").content.decode()
    assert "Looking at the rule failed" in page


def test_a_symbol_of_which_the_feed_says_nothing_leaves_the_others_alone(
    owner: User, feed: Feed, now: datetime
) -> None:
    silent = buy_below_150(owner, now, symbol="IBM")
    buy_below_150(owner, now)
    feed.says("AAPL", "149", now)
    report = run_tick(now=now)
    assert (report.fired, report.errors) == (1, [])
    silent.refresh_from_db()
    assert silent.last_evaluation is not None
    assert silent.last_evaluation["finding"] == "unknown"
    assert silent.last_evaluation["reason"] == "There is no quote for IBM yet."
    assert run_tick(now=now + SECOND).woken == 0, "it sleeps until there is one"


def test_a_feed_that_fails_fires_nothing_and_is_recorded(
    owner: User, feed: Feed, now: datetime
) -> None:
    buy_below_150(owner, now)
    feed.error = TimeoutError("the feed does not answer")
    report = run_tick(now=now)
    assert report.fired == 0
    tick = Tick.objects.get()
    assert tick.errors == ["No quotes: test: TimeoutError: the feed does not answer"]
    action = Action.objects.get()
    assert action.last_evaluation is not None
    assert action.last_evaluation["reason"] == "There is no quote for AAPL yet."
    # The first quote that comes wakes it.
    feed.error = None
    feed.says("AAPL", "149", now + 10 * SECOND)
    assert run_tick(now=now + 10 * SECOND).fired == 1


def test_a_stale_quote_never_fires(owner: User, feed: Feed, now: datetime) -> None:
    action = buy_below_150(owner, now)
    feed.says("AAPL", "149", now - 61 * SECOND)
    assert run_tick(now=now).fired == 0
    action.refresh_from_db()
    assert action.last_evaluation is not None
    assert action.last_evaluation["finding"] == "unknown"
    assert "61 s old" in action.last_evaluation["reason"]
    assert run_tick(now=now + SECOND).woken == 0
    feed.says("AAPL", "149", now + 2 * SECOND)
    assert run_tick(now=now + 2 * SECOND).fired == 1


def test_a_rule_past_its_end_completes_and_says_so(owner: User, feed: Feed, now: datetime) -> None:
    active = buy_below_150(owner, now, valid_until=now + 60 * SECOND)
    paused = buy_below_150(owner, now, valid_until=now + 60 * SECOND)
    feed.says("AAPL", "151", now)
    run_tick(now=now)
    pause_action(user=owner, action_id=paused.pk, now=now)
    feed.says("AAPL", "149", now + 60 * SECOND)
    assert run_tick(now=now + 60 * SECOND).fired == 0
    for action in (active, paused):
        action.refresh_from_db()
        assert (action.status, action.status_reason) == ("completed", "Expired.")
    assert not Watch.objects.exists()
    assert Notification.objects.filter(subject__startswith="Expired: ").exists()


def test_a_fault_loses_no_symbol_that_a_rule_needs(
    owner: User, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = buy_below_150(owner, now, trigger_params={"threshold": "150", "symbol": "SPY"})
    feed.says("AAPL", "151", now)
    feed.says("SPY", "151", now)
    run_tick(now=now)

    def with_a_bug(self: PriceBelow, rule: object, view: View) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PriceBelow, "evaluate", with_a_bug)
    feed.says("SPY", "149", now + SECOND)
    run_tick(now=now + SECOND)
    assert set(Watch.objects.filter(action=action).values_list("symbol", flat=True)) == {
        "AAPL",
        "SPY",
    }
