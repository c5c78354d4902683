"""How the tests visit the site: in a browser of a width, signed in or not, with scripts or without.

page = visits.begin(user=ada, width=PHONE)
page.goto("/actions")
assert_accessible(page)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from accounts.models import User

DESK, PHONE = 1280, 390
HEIGHTS = {DESK: 900, PHONE: 844}

# What axe-core is asked, by the scheme of colours.
AXE: Mapping[Literal["light", "dark"], Mapping[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {
        "resultTypes": ["violations"],
        "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    },
}


@dataclass
class Visits:
    """Contexts of one browser on one server, and what their pages complained of."""

    browser: Browser
    url: str
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def begin(
        self,
        *,
        user: User | None = None,
        width: int = DESK,
        dark: bool = False,
        javascript: bool = True,
        zone: str = "America/New_York",
        expected: Sequence[str] = (),
    ) -> Page:
        """A new page in a context of its own, where `user` is signed in. Addresses are paths.

        A console's error that has one of the `expected` words, such as a status that is the very
        point of a test, is no complaint.
        """
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
            timezone_id=zone,
        )
        context.set_default_timeout(120_000)
        self.contexts.append(context)
        if user is not None:
            self._sign_in(context, user)
        page = context.new_page()
        page.on("console", lambda message: self._hear(message, expected))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def end(self) -> None:
        """Closes what is open. Fails on an error in a console, a violated CSP included."""
        for context in self.contexts:
            context.close()
        assert self.complaints == []

    def _sign_in(self, context: BrowserContext, user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}]
        )

    def _hear(self, message: ConsoleMessage, expected: Sequence[str]) -> None:
        if message.type == "error" and not any(word in message.text for word in expected):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")


def assert_accessible(page: Page) -> None:
    """Holds the page as it stands to axe-core's rules: light and dark, at a desk and on a phone.

    Dark differs in nothing but colours, so it is held to the rules of colours alone.
    """
    before = page.viewport_size
    found: dict[str, list[dict[str, Any]]] = {}
    page.evaluate(Axe().axe_script)
    for width in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        for scheme, options in AXE.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            answer = page.evaluate("options => axe.run(options)", options)
            if answer["violations"]:
                found[f"{scheme} {width}"] = answer["violations"]
        assert sticking_out(page) == [], f"{page.url} is wider than its {width} px window"
    if before:
        page.set_viewport_size(before)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert found == {}, _in_words(page, found)


def sticking_out(page: Page) -> list[str]:
    """What makes the page scroll sideways; empty where it does not."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll("body *")]
            .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found


def _in_words(page: Page, found: dict[str, list[dict[str, Any]]]) -> str:
    lines = [page.url]
    for look, violations in found.items():
        for violation in violations:
            lines.append(f"{look}: {violation['id']}: {violation['help']}")
            lines += [
                f"    {node['html'][:160]}\n      {node['failureSummary'][:300]}"
                for node in violation["nodes"][:5]
            ]
    return "\n".join(lines)
