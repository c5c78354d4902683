"""Support's way through the admin: from a person to the answer, and to what was done about it."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action
from actions.notify.dispatch import dispatch
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import Visits
from tests.support import staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(feed: Feed) -> User:
    """Somebody with a rule that waits and one that has fired."""
    list_instruments(["AAPL"])
    user = UserFactory.create(username="ada", email="ada@example.org")
    now = timezone.now() - timedelta(seconds=20)
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    for threshold in ("150", "130"):
        buys(user, threshold, now)
    feed.says("AAPL", "140", now)
    run_tick(now=now)
    dispatch(now=now)
    return user


def buys(user: User, threshold: str, now: datetime) -> Action:
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": threshold},
    )
    return create_action(user=user, draft=draft, now=now)


def test_from_a_person_to_why_a_rule_did_not_fire_and_to_a_pause_that_its_owner_reads(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=staff("support"))
    page.goto("/admin/")
    expect(page.get_by_role("row", name="Evaluator")).to_contain_text("Last tick")
    page.get_by_role("link", name="Users", exact=True).first.click()
    page.get_by_role("searchbox").fill("ADA@exam")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="ada", exact=True).click()
    page.locator("#content").get_by_role("link", name="Actions", exact=True).click()
    page.get_by_role("link", name="Buy 1 AAPL when the price is at or below $130.00, once.").click()
    expect(page.get_by_text("AAPL at $140.00 is not at or below $130.00.").first).to_be_visible()
    expect(page.get_by_role("row", name="AAPL 130.000000")).to_be_visible()
    pause(page, "The owner called.")
    expect(page.get_by_text("Pause: done, to 1 action.")).to_be_visible()
    expect(page.get_by_role("row", name="Paused by support: The owner called.")).to_contain_text(
        "helper"
    )
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Pause: The owner called.")).to_be_visible()
    owners = visits.begin(user=ada)
    owners.goto("/actions")
    expect(owners.get_by_text("Paused by support: The owner called.").first).to_be_visible()


def pause(page: Page, reason: str) -> None:
    page.get_by_label("Action:").select_option("Pause")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Pause")).to_be_visible()
    page.get_by_label("Reason:").fill(reason)
    page.get_by_role("button", name="Pause", exact=True).click()


def test_no_page_of_the_admin_breaks_the_policy_of_what_it_may_load(
    visits: Visits, ada: User
) -> None:
    """`visits` fails on what the console complains of."""
    page = visits.begin(user=UserFactory.create(is_staff=True, is_superuser=True))
    rule = Action.objects.filter(user=ada).latest("created_at")
    for path in (
        "",
        "actions/",
        "actions/action/",
        f"actions/action/{rule.pk}/change/",
        f"actions/action/{rule.pk}/history/",
        "actions/actionexecution/",
        "actions/delivery/",
        "portfolios/portfolio/",
        f"accounts/user/{ada.pk}/change/",
        "accounts/user/add/",
        "market/announcedsplit/add/",
        "market/dailybar/",
    ):
        page.goto(f"/admin/{path}")
        expect(page.locator("#content")).to_be_visible()
