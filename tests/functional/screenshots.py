"""`make screenshots`: pictures of every page, at a desk and on a phone, light and dark.

Not a test: pytest runs it only when it is named. A page that is new gets a line in SHOTS; `steps`
are what is done on it before its picture is taken. `make screenshots ONLY="log|stock"` takes some.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import FilePayload, Page, expect

from accounts.models import ApiToken, User
from actions.backtest.books import Costs
from actions.backtesting.runs import ask_for_backtest, backtests_of, go_on_with
from actions.backtesting.terms import Sweep, Wish
from actions.engine import run_tick
from actions.models import Action, Backtest
from actions.tasks import play_backtest
from portfolios.services import primary_portfolio
from rest.unavailable import LOCKED
from tests.factories import PASSWORD
from tests.functional.visits import DESK, PHONE, Visits
from tests.functional.world import TRAILING, World, believable_world

FOLDER = Path(settings.BASE_DIR) / "screenshots"
LOOKS = (("light", DESK, False), ("dark", DESK, True), ("phone", PHONE, False))


@dataclass(frozen=True)
class Shot:
    """`path` is that of a page, of the owner's unless said otherwise."""

    name: str
    path: Callable[[World], str]
    who: Callable[[World], User | None] = lambda world: world.owner
    steps: Callable[[Page], object] = lambda page: None


def newcomer(world: World) -> User:
    return world.newcomer


def nobody(world: World) -> None:
    return None


