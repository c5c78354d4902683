"""`make screenshots`: pictures of every page, at a desk and on a phone, light and dark.

Not a test: pytest runs it only when it is named. A page that is new gets a line in SHOTS; `steps`
are what is done on it before its picture is taken. `make screenshots ONLY=actions` takes some.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import User
from actions.engine import run_tick
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


def ask_for_a_rule(page: Page) -> None:
    page.get_by_label("Your message").fill("sell 10 AAPL if it drops below 10 by Friday")
    page.get_by_role("button", name="Send").click()
    page.locator(".proposal").wait_for()


SHOTS = (
    Shot("actions", lambda world: reverse("actions")),
    Shot("status", lambda world: reverse("status")),
    Shot("actions-empty", lambda world: reverse("actions"), newcomer),
    Shot(
        "chat",
        lambda world: reverse("chat"),
        steps=ask_for_a_rule,
    ),
    Shot("sign-in", lambda world: reverse(settings.LOGIN_URL), nobody),
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
            page = visits.begin(user=shot.who(world), width=width, dark=dark)
            page.goto(shot.path(world), wait_until="load")
            shot.steps(page)
            # A window as high as the page, so that what is fixed to its edges stands there.
            height = page.evaluate("Math.max(innerHeight, document.body.scrollHeight)")
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=FOLDER / f"{shot.name}-{look}.png")
            page.context.close()
