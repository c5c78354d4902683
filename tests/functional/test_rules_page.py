"""People see what their rules wait for and do, and say what is to become of them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import PASSWORD, UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)

DIP = Draft(
    action_type="BUY",
    symbol="MSFT",
    quantity=Decimal(10),
    trigger_type="price_below",
    trigger_params={"threshold": "25"},
)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def owner(feed: Feed, now: datetime) -> User:
    list_instruments(["MSFT"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(5_000), at=now)
    feed.says("MSFT", "26", now, note="2008-09-16", interpolated=True)
    return user


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/actions")
    page.get_by_label("E-mail or name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_rule_that_fires_appears_without_a_reload(
    visits: Visits, owner: User, feed: Feed, now: datetime
) -> None:
    action = create_action(user=owner, draft=DIP, now=now)
    run_tick(now=now)
    page = visits.begin()
    sign_in(page, "ada", PASSWORD)
    page.goto("/actions")
    row = page.locator(".rule")
    expect(row).to_contain_text("Buy 10 MSFT when the price is at or below $25.00, once.")
    expect(row).to_contain_text("Asleep until MSFT falls to $25.00.")
    expect(row).to_contain_text("3.8 % away")
    detail = visits.begin(user=owner)
    detail.goto(f"/actions/{action.pk}")
    expect(detail.get_by_role("heading", name="Why not yet")).to_be_visible()
    expect(detail.locator("figure[data-drawn]")).to_be_visible()

    feed.says("MSFT", "24.50", now + timedelta(seconds=10), note="2008-09-17")
    run_tick(now=now + timedelta(seconds=10))
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text("1 of 1")
    expect(detail.locator("#executions")).to_contain_text("Bought 10 MSFT at $24.50 for $245.00.")
    assert_accessible(detail)


def test_the_price_and_the_stop_move_on_a_chart_that_stays(
    visits: Visits, owner: User, feed: Feed, now: datetime
) -> None:
    trailing = replace(DIP, trigger_type="trailing_stop", trigger_params={"amount": "2"})
    action = create_action(user=owner, draft=trailing, now=now)
    run_tick(now=now)
    page = visits.begin(user=owner)
    page.goto(f"/actions/{action.pk}")
    figure = page.locator("figure.chart")
    expect(figure).to_have_attribute("data-drawn", "yes")
    expect(page.locator(".chart-legend")).to_contain_text("The stop as it rose")
    figure.evaluate("(figure) => { figure.dataset.same = 'yes'; }")
    feed.says("MSFT", "31.50", now + timedelta(seconds=10))
    run_tick(now=now + timedelta(seconds=10))
    expect(figure).to_have_attribute("data-price", "31.500000")
    expect(figure).to_have_attribute("data-same", "yes")
    expect(page.locator(".meter.large")).to_contain_text("$31.50")


def test_a_wrong_password_says_what_to_do(page: Page, owner: User) -> None:
    sign_in(page, "ada", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Check both and try again.")


def test_a_rule_is_paused_undone_executed_and_deleted(
    visits: Visits, owner: User, now: datetime
) -> None:
    action = create_action(user=owner, draft=DIP, now=now)
    other = create_action(user=owner, draft=DIP, now=now)
    run_tick(now=now)
    page = visits.begin(user=owner)
    page.goto("/actions?sort=oldest")
    page.locator(f"#pause-{action.pk}").click()
    expect(page.locator(".toast")).to_contain_text("Paused: Buy 10 MSFT")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Taken back")
    expect(page).to_have_url(re.compile(r"/actions\?sort=oldest$"))  # where it was pressed
    assert_accessible(page)

    page.locator(f"#execute-{action.pk}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Buy 10 MSFT at $26.00, for $260.00")
    dialog.get_by_role("button", name="Execute now").dblclick()
    expect(page.locator(".toast")).to_contain_text("Bought 10 MSFT at $26.00")
    assert ActionExecution.objects.count() == 1

    page.goto("/actions?status=active")
    page.locator(f"#tick-{other.pk}").check()
    expect(page.locator(".bulk-bar")).to_contain_text("1 selected")
    assert_accessible(page)
    page.locator(".bulk-bar").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("Cancelled 1 rule.")
    assert Action.objects.get(pk=other.pk).status == "cancelled"
    expect(page.get_by_text("No rule is like that.")).to_be_visible()
    page.get_by_role("link", name="Show all rules").click()
    expect(page.locator(".rule")).to_have_count(2)


def test_everything_can_be_done_without_scripts_on_a_phone(
    visits: Visits, owner: User, now: datetime
) -> None:
    action = create_action(user=owner, draft=DIP, now=now)
    run_tick(now=now)
    page = visits.begin(user=owner, width=PHONE, javascript=False)
    page.goto("/actions")
    page.locator(f"#execute-{action.pk}").click()
    expect(page.get_by_role("heading", name="Execute now?")).to_be_visible()
    page.get_by_role("link", name="Do nothing").click()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Paused")
    page.goto("/actions")
    page.get_by_label("Select:").check()
    page.locator(".bulk-bar").get_by_role("button", name="Resume").click()
    expect(page.locator(".rule")).to_contain_text("Active")
    page.locator("select[name=symbol]").select_option("MSFT")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("symbol=MSFT"))


def test_who_has_no_rules_is_shown_some(visits: Visits, owner: User) -> None:
    page = visits.begin(user=owner)
    page.goto("/actions")
    expect(page.get_by_text("You have no rules yet.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Sell all of your MSFT").click()
    expect(page.locator(".sentence.draft")).to_contain_text("Sell all of your MSFT when")