def confirm_password(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.locator("#secret").wait_for()


def make_token(page: Page) -> None:
    page.goto(reverse("api-token-new"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill(f"My spreadsheet {ApiToken.objects.count() + 1}")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("link", name="I have copied it").click()


def sign_in_here(page: Page) -> None:
    page.context.clear_cookies()
    page.goto(reverse("sessions"))
    page.get_by_label("E-mail or name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def fault(template: str) -> Callable[[Page], None]:
    """What is answered where nothing can be relied on."""
    return lambda page: page.set_content(render_to_string(template, {"reason": LOCKED}))


def send_too_late(page: Page) -> None:
    page.get_by_label("E-mail or name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.context.clear_cookies()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="The page was too old").wait_for()


def trailing(world: World) -> str:
    """A rule whose stop has followed the price for some sessions."""
    stop = Action.objects.filter(user=world.owner, trigger_type="trailing_stop", status="active")
    return reverse("action", args=[stop.latest("created_at").pk])


def primary(world: World) -> UUID:
    return primary_portfolio(user=world.owner).pk


def drawn(page: Page) -> None:
    """Waits until the chart is there."""
    expect(page.locator("figure.chart")).to_have_attribute("data-drawn", "yes")


def asked(world: World, steps: int) -> Backtest:
    """A backtest of the trailing stop of the draft, at so many settings."""
    kept = backtests_of(user=world.owner).filter(cells__gt=0)
    found = next((each for each in kept if len(each.terms["values"]) == steps), None)
    if found is not None:
        return found
    sweep = Sweep(parameter="percent", first=Decimal(2), last=Decimal(30), steps=steps)
    wish = Wish(
        draft=replace(TRAILING, max_executions=None),
        start=date(2007, 1, 3),
        holdings={"AAPL": Decimal(200)},
        costs=Costs(Decimal(1), Decimal(0), Decimal("0.05")),
        sweep=sweep,
    )
    return ask_for_backtest(user=world.owner, wish=wish, clock=timezone.now)


def backtest_of(world: World) -> UUID:
    """A backtest that is done."""
    done = asked(world, 15)
    while done.is_open:
        play_backtest(str(done.pk))
        done.refresh_from_db()
    return done.pk


def queued(world: World) -> UUID:
    """A backtest that waits for its turn."""
    return asked(world, 90).pk


def played(world: World) -> UUID:
    """A backtest that is being played: the rule as it is, and a few of its settings."""
    backtest = asked(world, 80)
    while backtest.is_open and len(backtest.swept) < 25:
        go_on_with(backtest_id=backtest.pk, clock=timezone.now, slice_seconds=0)
        backtest.refresh_from_db()
    return backtest.pk


def wizard(world: World, page: str) -> str:
    """A page of the wizard, on a draft that is filled in."""
    return f"{reverse('action-new', args=[page])}?draft={world.draft.pk}"


def ask_for_a_rule(page: Page) -> None:
    page.get_by_label("Your message").fill("sell 10 AAPL if it drops below 10 by Friday")
    page.get_by_role("button", name="Send").click()
    page.locator(".proposal").wait_for()


IMPORTED = """external_id,action_type,symbol,quantity,trigger_type,trigger_params
autumn dip,BUY,AAPL,{0},price_below,"{{""threshold"": ""9.50""}}"
a name that is as long as names may well be,NOTIFY,MSFT,,change_pct,"{{""change"": 3}}"
half of it,SELL,IBM,5,trailing_stop,"{{""percent"": 5}}"
"""


def look_at(page: Page, text: str) -> None:
    """Uploads a file of rules, whose page it then is."""
    file: FilePayload = {
        "name": "rules of autumn.csv",
        "mimeType": "text/csv",
        "buffer": text.encode(),
    }
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Look at the file").click()
    page.locator("#state-title").wait_for()


SHOTS = (
    Shot("dashboard", lambda world: reverse("dashboard"), steps=drawn),
    Shot("dashboard-empty", lambda world: reverse("dashboard"), newcomer),
    Shot("value", lambda world: reverse("value"), steps=drawn),
    Shot("portfolio", lambda world: reverse("portfolio")),
    Shot("portfolio-empty", lambda world: reverse("portfolio"), newcomer),
    Shot(
        "portfolio-menu",
        lambda world: reverse("portfolio"),
        steps=lambda page: page.locator("#portfolio-menu > summary").click(),
    ),
    Shot("trade", lambda world: f"{reverse('trade-primary')}?symbol=AAPL&side=SELL"),
    Shot("limits", lambda world: reverse("limits", args=[primary(world)])),
    Shot("deposit", lambda world: reverse("deposit", args=[primary(world)])),
    Shot("open-portfolio", lambda world: reverse("open-portfolio")),
    Shot("stock", lambda world: reverse("stock", args=["AAPL"]), steps=drawn),
    Shot("stocks", lambda world: f"{reverse('stocks')}?q=inc"),
    Shot("log", lambda world: reverse("log")),
    Shot("log-empty", lambda world: reverse("log"), newcomer),
    Shot("actions", lambda world: reverse("actions")),
    Shot("status", lambda world: reverse("status")),
    Shot("monitoring", lambda world: reverse("monitoring")),
    Shot("action-watched", lambda world: reverse("action-watched", args=[world.waiting.pk])),
    Shot("actions-empty", lambda world: reverse("actions"), newcomer),
    Shot(
        "actions-selected",
        lambda world: reverse("actions"),
        steps=lambda page: page.locator("[data-row]").first.check(),
    ),
    Shot("import", lambda world: reverse("action-import-file")),
    Shot(
        "import-shown",
        lambda world: reverse("action-import-file"),
        steps=lambda page: look_at(page, IMPORTED.format("10")),
    ),
    Shot(
        "import-refused",
        lambda world: reverse("action-import-file"),
        steps=lambda page: look_at(page, IMPORTED.format("ten")),
    ),
    Shot(
        "action-detail",
        lambda world: reverse("action", args=[world.waiting.pk]),
        steps=lambda page: page.locator("#watched").wait_for(),
    ),
    Shot("action-fired", lambda world: reverse("action", args=[world.fired.pk])),
    Shot("action-execute", lambda world: reverse("action-execute", args=[world.waiting.pk])),
    Shot("rehearsal", lambda world: reverse("action", args=[world.rehearsal.pk])),
    Shot("rehearsals-listed", lambda world: f"{reverse('actions')}?rehearsal=yes"),
    Shot("rehearsals-logged", lambda world: f"{reverse('log')}?rehearsal=yes"),
    Shot("promote", lambda world: reverse("action-promote", args=[world.rehearsal.pk])),
    Shot("backtests-empty", lambda world: reverse("backtests"), newcomer),
    Shot("backtest-choice", lambda world: reverse("backtest-new")),
    Shot("backtest-new", lambda world: f"{reverse('backtest-new')}?action={world.fired.pk}"),
    Shot(
        "backtest-found", lambda world: reverse("backtest", args=[backtest_of(world)]), steps=drawn
    ),
    Shot("backtest-queued", lambda world: reverse("backtest", args=[queued(world)])),
    Shot("backtest-running", lambda world: reverse("backtest", args=[played(world)])),
    Shot("backtests", lambda world: reverse("backtests")),
    Shot("wizard-1-action", lambda world: reverse("action-new")),
    Shot("wizard-2-target", lambda world: wizard(world, "target")),
    Shot("wizard-3-trigger", lambda world: wizard(world, "trigger")),
    Shot("wizard-3-condition", lambda world: wizard(world, "condition")),
    Shot("wizard-4-limits", lambda world: wizard(world, "limits")),
    Shot("wizard-5-review", lambda world: wizard(world, "review")),
    Shot(
        "chat",
        lambda world: reverse("chat"),
        steps=ask_for_a_rule,
    ),
    Shot("sign-in", lambda world: reverse(settings.LOGIN_URL), nobody),
    Shot("sign-up", lambda world: reverse("account_signup"), nobody),
    Shot("account", lambda world: reverse("account")),
    Shot("api-access", lambda world: reverse("api-access"), steps=make_token),
    Shot("api-access-empty", lambda world: reverse("api-access"), newcomer),
    Shot("sessions", lambda world: reverse("sessions"), newcomer, steps=sign_in_here),
    Shot("action-trailing", lambda world: trailing(world), steps=drawn),
    Shot("preferences", lambda world: reverse("preferences")),
    Shot("notifications", lambda world: reverse("notifications")),
    Shot("not-found", lambda world: "/nowhere"),
    Shot("fault-server", lambda world: reverse("account_login"), nobody, steps=fault("500.html")),
    Shot("fault-database", lambda world: reverse("account_login"), nobody, steps=fault("503.html")),
    Shot("fault-too-old", lambda world: reverse("account_login"), nobody, steps=send_too_late),
    Shot(
        "second-factor",
        lambda world: reverse("mfa_activate_totp"),
        steps=confirm_password,
    ),
    Shot(
        "account-menu",
        lambda world: reverse("actions"),
        steps=lambda page: page.locator("#account-menu > summary").click(),
    ),
)


@pytest.mark.timeout(1800)
@pytest.mark.django_db(transaction=True)
def test_screenshots(visits: Visits) -> None:
    world = believable_world(now=timezone.now())
    FOLDER.mkdir(exist_ok=True)
    wanted = os.environ.get("ONLY", "")
    for shot in (shot for shot in SHOTS if re.search(wanted, shot.name)):
        for look, width, dark in LOOKS:
            run_tick(now=timezone.now())  # so that the prices are fresh
            page = visits.begin(
                user=shot.who(world), width=width, dark=dark, expected=["403", "404"]
            )
            page.goto(shot.path(world), wait_until="load")
            shot.steps(page)
            # A window as high as the page, so that what is fixed to its edges stands there.
            height = page.evaluate("Math.max(innerHeight, document.body.scrollHeight)")
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=FOLDER / f"{shot.name}-{look}.png")
            page.context.close()
