"""Files of rules through the API and the pages."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from actions.bulk import sending
from actions.bulk.columns import COLUMNS, NAMES
from actions.models import Action, RuleImport
from actions.services import Draft, create_action
from actions.tasks import go_on_with_imports
from tests.api import PRICE_BELOW, Api, wrong_fields
from tests.factories import UserFactory
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

FILE = (
    b"external_id,action_type,symbol,quantity,trigger_type,trigger_params,notes\r\n"
    b'dip,BUY,AAPL,10,price_below,"{""threshold"": ""150""}",\'=mine\r\n'
)
WRONG = FILE.replace(b",10,", b",ten,")


@pytest.fixture
def ada() -> User:
    return UserFactory.create(username="ada", email="ada@example.com")


@pytest.fixture
def api(ada: User) -> Api:
    return Api(ada)


@pytest.fixture
def client_of_ada(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def sent(api: Api, content: bytes, query: str = "", media_type: str = "text/csv") -> Any:
    return api("POST", f"/actions/import{query}", content, content_type=media_type)


def a_rule(user: User, now: datetime, **more: Any) -> Action:
    return create_action(user=user, draft=Draft(**{**PRICE_BELOW, **more}), now=now)


# --- The API ---


def test_a_dry_run_is_told_and_then_applied(api: Api) -> None:
    answer = sent(api, FILE)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["counts"]) == ("checked", {"new": 1})
    (line,) = told["lines"]
    assert (line["outcome"], line["description"][:11]) == ("new", "Buy 10 AAPL")
    assert not Action.objects.exists()
    path = f"/actions/imports/{told['id']}"
    assert api.post(f"{path}/apply").json()["state"] == "done"
    assert api.post(f"{path}/apply").json()["state"] == "done"
    assert Action.objects.get().notes == "=mine"
    assert api.get(path).json()["counts"] == {"new": 1}
    assert api.get(f"{path}/report").content.decode().splitlines()[1] == "2,dip,new,,"
    assert api.delete(path).status_code == 409


def test_without_a_dry_run_it_is_done_or_refused_by_line_and_column(api: Api) -> None:
    refused = sent(api, WRONG, "?dry_run=false")
    assert refused.status_code == 400
    assert wrong_fields(refused) == ["line 2, quantity"]
    assert sent(api, FILE, "?dry_run=false").json()["state"] == "done"
    again = sent(api, FILE, "?dry_run=false")
    assert again.json()["counts"] == {"unchanged": 1}
    assert Action.objects.count() == 1


def test_a_dry_run_of_what_is_wrong_is_told_too(api: Api) -> None:
    told = sent(api, WRONG).json()
    assert (told["state"], told["lines"][0]["errors"][0]["column"]) == ("refused", "quantity")
    assert api.post(f"/actions/imports/{told['id']}/apply").status_code == 409


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_json_is_read_as_well(api: Api, media_type: str) -> None:
    rule = {**PRICE_BELOW, "external_id": "dip"}
    content = [rule] if media_type == "application/json" else rule
    answer = sent(api, json.dumps(content).encode(), "?dry_run=false", media_type)
    assert answer.json()["counts"] == {"new": 1}


@pytest.mark.parametrize(
    "body",
    [
        r'{"external_id": "\u0000"}',
        r'{"external_id": "\ud800"}',
        r'{"external_id": "a", "\u0000": 1}',
        r'{"external_id": "a", "action_type": "\ud800"}',
        r'{"a\u0000": 1, "a\u0000": 2}',
        "external_id,action_type,trigger_type,trigger_params\n\0,\0,\0,\0\n",
        "external_id,a\0\n",
    ],
)
def test_what_cannot_be_stored_is_told_without_it(api: Api, body: str) -> None:
    answer = api("POST", "/actions/import", body, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (200, "refused")
    assert all(error["message"] for line in answer.json()["lines"] for error in line["errors"])
    report = api.get(f"/actions/imports/{answer.json()['id']}/report", accept="text/csv")
    assert (report.status_code, b"\0" in report.content) == (200, False)


def test_an_import_is_refused_in_words(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(api, FILE, media_type="text/html").status_code == 415
    assert sent(api, FILE, "?dry_run=perhaps").status_code == 400
    assert sent(api, b"").json()["state"] == "refused"
    assert sent(Api(), FILE).status_code == 401
    monkeypatch.setattr("actions.api.bulk.LARGEST_FILE", 10)
    assert sent(api, FILE).json()["code"] == "too_large"


def test_anothers_import_is_not_there(api: Api) -> None:
    id = sent(Api(UserFactory.create()), FILE).json()["id"]
    path = f"/actions/imports/{id}"
    answers = [
        api.get(path),
        api.delete(path),
        api.post(f"{path}/apply"),
        api.get(f"{path}/report"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4


def test_an_external_id_is_set_filtered_by_and_unique(api: Api, ada: User) -> None:
    mine = api.post("/actions", {**PRICE_BELOW, "external_id": "mine"})
    assert (mine.status_code, mine.json()["external_id"]) == (201, "mine")
    twice = api.post("/actions", {**PRICE_BELOW, "external_id": "mine"})
    assert wrong_fields(twice) == ["external_id"]
    assert (
        Api(UserFactory.create())
        .post("/actions", {**PRICE_BELOW, "external_id": "mine"})
        .status_code
        == 201
    )
    other = api.post("/actions", PRICE_BELOW).json()["id"]
    assert wrong_fields(api.patch(f"/actions/{other}", {"external_id": "mine"})) == ["external_id"]
    assert wrong_fields(api.patch(f"/actions/{other}", {"external_id": " "})) == ["external_id"]
    assert api.patch(f"/actions/{other}", {"external_id": "other"}).status_code == 200
    found = api.get("/actions?external_id=mine").json()["results"]
    assert [rule["id"] for rule in found] == [mine.json()["id"]]


def test_rules_are_exported_as_they_are_asked_for(api: Api, ada: User, now: datetime) -> None:
    a_rule(ada, now, notes="=SUM(A1)", external_id="first")
    second = a_rule(ada, now + timedelta(seconds=1), symbol="MSFT")
    a_rule(UserFactory.create(), now)
    answer = api.get("/actions/export")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == NAMES
    first = dict(zip(header, rows[0], strict=True))
    assert (first["external_id"], first["notes"], first["quantity"]) == ("first", "'=SUM(A1)", "10")
    assert first["description"] == "Sell 10 AAPL when the price is at or below $150.00, once."
    assert [row[0] for row in rows] == ["first", str(second.pk)]
    as_json = api.get("/actions/export?format=json&symbol=msft", accept="application/json")
    (only,) = json.loads(b"".join(as_json.streaming_content))
    assert (only["symbol"], only["trigger_params"]) == ("MSFT", {"threshold": "150"})
    lines = b"".join(api.get("/actions/export?format=jsonl&search=sum").streaming_content)
    assert [json.loads(line)["external_id"] for line in lines.splitlines()] == ["first"]
    none = b"".join(api.get("/actions/export?format=json&status=failed").streaming_content)
    assert json.loads(none) == []
    assert api.get("/actions/export?format=xls").status_code == 400


# --- The pages ---


def uploaded(client: Client, content: bytes, name: str = "rules.csv") -> str:
    """The path of the import's page."""
    file = SimpleUploadedFile(name, content)
    answer = client.post(reverse("action-import-file"), {"file": file}, secure=True)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_a_file_is_shown_confirmed_and_done_once(client_of_ada: Client) -> None:
    page = uploaded(client_of_ada, FILE)
    said = "Buy 10 AAPL when the price is at or below $150.00, once."
    assert said in text_of(client_of_ada, page)
    assert not Action.objects.exists()
    for _ in range(2):
        client_of_ada.post(f"{page}/confirm", secure=True)
    assert Action.objects.count() == 1
    assert "Done" in text_of(client_of_ada, page)
    report = client_of_ada.get(f"{page}/report", secure=True)
    assert b"dip,new" in report.content
    again = uploaded(client_of_ada, FILE)
    assert "There is nothing to import" in text_of(client_of_ada, again)


