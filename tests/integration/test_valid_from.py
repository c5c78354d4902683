"""A rule that is made before it is valid begins as one that is made at that instant."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.bulk.imports import go_through, open_import
from actions.engine import run_tick
from actions.execute_now import execute_now
from actions.models import Action, ActionExecution
from actions.registry import trigger_types
from actions.rules import Rule, State, Status, Trigger, View
from actions.services import (
    Draft,
    create_action,
    pause_action,
    resume_action,
    take_back,
    update_action,
)
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
    asked = {"action_type": "NOTIFY", "symbol": "AAPL", **more}
    draft = Draft(trigger_type=kind, trigger_params=params, **asked)
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


# --- What happens between the instant and the first look ---


def by_notes(action: Action, at: datetime) -> None:
    update_action(user=action.user, action_id=action.pk, changes={"notes": "mine"}, now=at)


def by_size(action: Action, at: datetime) -> None:
    changes = {"quantity": Decimal(2)}
    update_action(user=action.user, action_id=action.pk, changes=changes, now=at)


def by_execution(action: Action, at: datetime) -> None:
    execute_now(user=action.user, action_id=action.pk, key="now", now=at)


def by_undone_pause(action: Action, at: datetime) -> None:
    ended = pause_action(user=action.user, action_id=action.pk, now=at).updated_at
    was, later = Status.ACTIVE, at + SECOND
    take_back(user=action.user, action_id=action.pk, was=was, ended_at=ended, now=later)


def by_import(action: Action, at: datetime) -> None:
    names = ("external_id", "action_type", "symbol", "trigger_type", "trigger_params")
    line = {name: getattr(action, name) for name in names} | {"notes": "mine"}
    content = json.dumps(line).encode()
    opened = open_import(user=action.user, content=content, now=at, at_once=True)
    assert go_through(import_id=opened.pk, now=at).counts == {"changed": 1}


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(
    ("touched", "asked"),
    [
        (by_notes, {}),
        (by_size, {"action_type": "BUY", "quantity": Decimal(1)}),
        (by_execution, {"max_executions": 2}),
        (by_undone_pause, {}),
        (by_import, {"external_id": "early"}),
    ],
)
def test_what_does_not_start_it_anew_takes_nothing_from_what_it_begins_with(
    owner: User,
    feed: Feed,
    trigger: tuple[str, dict[str, str]],
    touched: Callable[[Action, datetime], None],
    asked: dict[str, Any],
) -> None:
    early = notice(owner, trigger, FRIDAY - SECOND, valid_from=SATURDAY, **asked)
    tick(feed, CLOSE, "100")
    made_then = notice(owner, trigger, SATURDAY)
    touched(early, SATURDAY + SECOND)
    assert tick(feed, SATURDAY + 10 * SECOND) == 0
    early.refresh_from_db()
    assert early.runtime_state == made_then.runtime_state != {}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_first_look_that_fails_is_made_again(
    owner: User,
    feed: Feed,
    trigger: tuple[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early = notice(owner, trigger, FRIDAY - SECOND, valid_from=SATURDAY)
    tick(feed, CLOSE, "100")
    made_then = notice(owner, trigger, SATURDAY)
    with monkeypatch.context() as broken:
        broken.setattr(trigger_types()[trigger[0]], "activate", with_a_bug)
        assert run_tick(now=SATURDAY).errors == [f"Rule {early.pk}: ZeroDivisionError"]
    tick(feed, SATURDAY + 30 * SECOND)
    early.refresh_from_db()
    assert early.runtime_state == made_then.runtime_state != {}


def with_a_bug(self: Trigger, rule: Rule, view: View) -> State:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_rule_that_the_version_before_has_made_begins_as_well(
    owner: User, feed: Feed, trigger: tuple[str, dict[str, str]]
) -> None:
    early = notice(owner, trigger, FRIDAY - SECOND, valid_from=SATURDAY)
    Action.objects.update(begun=None)
    tick(feed, CLOSE, "100")
    made_then = notice(owner, trigger, SATURDAY)
    tick(feed, SATURDAY)
    early.refresh_from_db()
    assert early.runtime_state == made_then.runtime_state != {}
    assert early.begun


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
