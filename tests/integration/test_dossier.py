"""A rule's page for support answers why it did or did not fire, and what led to it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.dossier import dossier_of
from actions.engine import run_tick
from actions.models import Action, Delivery
from actions.notify.dispatch import dispatch
from actions.services import Draft, create_action, pause_action
from actions.watches import wake
from market.quotes_in import accept_quotes
from tests.conftest import Feed
from tests.factories import PortfolioFactory, UserFactory
from tests.support import change_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(feed: Feed) -> User:
    user: User = UserFactory.create(username="ada", time_zone="America/New_York")
    PortfolioFactory.create(user=user, deposit=10_000)
    return user


def rule(owner: User, now: datetime, **more: Any) -> Action:
    draft: dict[str, Any] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return create_action(user=owner, draft=Draft(**(draft | more)), now=now)


def test_why_it_has_not_fired_is_answered_as_on_the_owners_page(
    feed: Feed, owner: User, now: datetime, admin_client: Client, client: Client
) -> None:
    action = rule(owner, now)
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    page = admin_client.get(change_page(action)).content.decode()
    client.force_login(owner)
    owners = client.get(f"/actions/{action.pk}").content.decode()
    for words in (
        "Buy 1 AAPL when the price is at or below $150.00, once.",
        "The rule is active.",
        "AAPL at $160.00 is not at or below $150.00.",
    ):
        assert words in page, words
        assert words in owners, words
    assert "<td>AAPL</td><td>150.000000</td><td>-</td>" in page, "its band"
    assert "It is asleep" in page
    assert "not fired" in page


def test_what_it_did_and_how_that_was_told_stand_beside_it(
    feed: Feed, owner: User, now: datetime, admin_client: Client
) -> None:
    action = rule(owner, now)
    feed.says("AAPL", "140", now)
    assert run_tick(now=now).fired == 1
    dispatch(now=now)
    delivery = Delivery.objects.get()
    Delivery.objects.filter(pk=delivery.pk).update(
        state="failed", next_attempt_at=None, last_error="No such box <here>."
    )
    page = admin_client.get(change_page(action)).content.decode()
    execution = action.executions.get()
    for link in (execution, delivery, execution.notifications.get()):
        assert change_page(link) in page
    assert "Given up</a> No such box &lt;here&gt;." in page
    assert "Executed once." in page
    assert "10:00:00" in page, "in the owner's time zone"


def test_a_rule_that_is_awake_or_leased_says_so(feed: Feed, owner: User, now: datetime) -> None:
    action = rule(owner, now)
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    feed.says("AAPL", "140", now + SECOND)
    accept_quotes(samples=[feed.samples["AAPL"]], now=now + SECOND, max_age=timedelta(minutes=1))
    assert wake(symbols=["AAPL"], now=now + SECOND) == 1
    action.refresh_from_db()
    waits = dossier_of(action=action, now=now + 9 * SECOND)
    assert waits.wakefulness == (
        "It is awake, and waits for an evaluator since Tue 17 Nov 2026 10:00 New York."
    )
    action.processing_lease_until = now + timedelta(minutes=1)
    leased = dossier_of(action=action, now=now + 9 * SECOND)
    assert leased.wakefulness.startswith("It is awake: an evaluator has it, until")
    pause_action(user=owner, action_id=action.pk, now=now + 9 * SECOND)
    action.refresh_from_db()
    paused = dossier_of(action=action, now=now + 9 * SECOND)
    assert paused.wakefulness == "It is paused: nothing wakes it."
    assert not paused.watches


def test_a_rule_that_cannot_be_read_has_a_page_all_the_same(
    owner: User, now: datetime, admin_client: Client
) -> None:
    action = rule(owner, now)
    Action.objects.filter(pk=action.pk).update(trigger_params={"threshold": "<b>none</b>"})
    page = admin_client.get(change_page(action))
    assert page.status_code == 200
    assert b"This rule cannot be read" in page.content
    assert b"<b>none" not in page.content


def test_the_page_asks_no_more_however_much_has_happened(
    feed: Feed, owner: User, now: datetime
) -> None:
    action = rule(owner, now, max_executions=None)
    few = statements(action, now)
    for n in range(5):
        feed.says("AAPL", "140", now + n * SECOND)
        run_tick(now=now + n * SECOND)
    dispatch(now=now)
    assert statements(action, now) == few <= 9


def statements(action: Action, now: datetime) -> int:
    action = Action.objects.select_related("user", "portfolio").get(pk=action.pk)
    with CaptureQueriesContext(connection) as queries:
        dossier_of(action=action, now=now)
    return len(queries)


def test_each_table_of_the_admin_has_a_name_in_plain_english() -> None:
    names = [str(model._meta.verbose_name_plural) for model in site._registry]
    assert "censuses" in names
    assert [name for name in names if name.endswith("ss") or "_" in name] == []