def test_what_is_wrong_is_shown_with_its_line(client_of_ada: Client) -> None:
    said = text_of(client_of_ada, uploaded(client_of_ada, WRONG, "<b>rules</b>.csv"))
    assert "Something is wrong" in said
    assert "quantity: Use a plain number" in said
    assert "Import them" not in said


def test_a_page_cancels_an_import(client_of_ada: Client) -> None:
    page = uploaded(client_of_ada, FILE)
    client_of_ada.post(f"{page}/cancel", secure=True)
    client_of_ada.post(f"{page}/cancel", secure=True)
    client_of_ada.post(f"{page}/confirm", secure=True)
    assert not Action.objects.exists()
    assert "Cancelled" in text_of(client_of_ada, page)


def test_anothers_import_has_no_page(client_of_ada: Client) -> None:
    bob = Client()
    bob.force_login(UserFactory.create())
    page = uploaded(bob, FILE)
    for answer in (
        client_of_ada.get(page, secure=True),
        client_of_ada.get(f"{page}/report", secure=True),
        client_of_ada.post(f"{page}/confirm", secure=True),
        client_of_ada.post(f"{page}/cancel", secure=True),
    ):
        assert answer.status_code == 404


def test_a_form_without_a_file_says_so(
    client_of_ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client_of_ada.post(reverse("action-import-file"), secure=True)
    assert b"Choose a file first." in answer.content
    monkeypatch.setattr("actions.bulk.forms.LARGEST_FILE", 10)
    file = SimpleUploadedFile("rules.csv", FILE)
    answer = client_of_ada.post(reverse("action-import-file"), {"file": file}, secure=True)
    assert b"The file is larger" in answer.content


def test_the_list_is_exported_as_it_is_filtered(
    client_of_ada: Client, ada: User, now: datetime
) -> None:
    a_rule(ada, now)
    a_rule(ada, now, symbol="MSFT")
    page = client_of_ada.get("/actions?symbol=MSFT&page=1", secure=True).content.decode()
    assert 'href="/actions/export?symbol=MSFT&amp;format=csv"' in page
    answer = client_of_ada.get("/actions/export?symbol=MSFT&format=jsonl", secure=True)
    (line,) = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]
    assert json.loads(line)["symbol"] == "MSFT"
    assert client_of_ada.get("/actions/export?format=exe", secure=True).status_code == 404


