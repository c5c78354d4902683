"""The parts that pages are made of, on a page that has them all."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def gallery(settings: Settings) -> None:
    folder = Path(__file__).parent / "templates"
    templates = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**templates, "DIRS": [folder, *templates["DIRS"]]}]
    settings.ROOT_URLCONF = "tests.functional.gallery"


def test_every_component_is_accessible(visits: Visits) -> None:
    page = visits.begin()
    page.goto("/gallery")
    expect(page.locator("#chart")).to_have_attribute("data-drawn", "yes")
    assert_accessible(page)


def test_a_chart_is_drawn_within_the_policy_and_can_be_read_as_a_table(visits: Visits) -> None:
    page = visits.begin(dark=True)
    page.goto("/gallery")
    expect(page.locator("#chart canvas").first).to_be_visible()
    assert page.locator("style").count() == 0
    page.get_by_text("The same as a table").click()
    expect(page.locator("#chart tbody tr")).to_have_count(40)


def test_a_dialog_opens_holds_the_focus_and_closes(visits: Visits) -> None:
    page = visits.begin()
    page.goto("/gallery")
    page.get_by_role("link", name="Fire now").click()
    expect(page.get_by_role("dialog", name="Fire now?")).to_be_visible()
    expect(page.get_by_role("button", name="Not now")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="Fire now")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_selection_brings_up_its_bar(visits: Visits, javascript: bool) -> None:
    page = visits.begin(width=PHONE, javascript=javascript)
    page.goto("/gallery")
    bar = page.locator(".bulk-bar")
    expect(bar).to_be_hidden()
    page.locator("#row-2").check()
    expect(bar).to_be_visible()
    if javascript:
        expect(bar).to_contain_text("1 selected")


def test_an_error_stands_at_its_field_and_a_message_is_text(visits: Visits) -> None:
    page = visits.begin()
    page.goto("/gallery")
    expect(page.get_by_label("Price")).to_have_accessible_description(
        "In dollars a share. Enter a number."
    )
    expect(page.locator("#toasts")).to_contain_text("<b>Try again.</b>")
    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_visible()
