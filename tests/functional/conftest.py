"""A real browser on a real server: the system's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.functional.visits import Visits

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # Chromium refuses its sandbox to root, as in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What comes about is waited for as long as a slow machine takes: Playwright's own 5 s are few, for
# parts of pages that ask anew every 5.
expect.set_options(timeout=60_000)

# Playwright's loop runs in the test's thread; Django would take the test for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        missing = "no Chromium on the PATH: install your system's chromium package"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visits(browser: Browser, live_server: LiveServer) -> Iterator[Visits]:
    """Opens pages, as somebody or as nobody; fails the test on what any browser complained of."""
    visits = Visits(browser, live_server.url)
    yield visits
    visits.end()


@pytest.fixture
def page(visits: Visits) -> Page:
    """A page of somebody who has not signed in, at a desk."""
    return visits.begin()
