"""A person signs in and sees what the rules wait for, and what they do as they do it."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from actions.engine import run_tick
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(now: datetime) -> User:
    list_instruments(["MSFT"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(5_000), at=now)
    return user


def sign_in(page: Page, server: LiveServer, name: str, password: str) -> None:
    page.goto(f"{server.url}/actions")
    page.get_by_label("E-mail or name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_rule_that_fires_appears_without_a_reload(
    live_server: LiveServer, page: Page, owner: User, feed: Feed, now: datetime
) -> None:
    draft = Draft(
        action_type="BUY",
        symbol="MSFT",
        quantity=Decimal(10),
        trigger_type="price_below",
        trigger_params={"threshold": "25"},
    )
    create_action(user=owner, draft=draft, now=now)
    feed.says("MSFT", "26", now, note="2008-09-16", interpolated=True)
    run_tick(now=now)

    sign_in(page, live_server, "ada", PASSWORD)
    expect(page.get_by_role("heading", name="Your rules")).to_be_visible()
    expect(page.locator(".rule")).to_contain_text(
        "Buy 10 MSFT when the price is at or below $25.00, once."
    )
    expect(page.locator(".rule")).to_contain_text("Asleep until MSFT falls to $25.00.")
    expect(page.locator(".rule")).to_contain_text("3.8 % away")
    expect(page.get_by_text("Replaying 2008-09-16")).to_be_visible()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()

    feed.says("MSFT", "24.50", now + timedelta(seconds=10), note="2008-09-17")
    run_tick(now=now + timedelta(seconds=10))
    expect(page.locator(".executions")).to_contain_text("Bought 10 MSFT at $24.50 for $245.00.")
    expect(page.locator(".rule")).to_contain_text("Completed")
    expect(page.locator(".strip")).to_contain_text("$4,755.00")


def test_a_wrong_password_says_what_to_do(
    live_server: LiveServer, page: Page, owner: User, feed: Feed
) -> None:
    sign_in(page, live_server, "ada", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Check both and try again.")


def test_nobody_sees_another_persons_rules(
    live_server: LiveServer, page: Page, owner: User, feed: Feed, now: datetime
) -> None:
    draft = Draft(
        action_type="NOTIFY",
        symbol="MSFT",
        trigger_type="price_below",
        trigger_params={"threshold": "25"},
    )
    create_action(user=owner, draft=draft, now=now)
    UserFactory.create(username="bob")
    sign_in(page, live_server, "bob", PASSWORD)
    expect(page.get_by_text("You have no rules yet.")).to_be_visible()
    expect(page.locator(".rule")).to_have_count(0)
    page.get_by_text("Account of").locator("..").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