# --- The cluster ---


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file is a large one; what is queued for the cluster."""
    jobs: list[str] = []
    monkeypatch.setattr(sending, "is_small", lambda held: False)
    monkeypatch.setattr(sending, "async_task", jobs.append)
    return jobs


def test_a_large_file_is_looked_at_and_applied_by_the_cluster(api: Api, queued: list[str]) -> None:
    answer = sent(api, FILE)
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")
    assert queued == ["actions.tasks.go_on_with_imports"]
    assert go_on_with_imports() == "1 imports"
    path = f"/actions/imports/{answer.json()['id']}"
    assert api.get(path).json()["state"] == "checked"
    assert api.post(f"{path}/apply").status_code == 202
    assert go_on_with_imports() == "1 imports"
    assert api.get(path).json()["state"] == "done"
    assert go_on_with_imports() == "0 imports"


def test_a_large_file_without_a_dry_run_is_applied_by_one_job(api: Api, queued: list[str]) -> None:
    good = sent(api, FILE, "?dry_run=false")
    bad = sent(api, WRONG, "?dry_run=false")
    assert [good.status_code, bad.status_code] == [202, 202]
    go_on_with_imports()
    states = [
        api.get(f"/actions/imports/{each.json()['id']}").json()["state"] for each in (good, bad)
    ]
    assert states == ["done", "refused"]


def test_a_page_says_how_far_it_is(client_of_ada: Client, queued: list[str]) -> None:
    page = uploaded(client_of_ada, FILE)
    RuleImport.objects.update(progress=7)
    assert "7 rules looked at" in text_of(client_of_ada, page)


# --- The page on it ---


def test_the_page_on_imports_has_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "import-export.md").read_text()
    for column in COLUMNS:
        empty = "passed over" if column.told_only else column.empty
        assert f"| `{column.name}` | {column.says} | {empty} |" in page
