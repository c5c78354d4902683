"""What no view of the API answers is a problem as well: refused by Django, or gone wrong before."""

from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import SuspiciousOperation, TooManyFieldsSent
from django.db import OperationalError
from django.http.multipartparser import MultiPartParserError
from django.test import Client
from pytest_django import Settings

from rest.unavailable import GONE
from tests.factories import UserFactory

EVIL = {"Host": "evil.example.com"}


@pytest.fixture
def client() -> Client:
    """Signed in, by a session as a browser has it."""
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory.create())
    return client


def problem(answer: Any) -> tuple[int, str, dict[str, str]]:
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    named = {wrong["field"]: wrong["message"] for wrong in told["errors"]}
    return answer.status_code, told["code"], named


@pytest.mark.parametrize("path", ["/api/health", "/api/actions", "/api/nothing/here"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_sites_name_is_a_problem_of_that_header(path: str, method: str) -> None:
    answer = getattr(Client(), method)(path, headers=EVIL)
    words = "No site of this name is served here."
    assert problem(answer) == (400, "invalid", {"Host": words})
    assert "evil" not in answer.content.decode()


def test_elsewhere_it_is_a_page() -> None:
    answer = Client().get("/sign-in", headers=EVIL)
    assert (answer.status_code, answer["Content-Type"][:9]) == (400, "text/html")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "refusal", [SuspiciousOperation, TooManyFieldsSent, SessionInterrupted, MultiPartParserError]
)
def test_what_django_cannot_make_sense_of_is_malformed_and_not_told(
    client: Client, refusal: type[Exception]
) -> None:
    with patch("rest_framework.views.APIView.initial", side_effect=refusal("the secret")):
        answer = client.get("/api/actions")
    assert problem(answer) == (400, "malformed", {})
    assert "secret" not in answer.content.decode()


@pytest.mark.django_db
def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_it(client: Client) -> None:
    with patch("rest_framework.views.APIView.initial", side_effect=ZeroDivisionError("the secret")):
        answer = client.get("/api/actions")
    assert problem(answer) == (500, "fault", {})
    assert "secret" not in answer.content.decode()


@pytest.mark.django_db
def test_a_database_that_is_gone_before_a_view_is_asked_is_told_in_the_same_way(
    client: Client, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.asks_the_database"]
    answer = client.get("/api/actions")
    assert problem(answer) == (503, "unavailable", {})
    assert (answer["Retry-After"], answer.json()["detail"]) == ("5", GONE)
    page = client.get("/status")
    assert (page.status_code, page["Content-Type"][:9]) == (503, "text/html")


def asks_the_database(get_response: object) -> object:
    """Middleware of a database that is gone."""

    def ask(request: object) -> object:
        raise OperationalError("the connection is closed")

    return ask
