"""A rule that is made before it is valid begins as one that is made at that instant."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action, pause_action, resume_action
from market.hours import Exchange
from market.quotes import Bar
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.unit.conftest import NOTIFY, a_rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)
FRIDAY = datetime(2026, 11, 20, 20, 59, 50, tzinfo=UTC)  # 10 s before the close
CLOSE = FRIDAY + 10 * SECOND
SATURDAY = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)  # midnight in New York
MONDAY = datetime(2026, 11, 23, 14, 30, 10, tzinfo=UTC)  # 10 s after the open

TRIGGERS: list[tuple[str, dict[str, str]]] = [
    ("trailing_stop", {"percent": "5"}),
    ("price_below", {"threshold": "95", "on": "cross"}),
]


@pytest.fixture
def owner(feed: Feed) -> User:
    feed.calendar = Exchange()
    return UserFactory.create()


def notice(owner: User, trigger: tuple[str, dict[str, str]], at: datetime, **more: Any) -> Action:
    kind, params = trigger
    draft = Draft(
        action_type="NOTIFY", symbol="AAPL", trigger_type=kind, trigger_params=params, **more
    )
    return create_action(user=owner, draft=draft, now=at)


def tick(feed: Feed, at: datetime, price: str | None = None) -> int:
    """How many rules fired."""
    if price is not None:
        feed.says("AAPL", price, at)
    report = run_tick(now=at)
    assert report.errors == []
    return report.fired


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_last_close_is_the_price_at_which_a_rule_begins_that_is_valid_from_the_weekend_on(
    owner: User, feed: Feed, trigger: tuple[str, dict[str, str]]
) -> None:
    early = notice(owner, trigger, FRIDAY - SECOND, valid_from=SATURDAY)
    tick(feed, FRIDAY, "99")
    tick(feed, CLOSE, "100")
    made_then = notice(owner, trigger, SATURDAY)
    assert tick(feed, SATURDAY) == 0
    early.refresh_from_db()
    assert early.runtime_state == made_then.runtime_state != {}
    assert tick(feed, MONDAY, "94") == 2


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_price_that_comes_with_the_first_look_is_not_the_one_at_which_a_rule_begins(
    owner: User, feed: Feed, trigger: tuple[str, dict[str, str]]
) -> None:
    notice(owner, trigger, FRIDAY - SECOND, valid_from=MONDAY - 10 * SECOND)  # from the open on
    tick(feed, CLOSE, "100")
    assert tick(feed, MONDAY, "94") == 1


def test_one_that_cannot_be_read_keeps_no_other_from_beginning(owner: User, feed: Feed) -> None:
    bad, good = (
        notice(owner, TRIGGERS[0], FRIDAY - SECOND, valid_from=MONDAY - 10 * SECOND)
        for _ in range(2)
    )
    Action.objects.filter(pk=bad.pk).update(trigger_params={"percent": "all"})
    tick(feed, CLOSE, "100")
    feed.says("AAPL", "94", MONDAY)
    report = run_tick(now=MONDAY)
    assert report.fired == 1
    assert [str(bad.pk) in error for error in report.errors] == [True]
    assert ActionExecution.objects.get().action == good


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_price_from_before_the_last_close_is_not_the_one_at_which_it_begins(
    owner: User, feed: Feed, trigger: tuple[str, dict[str, str]]
) -> None:
    tuesday = MONDAY + timedelta(hours=14)
    notice(owner, trigger, FRIDAY - SECOND, valid_from=tuesday)
    tick(feed, FRIDAY, "100")
    assert tick(feed, tuesday) == 0
    assert tick(feed, MONDAY + timedelta(days=1), "94") == 0


def test_a_rule_that_is_resumed_after_it_became_valid_begins_with_its_resumption(
    owner: User, feed: Feed
) -> None:
    early = notice(owner, TRIGGERS[0], FRIDAY - SECOND, valid_from=SATURDAY)
    pause_action(user=owner, action_id=early.pk, now=FRIDAY - SECOND)
    notice(owner, ("price_below", {"threshold": "1"}), FRIDAY)  # has the price asked for
    tick(feed, CLOSE, "100")
    tick(feed, MONDAY, "97")
    resume_action(user=owner, action_id=early.pk, now=MONDAY + SECOND)
    assert tick(feed, MONDAY + 10 * SECOND, "94") == 0
    assert tick(feed, MONDAY + 20 * SECOND, "92.15") == 1
    assert "its peak of $97.00" in ActionExecution.objects.get().details["reason"]


def test_a_rule_begins_once(owner: User, feed: Feed) -> None:
    early = notice(owner, TRIGGERS[1], FRIDAY - SECOND, valid_from=SATURDAY, max_executions=None)
    tick(feed, CLOSE, "100")
    tick(feed, SATURDAY)
    assert tick(feed, MONDAY, "94") == 1
    early.refresh_from_db()
    assert early.runtime_state == {}
    assert tick(feed, MONDAY + 10 * SECOND, "93") == 0


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_so_it_does_in_a_backtest(trigger: tuple[str, dict[str, str]]) -> None:
    closes = [
        (datetime(2026, 11, day, 21, 0, tzinfo=UTC), Decimal(price))
        for day, price in ((19, 90), (20, 100), (23, 94))
    ]
    bars = [Bar("AAPL", at, price, price, price, price, 1) for at, price in closes]
    rule = a_rule(*trigger, effect=NOTIFY, valid_from=SATURDAY)
    done = backtest(rule, {"AAPL": Series.of("AAPL", bars)}, start=bars[0].at - timedelta(days=1))
    assert [fire.at for fire in done.fires] == [bars[2].at]
