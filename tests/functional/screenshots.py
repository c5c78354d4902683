"""`make screenshots`: pictures of every page, at a desk and on a phone, light and dark.

Not a test: pytest runs it only when it is named. A page that is new gets a line in SHOTS; `steps`
are what is done on it before its picture is taken. `make screenshots ONLY=actions` takes some.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import FilePayload, Page, expect

from accounts.models import User
from actions.engine import run_tick
from portfolios.services import primary_portfolio
from tests.factories import PASSWORD
from tests.functional.visits import DESK, PHONE, Visits
from tests.functional.world import World, believable_world

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


def primary(world: World) -> UUID:
    return primary_portfolio(user=world.owner).pk


def drawn(page: Page) -> None:
    """Waits until the chart is there."""
    expect(page.locator("figure.chart")).to_have_attribute("data-drawn", "yes")


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
    Shot("action-detail", lambda world: reverse("action", args=[world.waiting.pk])),
    Shot("action-fired", lambda world: reverse("action", args=[world.fired.pk])),
    Shot("action-execute", lambda world: reverse("action-execute", args=[world.waiting.pk])),
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
    Shot("preferences", lambda world: reverse("preferences")),
    Shot("notifications", lambda world: reverse("notifications")),
    Shot("not-found", lambda world: "/nowhere"),
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
    for shot in (shot for shot in SHOTS if wanted in shot.name):
        for look, width, dark in LOOKS:
            run_tick(now=timezone.now())  # so that the prices are fresh
            page = visits.begin(user=shot.who(world), width=width, dark=dark, expected=["404"])
            page.goto(shot.path(world), wait_until="load")
            shot.steps(page)
            # A window as high as the page, so that what is fixed to its edges stands there.
            height = page.evaluate("Math.max(innerHeight, document.body.scrollHeight)")
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=FOLDER / f"{shot.name}-{look}.png")
            page.context.close()
