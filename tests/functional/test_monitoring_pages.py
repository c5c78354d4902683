"""Staff see how the site does, and owners when their rules were watched, in a real browser."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from playwright.sync_api import expect

from actions.engine import run_tick
from actions.models import Action
from actions.services import Draft, create_action
from tests.conftest import Feed, list_instruments
from tests.factories import PortfolioFactory, UserFactory
from tests.functional.visits import Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def rule(feed: Feed) -> Action:
    """Was made half an hour ago; nobody watched for the first ten minutes but one, and twice the
    feed had nothing new."""
    now = timezone.now()
    list_instruments(["AAPL"])
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    made = now - 30 * MINUTE
    user = PortfolioFactory.create(deposit=10_000).user
    rule = create_action(user=user, draft=draft, now=made)
    for half in (0, 1, 2, *range(20, 60)):
        at: datetime = made + half * MINUTE / 2
        if half not in {30, 31, 32, 33, 34, 50, 51, 52, 53}:
            feed.says("AAPL", "160", at)
        run_tick(now=at)
    return rule


def test_an_owner_sees_when_a_rule_was_watched_and_why_not(visits: Visits, rule: Action) -> None:
    page = visits.begin(user=rule.user)
    page.goto(f"/actions/{rule.pk}")
    strip = page.locator("#watched")
    expect(strip.get_by_role("img")).to_have_attribute("aria-label", re.compile("^From .* nobody"))
    rows = strip.get_by_role("row")
    stale = rows.filter(has_text="Price too old. No fresh price of AAPL.")
    expect(stale).to_have_count(2)
    outage = rows.filter(has_text="No evaluator. No evaluator looked at the market.")
    expect(outage.last).to_contain_text("8 min")  # there may be a newer one: nobody ticks now
    assert strip.locator("rect.no-tick").count() >= 1
    assert_accessible(page)
    page.get_by_role("link", name="A day").click()
    expect(strip.get_by_role("link", name="A day")).to_have_attribute("aria-current", "true")
    with page.expect_response(lambda answer: answer.url.endswith(f"/actions/{rule.pk}")):
        pass  # the part around it asks anew
    expect(stale).to_have_count(2)


def test_without_scripts_it_is_a_page_of_its_own(visits: Visits, rule: Action) -> None:
    page = visits.begin(user=rule.user, javascript=False)
    page.goto(f"/actions/{rule.pk}")
    page.get_by_role("link", name="When it was watched").click()
    expect(page.get_by_role("heading", name="When it was watched")).to_be_visible()
    expect(page.locator("#watched")).to_contain_text("No evaluator looked at the market.")


def test_staff_see_the_page_refresh_itself(visits: Visits, rule: Action, feed: Feed) -> None:
    staff = UserFactory.create(is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="monitor"))
    page = visits.begin(user=staff)
    page.goto("/status")
    page.get_by_role("link", name="Monitoring").click()
    expect(page.locator("#live")).to_contain_text("No ticks")
    assert_accessible(page)
    feed.says("AAPL", "149", timezone.now())
    run_tick(now=timezone.now())
    expect(page.locator("#live")).to_contain_text("Fired a minute 0.2")
    expect(page.locator("#live")).not_to_contain_text("No ticks")
