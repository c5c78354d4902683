"""A rehearsal that is promoted: it trades from then on, as a rule that begins then."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction

from accounts.models import User
from actions import engine
from actions.engine import run_tick
from actions.history import history_of
from actions.lease import Leased, lease_actions_for_evaluation
from actions.lifecycle import TransitionRefused
from actions.models import Action, ActionHistory, Watch
from actions.parts import InvalidRule
from actions.rows import version_of
from actions.services import (
    RuleChanged,
    UndoRefused,
    cancel_action,
    pause_action,
    promote_action,
    resume_action,
    take_back,
    update_action,
)
from actions.watches import wake
from market.services import accept_quotes
from portfolios.models import Holding
from portfolios.selectors import discrepancies
from tests.conftest import Feed
from tests.integration.test_rehearsals import SECOND, holder, rule_of, tick

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def ada(now: datetime) -> User:
    return holder(now)


def promote(action: Action, now: datetime) -> Action:
    return promote_action(user=action.user, action_id=action.pk, now=now)


def held_by_an_evaluator(feed: Feed, price: str, now: datetime) -> list[Leased]:
    feed.says("AAPL", price, now)
    with transaction.atomic():
        broken = accept_quotes(
            samples=list(feed.samples.values()), now=now, max_age=timedelta(minutes=1)
        )
        wake(symbols=broken, now=now)
    return lease_actions_for_evaluation(now=now, limit=10, lease_seconds=30)


def test_it_trades_from_then_on_and_nothing_rehearsed_counts(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now, max_executions=2, cooldown_seconds=3600)
    assert tick(feed, "80", now) == 1
    promoted = promote(action, now + SECOND)
    assert (promoted.rehearsal, promoted.promoted_at) == (False, now + SECOND)
    assert (promoted.executions_count, promoted.last_triggered_at) == (0, None)
    assert promoted.status_reason == (
        "Promoted by you: it trades, and its trigger has started anew."
    )
    assert tick(feed, "80", now + 2 * SECOND) == 1, "no cooldown runs from a rehearsal"
    rehearsed, traded = action.executions.order_by("sequence")
    assert (rehearsed.sequence, rehearsed.rehearsal) == (1, True)
    assert (traded.sequence, traded.rehearsal) == (2, False)
    assert traded.transaction is not None
    assert traded.details["rule"].startswith("Sell 10 AAPL")
    action.refresh_from_db()
    assert (action.status, action.executions_count) == ("active", 1)
    assert not Holding.objects.exists()
    assert discrepancies() == []


def test_its_trigger_starts_anew(ada: User, feed: Feed, now: datetime) -> None:
    """A crossing that was armed as a rehearsal must come anew."""
    params = {"threshold": "90", "on": "cross"}
    action = rule_of(ada, now, trigger_params=params, max_executions=None)
    tick(feed, "100", now + SECOND)
    assert tick(feed, "85", now + 2 * SECOND) == 1
    assert not promote(action, now + 3 * SECOND).runtime_state.get("armed")
    assert tick(feed, "84", now + 4 * SECOND) == 0
    tick(feed, "95", now + 5 * SECOND)
    assert tick(feed, "90", now + 6 * SECOND) == 1
    assert action.executions.get(rehearsal=False).transaction is not None


def test_a_trailing_stop_follows_from_the_price_of_the_promotion(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now, trigger_type="trailing_stop", trigger_params={"percent": "10"})
    for seconds, price in enumerate(("100", "200", "185"), start=1):
        assert tick(feed, price, now + seconds * SECOND) == 0
    promote(action, now + 4 * SECOND)
    assert tick(feed, "170", now + 5 * SECOND) == 0, "15 % off the peak that the rehearsal saw"
    assert tick(feed, "166.50", now + 6 * SECOND) == 1
    assert action.executions.get().rehearsal is False


@pytest.mark.parametrize("shares", [10, 11])
def test_one_that_its_executions_ended_begins_afresh(
    ada: User, feed: Feed, now: datetime, shares: int
) -> None:
    """Completed by a success, failed by three refusals."""
    action = rule_of(ada, now, quantity=Decimal(shares))
    for minutes in range(3):
        tick(feed, "80", now + minutes * timedelta(minutes=1))
    action.refresh_from_db()
    assert action.status == ("completed" if shares == 10 else "failed")
    promoted = promote(action, now + timedelta(minutes=4))
    assert (promoted.status, promoted.consecutive_failures) == ("active", 0)
    assert tick(feed, "80", now + timedelta(minutes=4)) == 1
    assert action.executions.latest("sequence").rehearsal is False


def test_one_that_is_paused_stays_so(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now)
    pause_action(user=ada, action_id=action.pk, now=now)
    assert promote(action, now + SECOND).status == "paused"
    assert not Watch.objects.exists()
    assert tick(feed, "80", now + 2 * SECOND) == 0
    with pytest.raises(UndoRefused):  # the pause was a rehearsal's
        take_back(user=ada, action_id=action.pk, was=action.as_rule().status, ended_at=now, now=now)
    resume_action(user=ada, action_id=action.pk, now=now + 3 * SECOND)
    assert tick(feed, "80", now + 4 * SECOND) == 1
    assert action.executions.get().rehearsal is False


def test_one_that_was_cancelled_or_has_expired_is_refused(
    ada: User, feed: Feed, now: datetime
) -> None:
    cancelled = rule_of(ada, now)
    cancel_action(user=ada, action_id=cancelled.pk, now=now)
    with pytest.raises(TransitionRefused, match="this is final"):
        promote(cancelled, now)
    ended = rule_of(ada, now, valid_until=now + SECOND)
    with pytest.raises(InvalidRule, match="has expired"):
        promote(ended, now + SECOND)
    tick(feed, "100", now + 2 * SECOND)
    with pytest.raises(InvalidRule, match="Write a new rule"):
        promote(ended, now + 3 * SECOND)
    assert Action.objects.filter(rehearsal=True).count() == 2


def test_asked_twice_it_is_promoted_once(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now)
    version = version_of(action=action)
    first = promote_action(user=ada, action_id=action.pk, now=now, version=version)
    assert tick(feed, "80", now + SECOND) == 1
    again = promote_action(user=ada, action_id=action.pk, now=now + 2 * SECOND, version=version)
    assert (again.promoted_at, again.executions_count) == (first.promoted_at, 1)
    assert ActionHistory.objects.filter(pgh_obj=action).count() == 1


def test_a_rule_that_was_edited_meanwhile_is_looked_at_again_first(
    ada: User, now: datetime
) -> None:
    action = rule_of(ada, now)
    version = version_of(action=action)
    update_action(user=ada, action_id=action.pk, changes={"quantity": Decimal(9)}, now=now)
    with pytest.raises(RuleChanged):
        promote_action(user=ada, action_id=action.pk, now=now, version=version)
    assert Action.objects.get().rehearsal


def test_anothers_is_not_to_be_found(ada: User, now: datetime) -> None:
    action = rule_of(ada, now)
    with pytest.raises(Action.DoesNotExist):
        promote_action(user=User(pk=action.pk), action_id=action.pk, now=now)


def test_its_history_says_when_it_began_to_trade(ada: User, feed: Feed, now: datetime) -> None:
    action = rule_of(ada, now)
    update_action(user=ada, action_id=action.pk, changes={"notes": "x"}, now=now)
    tick(feed, "80", now)
    promote(action, now + SECOND)
    action.refresh_from_db()
    promoted, edited, made = history_of(action=action, zone=UTC_ZONE)
    assert made.what[0].startswith("Made: Rehearsal: Sell 10 AAPL")
    assert edited.what == ("Notes: none → “x”",)
    assert (promoted.who, promoted.why) == ("ada", "Promoted.")
    assert promoted.what == (
        "Trades: nothing, as a rehearsal → for real",
        "Status: completed → active",
    )


# --- While it fires ---


def test_an_evaluator_that_holds_the_rehearsal_lets_go_of_it(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule_of(ada, now, max_executions=None)
    held = held_by_an_evaluator(feed, "80", now)
    assert [leased.rehearsal for leased in held] == [True]
    promote(action, now + SECOND)
    engine._look_at(held, now + SECOND, engine.Report())
    assert not action.executions.exists(), "its moment was a rehearsal's"
    assert run_tick(now=now + 2 * SECOND).fired == 1
    assert action.executions.get().transaction is not None
    assert discrepancies() == []


@pytest.mark.django_db(transaction=True)
def test_promoted_by_two_clicks_while_evaluators_tick_it_trades_once(
    ada: User, feed: Feed, now: datetime
) -> None:
    """Before its promotion it is rehearsed, or is not; after it, it trades once."""
    action = rule_of(ada, now)
    feed.says("AAPL", "80", now)
    barrier = Barrier(4)

    def begin(what: object, at: datetime) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=120)
            if what == "promote":
                promote(action, at)
            else:
                run_tick(now=at)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        begun = [
            pool.submit(begin, what, now + SECOND)
            for what in ("promote", "tick", "promote", "tick")
        ]
        for each in begun:
            each.result(timeout=240)
    run_tick(now=now + 40 * SECOND)  # the last tick's lease has run out
    feed.says("AAPL", "80", now + 41 * SECOND)
    run_tick(now=now + 41 * SECOND)
    executions = list(action.executions.order_by("sequence"))
    assert [each.rehearsal for each in executions] in ([False], [True, False])
    assert executions[-1].transaction is not None
    action.refresh_from_db()
    assert (action.status, action.executions_count) == ("completed", 1)
    assert discrepancies() == []
