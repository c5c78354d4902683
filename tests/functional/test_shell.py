"""What stands around every page."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from market.hours import Exchange
from market.models import Instrument, Quote
from portfolios.services import pause_portfolio, primary_portfolio
from rest.unavailable import LOCKED
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible
from tradingrules.shell import Shell

pytestmark = pytest.mark.django_db(transaction=True)

SUNDAY = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


@pytest.fixture
def ada(feed: Feed) -> User:
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    primary_portfolio(user=user)
    return user


def colour(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("javascript", [True, False])
def test_the_colours_are_chosen_and_kept(visits: Visits, ada: User, javascript: bool) -> None:
    page = visits.begin(user=ada, javascript=javascript)
    page.goto("/actions?status=active")
    system = colour(page) if javascript else None
    page.get_by_role("button", name="Dark").click()
    expect(page).to_have_url(re.compile(r"/actions\?status=active$"))
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    if javascript:
        assert colour(page) != system
    page.goto("/sign-in")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="System").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "system")


def test_the_colours_lead_to_no_other_site(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    page.locator(".foot input[name=next]").evaluate("field => field.value = '//evil.example/'")
    page.get_by_role("button", name="Light").click()
    expect(page).to_have_url(re.compile(r"127\.0\.0\.1|localhost"))
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_pages_are_reached_by_keyboard_on_a_desk_and_by_thumb_on_a_phone(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    phone = visits.begin(user=ada, width=PHONE)
    phone.goto("/actions")
    entry = phone.get_by_role("navigation", name="Pages").get_by_role("link", name="Actions")
    expect(entry.first).to_have_attribute("aria-current", "page")
    box = entry.first.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] > 800, "at the lower edge"


def test_everything_is_paused_and_goes_on_from_any_page(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    page.get_by_role("button", name="Pause everything").click()
    expect(page.locator("#toasts")).to_contain_text("All your rules are paused.")
    expect(page.locator("#banners")).to_contain_text("None fires until you let them go on.")
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("Your rules go on.")
    expect(page.locator("#banners")).not_to_contain_text("paused")
    page.get_by_role("button", name="Close this message").click()
    expect(page.locator(".toast")).to_have_count(0)


def test_what_support_has_paused_only_support_lets_go_on(visits: Visits, ada: User) -> None:
    pause_portfolio(portfolio_id=primary_portfolio(user=ada).pk, by_staff=True)
    page = visits.begin(user=ada)
    page.goto("/actions")
    expect(page.locator("#banners")).to_contain_text("Support has paused all your rules.")
    expect(page.get_by_role("button", name="Let them go on")).to_have_count(0)


def test_a_closed_market_says_when_it_opens(
    visits: Visits, ada: User, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.calendar = Exchange()
    monkeypatch.setattr("tradingrules.shell.timezone.now", lambda: SUNDAY)
    page = visits.begin(user=ada)
    page.goto("/actions")
    expect(page.locator("#banners")).to_contain_text(
        "The market is closed. It opens in 23 h 30 min (Mon 23 Nov 2026 09:30 New York)."
    )
    assert_accessible(page)


def test_prices_that_stopped_coming_are_told(visits: Visits, ada: User, feed: Feed) -> None:
    instrument = Instrument.objects.create(symbol="MSFT", name="Microsoft")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1, seconds=5)
    Quote.objects.create(instrument=instrument, price="25", as_of=an_hour_ago)
    page = visits.begin(user=ada)
    page.goto("/actions")
    expect(page.locator("#banners")).to_contain_text("No new price for 1 h")
    assert_accessible(page)


def test_the_frame_costs_one_query_and_a_part_of_a_page_none(
    ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = RequestFactory().get(reverse("actions"))
    request.user = ada
    with django_assert_num_queries(0):
        frame = Shell(request)
    with django_assert_num_queries(1):
        for _ in range(2):
            assert frame.unread == ""
            assert not frame.banners


@pytest.mark.parametrize("javascript", [True, False])
def test_a_symbol_is_looked_up_from_any_page(visits: Visits, ada: User, javascript: bool) -> None:
    Instrument.objects.create(symbol="AAPL", name="Apple Inc.")
    page = visits.begin(user=ada, javascript=javascript)
    page.goto("/account")
    search = page.get_by_label("Stock or company")
    if javascript:
        page.keyboard.press("/")
        expect(search).to_be_focused()
        page.keyboard.type("app")
        option = page.locator("#top-found option[value=AAPL]")
        expect(option).to_have_text("Apple Inc.", use_inner_text=False)
        search.fill("a/b")  # what is typed stays what is typed
    search.fill("aapl")
    search.press("Enter")
    expect(page).to_have_url(re.compile("/stocks/AAPL$"))
    page.goto("/stocks?q=app")
    expect(page.get_by_role("link", name="AAPL")).to_be_visible()
    if javascript:
        assert_accessible(page)


def test_on_a_phone_the_search_is_a_page_of_its_own(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada, width=PHONE, javascript=False)
    page.goto("/actions")
    page.get_by_role("link", name="Look up a stock").click()
    search = page.get_by_role("search", name="Look up a symbol")
    search.get_by_label("Symbol or company").fill("nothing like it")
    search.get_by_role("button", name="Look up").click()
    expect(page.get_by_text("Nothing is called “nothing like it”.")).to_be_visible()


@pytest.mark.parametrize("template", ["500.html", "503.html"])
def test_what_is_said_when_the_database_is_gone_is_accessible(
    visits: Visits, feed: Feed, template: str
) -> None:
    page = visits.begin()
    page.goto("/sign-in")
    page.set_content(render_to_string(template, {"reason": LOCKED}))
    expect(page.get_by_role("link", name="To the start")).to_be_visible()
    assert_accessible(page)


def test_escape_closes_a_menu_and_the_focus_goes_back_to_what_opened_it(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    opener = page.locator("#account-menu > summary")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Account and security")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("#account-menu")).not_to_have_attribute("open", "")
    expect(opener).to_be_focused()
    outline = opener.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline != "none", "the focus is seen"


def test_a_live_part_that_has_not_changed_is_not_sent_again(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    with page.expect_response(lambda answer: answer.status == 304):
        pass
    with page.expect_response(lambda answer: answer.status == 304):
        pass


def test_the_actions_page_is_accessible_with_and_without_rules(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    assert_accessible(page)
    anonymous = visits.begin()
    anonymous.goto("/actions")
    assert_accessible(anonymous)
