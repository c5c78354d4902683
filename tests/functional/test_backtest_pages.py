"""Somebody tests a rule over past prices, in a browser."""

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.backtesting import runs
from actions.backtesting.runs import go_on_with
from actions.models import Action, Backtest
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.backtests import STOP, as_csv, bars_of, hold_bars
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 120.0)


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["AAPL"])
    hold_bars("AAPL")
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=timezone.now())
    return user


@pytest.fixture
def rule(ada: User) -> Action:
    draft = Draft(**{**STOP, "quantity": Decimal(10)})
    return create_action(user=ada, draft=draft, now=timezone.now())


def compare(page: Page, first: str, last: str, steps: str) -> None:
    page.get_by_label("Number to try at several values").select_option("Percent")
    page.get_by_label("First value").fill(first)
    page.get_by_label("Last value").fill(last)
    page.get_by_label("How many values").fill(steps)


def test_a_rule_is_tested_from_its_page_and_shown_in_pictures(
    visits: Visits, ada: User, rule: Action
) -> None:
    page = visits.begin(user=ada)
    page.goto(f"/actions/{rule.pk}")
    page.get_by_role("link", name="Backtest this rule").click()
    assert_accessible(page)
    page.get_by_label("Shares of AAPL at the start").fill("100")
    compare(page, "5", "500", "8")
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.locator(".field:has(#id_first) .errorlist")).to_contain_text("cannot be")
    assert_accessible(page)
    page.get_by_label("Last value").fill("40")
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.locator("h1")).to_contain_text("Sell 10 AAPL when the price falls 10 %")
    expect(page.locator("figure[data-drawn]")).to_be_visible()
    expect(page.get_by_role("img", name="Worth with the rule")).to_be_visible()
    expect(page.get_by_role("img", name="Firings by percent")).to_be_visible()
    expect(page.get_by_text("was worth most in this past")).to_be_visible()
    page.locator("#equity-table > summary").click()
    assert_accessible(page)
    page.get_by_role("link", name="Backtests").click()
    expect(page.locator("li.rule")).to_have_count(1)
    assert_accessible(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no backtest yet.")).to_be_visible()


def test_a_long_one_moves_by_itself_and_is_cancelled(
    visits: Visits, ada: User, rule: Action
) -> None:
    page = visits.begin(user=ada)
    page.goto(f"/actions/backtests/new?action={rule.pk}")
    page.get_by_label("Shares of AAPL at the start").fill("100")
    compare(page, "1", "90", "90")
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.get_by_text("It waits for its turn.")).to_be_visible()
    assert_accessible(page)
    asked = Backtest.objects.get()
    go_on_with(backtest_id=asked.pk, clock=timezone.now, slice_seconds=0)
    expect(page.get_by_text("It is being played: 1 %")).to_be_visible()
    expect(page.locator("figure[data-drawn]")).to_be_visible()
    drawn = page.locator("#chart-card canvas").first.element_handle()
    assert drawn is not None
    go_on_with(backtest_id=asked.pk, clock=timezone.now, slice_seconds=0)
    expect(page.get_by_text("It is being played: 2 %")).to_be_visible()
    assert drawn.evaluate("canvas => canvas.isConnected"), "the chart is not drawn anew"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("It was cancelled.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert_accessible(page)


def test_a_file_of_ones_own_is_tested_without_scripts_on_a_phone(
    visits: Visits, ada: User, rule: Action
) -> None:
    page = visits.begin(user=ada, width=PHONE, javascript=False)
    page.goto("/actions")
    page.get_by_role("link", name="Backtests").click()
    page.get_by_role("link", name="New backtest").first.click()
    page.get_by_role("link", name="Sell 10 AAPL when the price falls 10 %").click()
    bars = as_csv(bars_of("AAPL")).encode()
    chosen = page.get_by_label("Bars of your own")
    chosen.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": bars[:-9]})
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.locator(".field:has(#id_bars) .errorlist")).to_contain_text("bars line 315: volume")
    chosen.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": bars})
    compare(page, "1", "90", "90")
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.get_by_text("It waits for its turn.")).to_be_visible()
    go_on_with(backtest_id=Backtest.objects.get().pk, clock=timezone.now, slice_seconds=120)
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="What it would have done")).to_be_visible()
    expect(page.get_by_role("img", name="Worth with the rule")).to_be_visible()
