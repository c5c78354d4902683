"""People bring their rules in a file, see what it would do, and say so once."""

import json

import pytest
from playwright.sync_api import FilePayload, Page, expect

from accounts.models import User
from actions.models import Action
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import Visits, assert_accessible

pytestmark = pytest.mark.django_db(transaction=True)

FILE = """external_id,action_type,symbol,quantity,trigger_type,trigger_params
dip,BUY,MSFT,10,price_below,"{""threshold"": ""25""}"
rise,SELL,MSFT,TEN,price_above,"{""threshold"": ""40""}"
"""


@pytest.fixture
def ada(feed: Feed) -> User:
    list_instruments(["MSFT"])
    return UserFactory.create(username="ada", time_zone="America/New_York")


def look_at(page: Page, text: str) -> None:
    file: FilePayload = {"name": "rules.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Look at the file").click()


def test_a_file_is_mended_shown_and_imported_once(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/actions")
    page.get_by_role("link", name="Import rules").click()
    assert_accessible(page)
    look_at(page, FILE)
    expect(page.get_by_role("heading", name="Something is wrong")).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_contain_text("quantity: Use a plain number")
    assert_accessible(page)
    page.get_by_role("link", name="Import another file").click()
    look_at(page, FILE.replace("TEN", "10"))
    expect(page.get_by_role("row")).to_have_count(3)
    assert_accessible(page)
    assert not Action.objects.exists()
    page.get_by_role("button", name="Import them").dblclick()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert Action.objects.count() == 2


def test_without_scripts_it_is_all_the_same_and_rules_leave_as_a_file(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(user=ada, javascript=False)
    page.goto("/actions/import")
    look_at(page, FILE.replace("TEN", "10"))
    page.get_by_role("button", name="Import them").click()
    page.get_by_role("link", name="See your rules").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON lines").click()
    lines = download.value.path().read_text().splitlines()
    assert {json.loads(line)["external_id"] for line in lines} == {"dip", "rise"}
