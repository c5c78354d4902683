"""What somebody has and what was done, as it is seen and used: dashboard, portfolio, stock, log."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.engine import run_tick
from actions.services import Draft, create_action
from market.hours import AlwaysOpen
from market.quotes import Bar
from market.services import follow
from portfolios.models import Transaction
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def ada(feed: Feed, now: datetime) -> User:
    """Has money, a rule that waits and one that has bought 10 AAPL."""
    list_instruments(["AAPL", "MSFT"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(
        portfolio=primary_portfolio(user=user), amount=Decimal(5_000), at=now - timedelta(days=20)
    )
    feed.bars = {"AAPL": bars(now)}
    follow(symbols=["AAPL"])
    for effect, threshold in (("BUY", "120"), ("SELL", "100")):
        draft = Draft(
            action_type=effect,
            symbol="AAPL",
            quantity=Decimal(10),
            trigger_type="price_below",
            trigger_params={"threshold": threshold},
        )
        create_action(user=user, draft=draft, now=now)
    feed.says("AAPL", "110", now, previous_close=Decimal(105))
    run_tick(now=now)
    return user


def bars(now: datetime) -> list[Bar]:
    market = AlwaysOpen()
    at = market.last_close(now)
    found = []
    for n in range(40):
        price = Decimal(100 + n % 7)
        found.append(Bar("AAPL", at, price, price, price, price, 1000))
        at = market.last_close(at - timedelta(seconds=1))
    return found[::-1]


def drawn(page: Page) -> None:
    expect(page.locator("figure.chart")).to_have_attribute("data-drawn", "yes")


def test_every_page_is_accessible(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    portfolio = primary_portfolio(user=ada).pk
    for path in ("/", "/value", "/stocks/AAPL"):
        page.goto(path)
        drawn(page)
        assert_accessible(page)
    for path in (
        "/portfolio",
        "/log",
        "/stocks?q=aap",
        "/portfolio/open",
        f"/portfolio/{portfolio}/limits",
        f"/portfolio/{portfolio}/deposit",
        f"/portfolio/{portfolio}/trade?symbol=AAPL",
    ):
        page.goto(path)
        assert_accessible(page)


def test_pages_of_nothing_are_accessible(visits: Visits, feed: Feed) -> None:
    page = visits.begin(user=UserFactory.create())
    for path in ("/", "/portfolio", "/log", "/stocks"):
        page.goto(path)
        assert_accessible(page)


def test_the_dashboard_follows_the_market_and_keeps_its_chart(
    visits: Visits, ada: User, feed: Feed, now: datetime
) -> None:
    page = visits.begin(user=ada)
    page.goto("/")
    drawn(page)
    expect(page.locator(".figure")).to_have_text("$5,000.00")
    expect(page.locator(".rule")).to_contain_text("Sell 10 AAPL when the price is at or below")
    expect(page.locator(".timeline")).to_contain_text("Bought 10 AAPL at $110.00 for $1,100.00.")
    page.locator("#value-chart canvas").first.evaluate("canvas => { canvas.id = 'kept'; }")
    page.locator("#all-rules").focus()

    later = timezone.now()
    feed.says("AAPL", "99", later, previous_close=Decimal(105))
    run_tick(now=later)
    expect(page.locator(".timeline")).to_contain_text("Sold 10 AAPL at $99.00 for $990.00.")
    expect(page.locator(".figure")).to_have_text("$4,890.00")
    expect(page.locator("#kept")).to_be_visible()
    expect(page.locator("#all-rules")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
def test_money_and_shares_are_moved_on_a_phone(visits: Visits, ada: User, javascript: bool) -> None:
    page = visits.begin(user=ada, width=PHONE, javascript=javascript)
    page.goto("/portfolio")
    page.get_by_role("link", name="Deposit").click()
    page.get_by_label("Amount").fill("1,000.50")
    page.get_by_role("button", name="Deposit").click()
    expect(page.locator("#toasts")).to_contain_text("Deposited $1,000.50.")
    page.locator("#sell-AAPL").click()
    expect(page.get_by_label("Sell")).to_be_checked()
    expect(page.get_by_text("You hold")).to_be_visible()
    page.get_by_label("Shares").fill("11")
    page.get_by_role("button", name="Trade now").click()
    expect(page.locator(".errorlist")).to_contain_text("the portfolio holds 10")
    page.get_by_label("Shares").fill("4")
    page.get_by_role("button", name="Trade now").click()
    expect(page.locator("#toasts")).to_contain_text("Sold 4 AAPL at $110.00 for $440.00.")


def test_a_double_click_trades_once(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/trade?symbol=AAPL&side=BUY")
    page.get_by_label("Shares").fill("1")
    page.get_by_role("button", name="Trade now").dblclick()
    expect(page.locator("#toasts")).to_contain_text("Bought 1 AAPL")
    assert Transaction.objects.filter(kind="buy").count() == 2, "the rule's, and this one"


def test_a_symbol_is_found_from_the_dashboard_and_its_rules_are_drawn(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.goto("/")
    page.get_by_label("Stock or company").fill("aapl")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="AAPL", exact=True)).to_be_visible()
    drawn(page)
    expect(page.locator("#rules")).to_contain_text("9.1 % away")


def test_the_log_is_filtered_and_taken_away_as_a_file(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/log")
    page.get_by_label("Outcome").select_option("Refused")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing of this kind was done.")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV file").click()
    assert "Bought 10 AAPL at $110.00" in download.value.path().read_text()
