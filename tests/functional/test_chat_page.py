"""Somebody says what they want, sees what it means on a card, and decides."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.models import Action
from chat.models import Conversation, Proposal
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "buy 10 AAPL if it drops below 150"
SENTENCE = "Buy 10 AAPL when the price is at or below $150.00, once."


@pytest.fixture
def ada(feed: Feed) -> User:
    now: datetime = timezone.now()
    list_instruments(["AAPL"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(5_000), at=now)
    feed.says("AAPL", "160", now)
    return user


def typed(page: Page, words: str) -> None:
    page.get_by_label("Your message").fill(words)
    page.get_by_label("Your message").press("Enter")


def test_what_is_typed_becomes_a_card_and_the_card_a_rule(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/chat")
    assert_accessible(page)
    typed(page, WORDS)
    card = page.locator(".proposal")
    expect(card).to_contain_text(SENTENCE)
    expect(card).to_contain_text("It would buy 10 AAPL at $150.00 for $1,500.00")
    expect(page.get_by_label("Your message")).to_be_focused()
    expect(page.get_by_label("Your message")).to_have_value("")
    assert Action.objects.count() == 0
    assert_accessible(page)

    card.get_by_role("button", name="Create").dblclick()
    expect(card).to_contain_text("Created: " + SENTENCE)
    assert Action.objects.count() == 1
    assert_accessible(page)
    page.reload()
    expect(page.locator(".proposal")).to_contain_text("Created: ")
    page.locator(".proposal").get_by_role("link", name="Your rules").click()
    expect(page.locator(".rule")).to_contain_text(SENTENCE)


def test_back_and_forward_lead_to_whole_pages(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/chat")
    typed(page, WORDS)
    expect(page.locator(".proposal")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Say what you want, in plain words.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    page.go_forward()
    expect(page.locator(".proposal")).to_contain_text(SENTENCE)
    expect(page.get_by_role("heading", name="Chat")).to_be_visible()


def test_cards_that_are_dismissed_or_too_old_make_no_rule(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada, width=PHONE)
    page.goto("/chat")
    typed(page, WORDS)
    card = page.locator(".proposal")
    card.get_by_role("button", name="Dismiss").click()
    expect(card).to_contain_text("Dismissed: nothing was done.")

    typed(page, "sell 1 AAPL")
    expect(page.locator(".said > li").last).to_contain_text("?")
    typed(page, WORDS)
    expect(card).to_have_count(2)
    Proposal.objects.filter(status="open").update(expires_at=timezone.now() - timedelta(seconds=1))
    card.last.get_by_role("button", name="Create").click()
    expect(card.last).to_contain_text("It has expired, and nothing was done.")
    expect(card.last.get_by_role("button")).to_have_count(0)
    assert Action.objects.count() == 0
    assert Conversation.objects.count() == 1
    assert_accessible(page)


def test_everything_works_without_scripts(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada, javascript=False)
    page.goto("/chat")
    page.get_by_role("button", name="What do I hold?").click()
    expect(page.locator(".said")).to_contain_text("$5,000.00 in cash")
    typed(page, "x" * 1_001)
    expect(page.get_by_role("alert")).to_contain_text("Use at most 1000.")
    page.get_by_label("Your message").fill("")
    typed(page, WORDS)
    page.get_by_role("button", name="Show what my rules do").click()
    expect(page.get_by_text("What your rules do is shown here.")).to_be_visible()
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".proposal")).to_contain_text("Created: ")
    page.get_by_role("link", name="New conversation").click()
    page.get_by_role("navigation", name="Conversations").get_by_role("link").click()
    expect(page.locator(".said")).to_contain_text(SENTENCE)
