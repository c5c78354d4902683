"""What a screen reader tells of by itself, and what stands on paper."""

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import Visits

pytestmark = pytest.mark.django_db(transaction=True)

# What is put into a live region that was there before: all that a screen reader tells of.
HEARS = """addEventListener("DOMContentLoaded", () => {
  window.heard = [];
  const hears = new MutationObserver((changes) => changes.forEach(({ addedNodes }) =>
    heard.push(...[...addedNodes].map(({ textContent }) => textContent))));
  document.querySelectorAll("[role=status], [aria-live]").forEach((region) =>
    hears.observe(region, { childList: true }));
});"""


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["AAPL"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    now = timezone.now()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(5_000), at=now)
    feed.says("AAPL", "160", now)
    return user


def heard(page: Page, words: str) -> None:
    page.wait_for_function("words => heard.some((said) => said.includes(words))", arg=words)


def test_what_was_done_what_is_written_and_what_is_answered_is_heard(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.add_init_script(HEARS)
    page.goto("/actions")
    page.get_by_role("button", name="Pause everything").click()
    heard(page, "All your rules are paused.")

    page.goto("/actions/new?example=stop")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("How much").fill("50")
    heard(page, "Sell 50 % of your AAPL when the price falls 5 % from its peak, once.")
    page.get_by_label("How much").fill("half")
    page.get_by_label("How much").press("Enter")
    expect(page.get_by_text("Use a plain number, such as 150 or 0.5.")).to_be_visible()
    expect(page.get_by_label("How much")).to_be_focused()  # with what is wrong, which describes it

    page.goto("/chat")
    page.get_by_label("Your message").fill("buy 10 AAPL if it drops below 150")
    page.get_by_label("Your message").press("Enter")
    heard(page, "Buy 10 AAPL when the price is at or below $150.00, once.")


def test_on_paper_there_is_what_is_told_and_nothing_to_press(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/portfolio")
    page.emulate_media(media="print")
    deposited = page.locator("main time").first
    expect(deposited.locator("[aria-hidden]")).to_be_hidden()
    assert deposited.inner_text().endswith("New York")  # the exact time, and not how long ago
    page.goto("/log")
    expect(page.get_by_role("heading", name="Actions Log")).to_be_visible()
    for pressed in (".top", ".foot", ".page-head .button", ".filters .button"):
        expect(page.locator(pressed).first).to_be_hidden()
