"""Who changed what in a rule, when and why: whatever way the change takes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pghistory.middleware import HistoryMiddleware
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.execute_now import execute_now
from actions.history import because, history_of
from actions.models import Action, ActionHistory
from actions.services import Draft, cancel_action, create_action, pause_action, resume_action
from actions.settle import ask_out_of_time, expire_paused
from tests.conftest import Feed
from tests.factories import PortfolioFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

TICK = timedelta(seconds=10)


@pytest.fixture
def owner(feed: Feed) -> User:
    user: User = UserFactory.create(username="ada")
    PortfolioFactory.create(user=user, deposit=10_000)
    return user


@pytest.fixture(autouse=True)
def _nobody_else() -> Iterator[None]:
    """What a context has set holds until its transaction ends, which in a test is all of it."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pghistory.context_metadata', '', false)")


def forget_who() -> None:
    """As between two transactions, which share a test's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pghistory.context_metadata', '', true)")


def rule(owner: User, now: datetime, **more: Any) -> Action:
    draft: dict[str, Any] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(10),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return create_action(user=owner, draft=Draft(**(draft | more)), now=now)


def lines(action: Action) -> list[tuple[str, tuple[str, ...], str]]:
    action.refresh_from_db()
    history = history_of(action=action, zone=action.user.zone)
    return [(change.who, tuple(change.what), change.why) for change in history]


def test_a_new_rule_has_been_made_by_its_owner(owner: User, now: datetime) -> None:
    action = rule(owner, now)
    made = ("Made: Buy 10 AAPL when the price is at or below $150.00.",)
    assert lines(action) == [("ada", made, "")]
    assert history_of(action=action, zone=owner.zone)[0].at == now
    assert not ActionHistory.objects.exists()


def test_what_people_do_to_its_status_is_told_with_who_and_why(owner: User, now: datetime) -> None:
    action = rule(owner, now)
    pause_action(user=owner, action_id=action.pk, now=now)
    resume_action(user=owner, action_id=action.pk, now=now)
    cancel_action(user=owner, action_id=action.pk, now=now)
    assert lines(action)[:3] == [
        ("ada", ("Status: active → cancelled",), "Cancelled by you."),
        ("ada", ("Status: paused → active",), "Resumed."),
        ("ada", ("Status: active → paused",), "Paused by you."),
    ]


def test_a_change_of_settings_says_what_from_what_to_what(owner: User, now: datetime) -> None:
    action = rule(owner, now)
    support = UserFactory.create(username="support")
    with because("As you asked us to.", user=support):
        Action.objects.filter(pk=action.pk).update(
            trigger_params={"threshold": "140"},
            quantity=Decimal(5),
            valid_until=now + timedelta(days=3),
            max_executions=None,
            cooldown_seconds=3600,
            notes="careful",
        )
    ((who, what, why), _) = lines(action)
    assert (who, why) == ("support", "As you asked us to.")
    assert what == (
        "What it does: Buy 10 AAPL → Buy 5 AAPL",
        "When: when the price is at or below $150.00 → when the price is at or below $140.00",
        "Valid until: no end → Fri 20 Nov 2026 15:00 UTC",
        "Executions at most: 1 → any",
        "Cooldown: none → 1 h",
        "Notes: none → “careful”",
    )


def test_a_statement_that_changes_many_is_kept_for_each(owner: User, now: datetime) -> None:
    actions = [rule(owner, now) for _ in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE actions SET notes = 'all'")
    for action in actions:
        ((who, what, _), _) = lines(action)
        assert (who, what) == ("Trading Rules", ("Notes: none → “all”",))


def test_waking_leasing_and_looking_keep_nothing(feed: Feed, owner: User, now: datetime) -> None:
    rule(owner, now)
    rule(owner, now, trigger_type="trailing_stop", trigger_params={"percent": "5"})
    for n, price in enumerate(["200", "210", "199.6", "202"]):
        feed.says("AAPL", price, now + n * TICK)
        run_tick(now=now + n * TICK)
    assert not ActionHistory.objects.exists()


def test_a_rule_that_has_done_what_it_was_for_says_so(
    feed: Feed, owner: User, now: datetime
) -> None:
    action = rule(owner, now)
    feed.says("AAPL", "140", now)
    assert run_tick(now=now).fired == 1
    assert not ActionHistory.objects.exists()
    assert lines(action)[0] == (
        "Trading Rules",
        ("Status: active → completed",),
        "Executed once.",
    )
    by_hand = rule(owner, now)
    pause_action(user=owner, action_id=by_hand.pk, now=now)
    resume_action(user=owner, action_id=by_hand.pk, now=now)
    execute_now(user=owner, action_id=by_hand.pk, key="1", now=now)
    assert [what for _, what, _ in lines(by_hand)[:2]] == [
        ("Status: active → completed",),
        ("Status: paused → active",),
    ]


def test_a_rule_that_expires_while_it_is_paused_says_so(owner: User, now: datetime) -> None:
    action = rule(owner, now, valid_until=now + TICK)
    pause_action(user=owner, action_id=action.pk, now=now)
    forget_who()
    assert expire_paused(ids=ask_out_of_time(now=now + TICK)(), now=now + TICK) == 1
    assert lines(action)[:2] == [
        ("Trading Rules", ("Status: paused → completed",), "Expired."),
        ("ada", ("Status: active → paused",), "Paused by you."),
    ]


def test_what_was_is_never_changed(owner: User, now: datetime) -> None:
    action = rule(owner, now)
    pause_action(user=owner, action_id=action.pk, now=now)
    for change in (
        partial(ActionHistory.objects.update, notes="x"),
        ActionHistory.objects.all().delete,
    ):
        with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
            change()


def test_a_request_says_who_it_is_from_also_to_statements_of_many_rows(
    owner: User, now: datetime
) -> None:
    action = rule(owner, now)
    support = UserFactory.create(username="support")

    def answer(request: Any) -> Any:
        Action.objects.filter(pk=action.pk).update(notes="seen")
        return rule(owner, now)  # takes statements with thousands of rows beside their text

    request = RequestFactory().post("/")
    request.user = support
    HistoryMiddleware(answer)(request)  # type: ignore[no-untyped-call]
    ((who, what, _), _) = lines(action)
    assert (who, what) == ("support", ("Notes: none → “seen”",))


def test_a_page_about_a_rule_asks_no_more_however_often_it_was_changed(
    owner: User, now: datetime
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            history_of(action=Action.objects.select_related("user").get(), zone=owner.zone)
        return len(queries)

    action = rule(owner, now)
    pause_action(user=owner, action_id=action.pk, now=now)
    few = statements()
    for _ in range(3):
        resume_action(user=owner, action_id=action.pk, now=now)
        pause_action(user=owner, action_id=action.pk, now=now)
    assert statements() == few == 2


def test_support_reads_it_on_the_rules_page(
    admin_client: Client, owner: User, now: datetime
) -> None:
    action = rule(owner, now, notes="<script>alert(1)</script>")
    pause_action(user=owner, action_id=action.pk, now=now)
    Action.objects.filter(pk=action.pk).update(notes="tame")
    page = admin_client.get(reverse("admin:actions_action_change", args=[action.pk]))
    body = page.content.decode()
    assert "<td>ada</td><td>Status: active → paused</td><td>Paused by you.</td>" in body
    assert "<script>alert(1)" not in body
    assert "alert(1)" in body


def test_support_records_a_split_and_says_that_a_move_is_none(
    admin_client: Client, owner: User, now: datetime, settings: Settings
) -> None:
    settings.MARKET_PROVIDER = "twelvedata"
    action = rule(owner, now)
    add = reverse("admin:market_announcedsplit_add")
    form = {"instrument": "AAPL", "on": "2099-01-05", "new_shares": "7", "old_shares": "1"}
    refused = admin_client.post(add, form | {"on": "2001-01-05"})
    assert b"days ago" in refused.content
    assert admin_client.post(add, form | {"new_shares": "1"}).status_code == 200
    assert admin_client.post(add, form).status_code == 302
    listed = admin_client.get(reverse("admin:market_announcedsplit_changelist"))
    assert b"support: admin" in listed.content
    action.refresh_from_db()
    assert action.trigger_params == {"threshold": "150"}  # its day has not begun
    page = reverse("admin:market_feedincident_changelist")
    assert admin_client.get(page).status_code == 200
