"""A person rehearses a rule, and promotes it, in a browser."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft
from actions.wizard.drafts import open_draft
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)

DIP = Draft(
    action_type="BUY",
    symbol="AAPL",
    quantity=Decimal(10),
    trigger_type="price_below",
    trigger_params={"threshold": "120"},
    max_executions=None,
    cooldown_seconds=3600,
)


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["AAPL"])
    now: datetime = timezone.now()
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    follow(symbols=["AAPL"])
    feed.says("AAPL", "110", now)
    run_tick(now=now)
    return user


def test_a_rule_is_rehearsed_and_promoted(visits: Visits, feed: Feed, ada: User) -> None:
    draft = open_draft(user=ada, draft=DIP, now=timezone.now())
    page = visits.begin(user=ada)
    page.goto(f"/actions/new/limits?draft={draft.pk}")
    sentence = page.locator(".sentence.draft")
    expect(sentence).to_contain_text("Buy 10 AAPL")
    page.get_by_label("Only rehearse it").check()
    expect(sentence).to_contain_text("Rehearsal: Buy 10 AAPL when the price is at or below")
    assert_accessible(page)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_contain_text("Rehearsal: Buy 10 AAPL")

    feed.says("AAPL", "110", timezone.now())
    run_tick(now=timezone.now())
    page.reload()
    expect(page.locator("#executions")).to_contain_text(
        "Rehearsal: would have bought 10 AAPL at $110.00 for $1,100.00."
    )
    expect(page.locator(".badge.rehearsal")).to_be_visible()
    assert_accessible(page)

    page.get_by_role("link", name="Promote").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Already true: it would fire at the next check.")
    assert_accessible(page)
    dialog.get_by_role("link", name="Keep it a rehearsal").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Promote").click()
    dialog.get_by_role("button", name="Promote").dblclick()
    expect(page.locator(".toast")).to_contain_text("It trades from now on: Buy 10 AAPL")
    expect(page.locator("h1")).not_to_contain_text("Rehearsal")
    expect(page.get_by_role("link", name="Promote")).to_be_hidden()
    feed.says("AAPL", "110", timezone.now())
    run_tick(now=timezone.now())
    assert ActionExecution.objects.get(rehearsal=False).transaction is not None


def test_it_is_promoted_without_scripts_on_a_phone(visits: Visits, ada: User) -> None:
    draft = open_draft(user=ada, draft=DIP, now=timezone.now())
    page = visits.begin(user=ada, width=PHONE, javascript=False)
    page.goto(f"/actions/new/limits?draft={draft.pk}")
    page.get_by_label("Only rehearse it").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="Promote").click()
    expect(page.get_by_role("heading", name="Have it trade from now on?")).to_be_visible()
    page.get_by_role("button", name="Promote").click()
    expect(page.locator("h1")).to_contain_text("Buy 10 AAPL")
    assert Action.objects.get().rehearsal is False
