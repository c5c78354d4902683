"""The first page of the admin says how the engine does."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from actions.engine import run_tick
from actions.health import Sign, engine_health
from actions.models import Action, ActionExecution, Delivery, Notification, Tick
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.receipts import Message
from actions.services import Draft, create_action
from market.models import FeedIncident
from tests.conftest import Feed
from tests.factories import PortfolioFactory, UserFactory
from tests.support import client_of, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def owner(feed: Feed) -> User:
    user: User = UserFactory.create(username="ada")
    PortfolioFactory.create(user=user, deposit=100)
    return user


@pytest.fixture
def action(owner: User, now: datetime) -> Action:
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    return create_action(user=owner, draft=draft, now=now)


def signs(now: datetime) -> dict[str, Sign]:
    return {sign.name: sign for sign in engine_health(now=now)}


def test_an_engine_that_does_well_says_so(
    feed: Feed, owner: User, action: Action, now: datetime
) -> None:
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    found = signs(now + timedelta(seconds=9))
    assert [name for name, sign in found.items() if not sign.well] == []
    assert found["Evaluator"].words.startswith("Last tick 9 s ago, due every 10 s; it took ")
    assert found["Evaluator"].words.endswith("woke 1 and fired 0.")
    assert found["Prices"].words == "The newest is 9 s old."


def test_a_new_site_says_that_no_evaluator_has_run(db: None, feed: Feed, now: datetime) -> None:
    found = signs(now)
    assert [name for name, sign in found.items() if not sign.well] == ["Evaluator", "Prices"]


def test_late_ticks_late_prices_and_rules_that_wait_are_shown(
    feed: Feed, owner: User, action: Action, now: datetime
) -> None:
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    feed.says("AAPL", "140", now + MINUTE)
    from_feed(feed, now + MINUTE)
    found = signs(now + 10 * MINUTE)
    for name in ("Evaluator", "Rules that wait", "Prices"):
        assert not found[name].well, name
    assert found["Rules that wait"].words == "1 awake and not leased, the longest for 9 min."


def from_feed(feed: Feed, now: datetime) -> None:
    """A tick that dies when it has woken the rules."""
    from actions.engine import take_in  # noqa: PLC0415

    take_in([feed.samples["AAPL"]], now)


def test_what_failed_within_a_day_is_counted(
    feed: Feed, owner: User, action: Action, now: datetime
) -> None:
    feed.says("AAPL", "140", now)
    assert run_tick(now=now).fired == 1
    assert ActionExecution.objects.get().execution_status == "failed", "there is not enough cash"
    Action.objects.update(status="failed", processing_lease_until=None, waking_quote=None)
    Tick.objects.update(errors=["No quotes: the feed is silent."])
    FeedIncident.objects.create(
        provider="test",
        kind="outage",
        verdict="silent",
        reason="Silent.",
        first_at=now,
        last_at=now,
    )
    missed = Message("Missed", "Too late.", kind=Notification.Kinds.MISSED)
    tell(notices=[Notice(owner.pk, action.pk, missed)], now=now)
    found = signs(now + MINUTE)
    assert found["Errors"].words.endswith("the newest: No quotes: the feed is silent.")
    for name in ("Missed firings", "Failed rules", "Refused executions"):
        assert found[name].words.startswith("1 in the last 24 hours."), name
    assert found["Incidents of the feed"].words == "1 open."
    assert found["Outbox"].words == "2 to be dispatched, 0 due to be sent."
    dispatch(now=now)
    assert found != signs(now + 6 * MINUTE)
    assert not signs(now + 6 * MINUTE)["Outbox"].well, "due for six minutes"
    Delivery.objects.update(state="failed", next_attempt_at=None)
    assert not signs(now + MINUTE)["Deliveries given up"].well
    tomorrow = signs(now + DAY + MINUTE)
    for name in ("Missed firings", "Failed rules", "Refused executions", "Errors"):
        assert tomorrow[name].words.startswith("None"), name


def test_it_is_on_the_first_page_for_who_may_see_ticks_and_each_sign_leads_to_its_rows(
    feed: Feed, owner: User, action: Action
) -> None:
    client = client_of(staff("support"))
    page = client.get(reverse("admin:index"))
    assert len(page.context["signs"]) == 10
    for sign, url in page.context["signs"]:
        assert url in page.content.decode().replace("&amp;", "&")
        answer = client.get(url)
        assert answer.status_code == 200, (sign.name, url)
    assert b"None has ever run." in page.content


def test_it_takes_some_statements_whatever_there_is(
    feed: Feed, owner: User, action: Action, now: datetime
) -> None:
    feed.says("AAPL", "140", now)
    run_tick(now=now)
    with CaptureQueriesContext(connection) as queries:
        engine_health(now=now)
    assert len(queries) <= 14
