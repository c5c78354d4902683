"""A day before a rule expires its owner is told, once, and how near the price came."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import Schedule

from accounts.models import User
from actions.closest import Approach, closest_approaches
from actions.engine import run_tick
from actions.models import Action, Notification
from actions.notify import expiring
from actions.notify.expiring import announce_expiries
from actions.services import Draft, create_action, pause_action, resume_action
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def owner() -> User:
    return UserFactory.create(time_zone="America/New_York")


def rule(owner: User, now: datetime, **changes: Any) -> Action:
    draft: dict[str, Any] = {
        "action_type": "NOTIFY",
        "symbol": "AAPL",
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
        "valid_until": now + 4 * DAY,
    }
    return create_action(user=owner, draft=Draft(**(draft | changes)), now=now)


def live_through(feed: Feed, now: datetime, *prices: str) -> None:
    for day, price in enumerate(prices):
        feed.says("AAPL", price, now + day * DAY)
        run_tick(now=now + day * DAY)


def test_the_owner_is_told_when_and_how_near_the_price_came(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = rule(owner, now - MINUTE, valid_until=datetime(2026, 11, 20, 21, 0, tzinfo=UTC))
    live_through(feed, now, "160", "151.20", "158")
    assert announce_expiries(now=datetime(2026, 11, 19, 20, 59, tzinfo=UTC)) == 0
    eve = datetime(2026, 11, 19, 21, 1, tzinfo=UTC)
    assert announce_expiries(now=eve) == 1
    told = Notification.objects.get()
    assert (told.user, told.action, told.kind) == (owner, action, "expiring")
    assert told.subject == (
        "Expires tomorrow: Notify me about AAPL when the price is at or below $150.00, once, "
        "until Fri 20 Nov 2026 16:00 New York."
    )
    assert told.body == (
        "It ends on Fri 20 Nov 2026 16:00 New York, and has not fired so far.\n"
        "It came within 0.8 % ($151.20 against $150.00), as far as prices were seen."
    )


def test_it_is_told_once_for_each_end(owner: User, feed: Feed, now: datetime) -> None:
    action = rule(owner, now)
    eve = now + 3 * DAY + HOUR
    assert announce_expiries(now=eve) == 1
    assert announce_expiries(now=eve + HOUR) == 0
    Action.objects.filter(pk=action.pk).update(valid_until=now + 10 * DAY)
    assert announce_expiries(now=eve + HOUR) == 0
    assert announce_expiries(now=now + 9 * DAY) == 1
    assert Notification.objects.count() == 2


def test_who_comes_late_says_today(owner: User, feed: Feed, now: datetime) -> None:
    rule(owner, now)
    announce_expiries(now=now + 4 * DAY - HOUR)
    assert Notification.objects.get().subject.startswith("Expires today: ")


def test_a_rule_that_lives_less_than_two_days_or_does_not_watch_is_not_announced(
    owner: User, feed: Feed, now: datetime
) -> None:
    rule(owner, now, valid_until=now + 2 * DAY - MINUTE)
    rule(owner, now, valid_until=None)
    rule(owner, now, valid_from=now + 3 * DAY)
    paused = rule(owner, now)
    pause_action(user=owner, action_id=paused.pk, now=now)
    for hours in range(4 * 24):
        assert announce_expiries(now=now + hours * HOUR) == 0


def test_a_rule_of_exactly_two_days_is_announced(owner: User, feed: Feed, now: datetime) -> None:
    rule(owner, now, valid_until=now + 2 * DAY)
    assert announce_expiries(now=now + DAY) == 1


def test_many_rules_take_as_many_statements_as_one(owner: User, feed: Feed, now: datetime) -> None:
    def statements(rules: int) -> int:
        for _ in range(rules):
            rule(owner, now)
        with CaptureQueriesContext(connection) as queries:
            assert announce_expiries(now=now + 3 * DAY) == rules
        return len(queries)

    assert statements(1) == statements(30)


def test_more_than_one_batch_is_announced(
    owner: User, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "RULES_AT_ONCE", 2)
    for _ in range(5):
        rule(owner, now)
    assert announce_expiries(now=now + 3 * DAY) == 5


@pytest.mark.django_db(transaction=True)
def test_two_at_once_tell_it_once(owner: User, feed: Feed, now: datetime) -> None:
    for _ in range(20):
        rule(owner, now)

    def announce(_: int) -> int:
        try:
            return announce_expiries(now=now + 3 * DAY)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(announce, range(4)))
    assert Notification.objects.count() == 20


# --- The closest approach ---


def approach(action: Action, now: datetime) -> Approach | None:
    action.refresh_from_db()
    return closest_approaches(rows=[action], now=now).get(action.pk)


def test_the_closest_price_is_the_lowest_or_the_highest_since_the_rule_began(
    owner: User, feed: Feed, now: datetime
) -> None:
    live_through(feed, now - 3 * DAY, "120", "199")
    below = rule(owner, now - MINUTE)
    above = rule(
        owner, now - MINUTE, trigger_type="price_above", trigger_params={"threshold": "200"}
    )
    live_through(feed, now, "160", "155", "170")
    at = now + 2 * DAY
    assert approach(below, at) == Approach(Decimal(155), Decimal(150), rising=False)
    assert approach(above, at) == Approach(Decimal(170), Decimal(200), rising=True)


def test_another_symbols_price_counts_where_that_is_watched(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = rule(owner, now - MINUTE, trigger_params={"threshold": "90", "symbol": "IBM"})
    feed.says("IBM", "99", now)
    run_tick(now=now)
    found = approach(action, now)
    assert found is not None
    assert found.price == 99
    assert found.percent == Decimal("10.0")


def test_what_has_fired_or_has_no_fixed_threshold_or_no_price_has_no_approach(
    owner: User, feed: Feed, now: datetime
) -> None:
    fired = rule(owner, now - MINUTE, max_executions=None, cooldown_seconds=86_400)
    trailing = rule(
        owner, now - MINUTE, trigger_type="trailing_stop", trigger_params={"percent": "5"}
    )
    unseen = rule(owner, now - MINUTE, symbol="GOOG")
    live_through(feed, now, "149", "155")
    for action in (fired, trailing, unseen):
        assert approach(action, now + DAY) is None


def test_a_threshold_that_was_reached_while_the_rule_could_not_fire_is_said_to_be() -> None:
    there = Approach(Decimal(149), Decimal(150), rising=False)
    assert there.reached
    assert there.words() == (
        "The price was there ($149.00 against $150.00) at a time when the rule could not fire."
    )
    assert Approach(Decimal(150), Decimal(150), rising=True).reached
    assert not Approach(Decimal("149.99"), Decimal(150), rising=True).reached


def test_within_is_rounded_up_so_that_it_is_true() -> None:
    near = Approach(Decimal("150.01"), Decimal(150), rising=False)
    assert "within 0.1 %" in near.words()
    assert Approach(Decimal("151.20"), Decimal(150), rising=False).percent == Decimal("0.8")


def test_a_rule_that_expires_says_how_near_the_price_came(
    owner: User, feed: Feed, now: datetime
) -> None:
    rule(owner, now - MINUTE, valid_until=now + 2 * DAY + HOUR)
    live_through(feed, now, "160", "151.20", "158")
    run_tick(now=now + 2 * DAY + HOUR)
    told = Notification.objects.get()
    assert told.kind == "expired"
    assert told.body == (
        "The rule has expired and will not fire again.\n"
        "It came within 0.8 % ($151.20 against $150.00), as far as prices were seen."
    )


def test_the_schedule_is_made_by_the_migration_once() -> None:
    migration = import_module("actions.migrations.0007_schedule_expiries")
    Schedule.objects.all().delete()
    for _ in range(2):
        migration.create_schedule(apps, None)
    (schedule,) = Schedule.objects.all()
    assert (schedule.func, schedule.minutes) == ("actions.tasks.announce", 5)


def test_a_paused_rule_that_expires_tells_its_owner_how_near_the_price_came(
    owner: User, feed: Feed, now: datetime
) -> None:
    paused, resumed = rule(owner, now), rule(owner, now)
    live_through(feed, now, "151.20")
    for action in (paused, resumed):
        pause_action(user=owner, action_id=action.pk, now=now)
    resume_action(user=owner, action_id=resumed.pk, now=now)
    run_tick(now=now + 4 * DAY - MINUTE)
    assert not Notification.objects.filter(action=paused).exists()

    for later in (4 * DAY, 4 * DAY + MINUTE):
        run_tick(now=now + later)
    told = Notification.objects.get(action=paused)
    assert (told.kind, told.user_id) == ("expired", owner.pk)
    assert told.subject.startswith("Expired: Notify me")
    assert "It came within 0.8 % ($151.20 against $150.00)" in told.body
    paused.refresh_from_db()
    assert (paused.status, paused.status_reason) == ("completed", "Expired.")
    assert Notification.objects.filter(action=resumed, kind="expired").count() == 1
