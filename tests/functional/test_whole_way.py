"""The whole way, with a real worker: from signing up to a rule that has fired; and every page."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from accounts.models import ApiToken, User
from actions.engine import run_tick, take_in
from actions.models import Action, ActionExecution
from actions.services import Draft, cancel_action, create_action
from chat.services import say
from market.models import DailyBar
from market.quotes import Sample
from market.services import follow, restart_replay
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import PASSWORD, UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible
from tests.postgres import run_cluster

pytestmark = pytest.mark.django_db(transaction=True)

BELOW = Draft(
    action_type="SELL",
    symbol="AAPL",
    quantity=Decimal(10),
    trigger_type="price_below",
    trigger_params={"threshold": "120"},
)


# --- From signing up to a rule that fires ---


@contextmanager
def working(log: Path) -> Iterator[None]:
    """A `manage.py worker` that plays the replay of this test's database."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=settings.BASE_DIR,
            env=os.environ
            | {
                "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
                "MARKET_PROVIDER": "replay",
                "TICK_SECONDS_OPEN": "0.5",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)


@pytest.mark.slow
def test_from_signing_up_to_the_first_rule_that_the_worker_fires(
    visits: Visits, settings: Settings, tmp_path: Path
) -> None:
    settings.MARKET_PROVIDER = "replay"
    list_instruments(["AAPL"])
    for n in range(4):
        at = datetime(2008, 9, 15, 20, tzinfo=UTC) + timedelta(days=n)
        prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(130))
        DailyBar.objects.create(
            instrument_id="AAPL", session=at.date(), at=at, volume=1000, **prices
        )
    restart_replay(now=timezone.now(), first_session=at.date(), session_seconds=Decimal(480))
    page = visits.begin(width=PHONE)
    page.goto("/sign-up")
    page.get_by_label("E-mail").fill("grace@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("link", name="Portfolio").click()
    page.get_by_role("link", name="Deposit").first.click()
    page.get_by_label("Amount").fill("5,000")
    page.get_by_role("button", name="Deposit").click()
    expect(page.locator("#toasts")).to_contain_text("Deposited $5,000.00.")
    page.goto("/actions")
    page.get_by_role("link", name="Add Action").first.click()
    page.locator("[value=BUY]").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Symbol").fill("AAPL")
    page.get_by_label("How much").fill("10")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("radio", name="Price at or below").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Already true:")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_contain_text("Buy 10 AAPL when")
    page.goto("/actions")
    expect(page.locator(".rule")).to_contain_text("Looked at with the next tick.")
    page.evaluate("window.same = 'yes'")
    with working(tmp_path / "worker.log"):
        expect(page.locator(".rule")).to_contain_text("Completed", timeout=300_000)
    assert page.evaluate("window.same") == "yes", "nothing was loaded anew"
    assert ActionExecution.objects.get().details["summary"].startswith("Bought 10 AAPL at $130.00")


# --- Every page ---


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["AAPL", "IBM"])
    now = timezone.now()
    user = UserFactory.create(username="ada", email="ada@example.org", is_staff=True)
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    feed.says("AAPL", "142.10", now)
    follow(symbols=["AAPL"])
    take_in([Sample("AAPL", Decimal("142.10"), now)], now)
    create_action(user=user, draft=BELOW, now=now)
    run_tick(now=now)
    return user


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, path)
        elif isinstance(entry, URLPattern):
            yield path


# Pages that tests of their own hold to the same, on the way to them or with more to show.
ELSEWHERE = (
    "api/",
    "admin/",
    "sign-",
    "password/",
    "^password/",
    "account/email",
    "^account/email",
    "account/second-factor/",
    "account/api/",
    "actions/new/",
    "value",
    "portfolio/open",
    "unsubscribe/",
)


def pages(user: User) -> Iterator[str]:
    """Every other page of the site that there is to be opened."""
    action = Action.objects.get(user=user)
    said = say(user=user, text="tell me when AAPL is below 150", now=timezone.now())
    known = {
        "<uuid:action_id>": [str(action.pk)],
        "<uuid:portfolio_id>": [str(primary_portfolio(user=user).pk)],
        "<path:symbol>": ["AAPL", "NOSUCH"],
        "<slug:step>": ["target", "limits"],
        "<uuid:conversation_id>": [str(said.conversation_id)],
        "<uuid:proposal_id>": [str(said.proposals.get().pk)],
        "<slug:wish>": ["pause"],
        "<str:token>": ["x"],
    }
    client = Client()
    client.force_login(user)
    for path in addresses(get_resolver()):
        if path.startswith(ELSEWHERE):
            continue
        found = [f"/{path}"]
        for name, values in known.items():
            if name in path:
                found = [each.replace(name, value) for each in found for value in values]
        for each in found:
            answer = client.get(each)
            assert answer.status_code < 500, each
            if b"<!doctype" in b"".join(answer)[:20]:
                yield each


@pytest.mark.slow
@pytest.mark.timeout(900)  # some twenty pages, in four looks each
def test_every_page_is_accessible_and_complains_of_nothing(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada, expected=["403", "404"])  # /monitoring is the staff's
    paths = list(pages(ada))
    assert len(paths) == len(set(paths))
    assert {"/actions", "/account", "/account/sessions", "/status", "/stocks/NOSUCH"} <= set(paths)
    for path in paths:
        page.goto(path)
        assert_accessible(page)


# --- What else happens on the way ---


def test_a_page_that_refreshes_itself_leads_to_the_sign_in_once_the_session_is_over(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions?status=active")
    expect(page.locator(".rule")).to_be_visible()
    Session.objects.all().delete()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=15_000)
    expect(page.locator("header.top")).to_have_count(1)
    page.get_by_label("E-mail or name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".rule")).to_be_visible()
    assert page.url.endswith("/actions?status=active")


def test_what_was_deleted_in_another_tab_is_said_when_one_touches_it(
    visits: Visits, ada: User
) -> None:
    action = Action.objects.get()
    page = visits.begin(user=ada, javascript=False)
    page.goto(f"/actions/{action.pk}")
    cancel_action(user=ada, action_id=action.pk, now=timezone.now())
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".toast")).to_contain_text("cancelled")
    page.goto(f"/actions/{action.pk}/edit")
    expect(page.locator(".toast")).to_contain_text("The rule is cancelled, and stays as it was.")


def test_a_token_is_made_shown_once_and_revoked(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/account")
    page.get_by_role("link", name="Change the API access").click()
    page.get_by_role("link", name="Make a token").first.click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    assert_accessible(page)
    page.get_by_label("Name").fill("My sheet")
    page.get_by_label("Read, and write rules").check()
    page.get_by_role("button", name="Make the token").click()
    key = page.locator("#key").inner_text()
    assert key.startswith("tr_")
    assert_accessible(page)
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("table")).to_contain_text("My sheet")
    expect(page.locator("table")).to_contain_text("Read, and write rules")
    assert key not in page.content()
    assert_accessible(page)
    page.get_by_role("button", name="Revoke My sheet").click()
    expect(page.locator(".toast")).to_contain_text("Revoked: My sheet.")
    assert not ApiToken.objects.exists()
    page.goto("/account/sessions")
    assert_accessible(page)
