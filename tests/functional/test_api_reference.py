"""The API's reference is read in a browser, by whoever comes, under the site's strict policy."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_reference_tells_what_an_operation_takes(live_server: LiveServer, page: Page) -> None:
    page.goto(f"{live_server.url}/api/docs")
    expect(page.get_by_role("heading", name="The API")).to_be_visible()
    operation = page.locator("#create_action")
    operation.locator("summary").click()
    expect(operation.get_by_text("Body: PriceBelowToCreate")).to_be_visible()
    expect(operation).to_contain_text("trigger_params")
    sources = page.evaluate("[...document.scripts].map(script => script.src)")
    assert all(source.startswith(live_server.url) for source in sources), "nothing from elsewhere"
