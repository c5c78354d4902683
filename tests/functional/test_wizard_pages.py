"""A person makes a rule in the wizard, in a browser."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.engine import take_in
from actions.models import Action
from market.quotes import Sample
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["AAPL", "IBM"])
    now: datetime = timezone.now()
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    follow(symbols=["AAPL"])
    take_in([Sample("AAPL", Decimal("142.10"), now)], now)
    return user


def sentence(page: Page, words: str) -> None:
    expect(page.locator(".sentence.draft")).to_contain_text(words)


def test_the_sentence_completes_itself_and_every_step_is_accessible(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions/new")
    assert_accessible(page)
    page.locator("[value=SELL]").check()
    sentence(page, "Sell how much")
    page.keyboard.press("Enter")
    page.get_by_label("Symbol").fill("aa")
    expect(page.locator("#symbols option")).to_have_count(1)
    page.get_by_label("Symbol").fill("AAPL")
    expect(page.locator("#preview")).to_contain_text("You hold 0.")
    page.get_by_label("How much").fill("10")
    sentence(page, "Sell 10 AAPL when")
    assert_accessible(page)

    page.reload()  # what was typed is there still
    expect(page.get_by_label("How much")).to_have_value("10")
    page.keyboard.press("Tab")
    page.get_by_label("How much").press("Enter")
    assert_accessible(page)
    page.get_by_role("radio", name="Price at or below").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Already true:")).to_be_visible()
    expect(page.locator("figure[data-drawn]")).to_be_visible()
    page.locator("[name=threshold]").fill("120")
    sentence(page, "Sell 10 AAPL when the price is at or below $120.00, once.")
    expect(page.get_by_text("Already true:")).to_be_hidden()
    assert_accessible(page)

    page.get_by_role("button", name="Back").click()
    expect(page.get_by_role("radio", name="Price at or below")).to_be_checked()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("[name=threshold]")).to_have_value("120")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Up to a number of times").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Say how many times, such as 3.")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("At most so many times").fill("3")
    page.get_by_role("button", name="Next").click()
    sentence(page, "Sell 10 AAPL when the price is at or below $120.00, up to 3 times.")
    assert_accessible(page)
    page.get_by_role("button", name="Create").dblclick()
    expect(page.locator("h1")).to_contain_text("Sell 10 AAPL when")
    assert Action.objects.count() == 1


def test_a_rule_is_made_and_edited_without_scripts_on_a_phone(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada, width=PHONE, javascript=False)
    page.goto("/actions")
    page.get_by_role("link", name="Add Action").first.click()
    page.get_by_role("radio", name="Rebalance").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Symbol 1").fill("AAPL")
    page.get_by_label("Weight 1").fill("60")
    page.get_by_role("button", name="More rows").click()
    expect(page.get_by_label("Weight 1")).to_have_value("60")
    page.get_by_label("Symbol 2").fill("XXXX")
    page.get_by_label("Weight 2").fill("20")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("is not a symbol that is known here")).to_be_visible()
    page.get_by_label("Symbol 2").fill("IBM")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("radio", name="Off its target weights").check()
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_contain_text("Rebalance to 60 % AAPL, 20 % IBM and 20 % cash")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name="Limits").click()
    page.get_by_label("Every time").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("every time.")


def test_two_tabs_write_two_rules(visits: Visits, ada: User) -> None:
    one = visits.begin(user=ada)
    one.goto("/actions/new")
    other = one.context.new_page()
    other.goto("/actions/new")
    for page, kind in ((one, "BUY"), (other, "NOTIFY")):
        page.locator(f"[value={kind}]").check()
        page.get_by_role("button", name="Next").click()
        page.get_by_label("Symbol").fill("AAPL")
        page.get_by_role("button", name="Back").click()
    expect(one.locator("[value=BUY]")).to_be_checked()
    expect(other.locator("[value=NOTIFY]")).to_be_checked()
