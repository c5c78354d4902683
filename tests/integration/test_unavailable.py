"""A request that cannot have a lock, or whose database is gone, is told when to come again."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from unittest.mock import patch

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from actions.models import Action
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from rest.unavailable import GONE, LOCKED
from tests.api import PRICE_BELOW, Api
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("instruments", "feed"),
]


@pytest.fixture
def owner(now: datetime, feed: Feed) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.fixture
def locked_rule(owner: User, now: datetime) -> Iterator[Action]:
    """A rule that somebody else has locked, and for which we wait a tenth of a second."""
    draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(1)})
    rule = create_action(user=owner, draft=draft, now=now)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT FROM actions WHERE id = %s FOR UPDATE", [rule.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            yield rule
            cursor.execute("RESET lock_timeout")
        other.rollback()


def test_the_api_says_that_the_rule_is_busy_and_nothing_was_changed(
    owner: User, locked_rule: Action
) -> None:
    answer = Api(owner).patch(f"/actions/{locked_rule.pk}", {"status": "paused"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == ("busy", LOCKED)
    locked_rule.refresh_from_db()
    assert locked_rule.status == "active"


def test_a_page_says_so_in_plain_words(owner: User, locked_rule: Action) -> None:
    client = Client()
    client.force_login(owner)
    answer = client.post(reverse("action-control", args=[locked_rule.pk, "pause"]))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert LOCKED in answer.content.decode()
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    locked_rule.refresh_from_db()
    assert locked_rule.status == "active"


def test_a_button_is_answered_beside_the_page_and_a_live_part_stays_as_it_was(
    owner: User, locked_rule: Action
) -> None:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(owner)
    pressed = client.post(reverse("action-control", args=[locked_rule.pk, "pause"]))
    assert (pressed.status_code, pressed["HX-Retarget"]) == (503, "#toasts")
    assert pressed["HX-Reswap"] == "beforeend"
    words = pressed.content.decode()
    assert LOCKED in words
    assert "<html" not in words
    with patch("tradingrules.views.calendar", side_effect=OperationalError("gone")):
        asked_anew = client.get(reverse("status"))
    assert (asked_anew.status_code, asked_anew["HX-Reswap"]) == (503, "none")


def test_a_database_that_is_gone_is_no_fault_of_the_request(owner: User) -> None:
    gone = OperationalError("the connection is closed")
    client = Client()
    client.force_login(owner)
    api = Api(owner)
    with patch("rest_framework.views.APIView.initial", side_effect=gone):
        answer = api.get("/actions")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["detail"] == GONE
    with patch("tradingrules.views.calendar", side_effect=gone):
        page = client.get(reverse("status"))
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert GONE in page.content.decode()


def test_both_ends_of_a_connection_let_go_of_one_that_answers_no_more() -> None:
    """The times follow those that a session may be silent: the tests' 900 s."""
    options = connection.settings_dict["OPTIONS"]
    assert {name: options[name] for name in options.keys() - {"options", "application_name"}} == {
        "connect_timeout": 10,
        "keepalives_idle": 450,
        "keepalives_interval": 150,
        "keepalives_count": 3,
        "tcp_user_timeout": 900_000,
    }
    for asked in (
        "tcp_keepalives_idle=450",
        "tcp_keepalives_interval=150",
        "tcp_keepalives_count=3",
        "tcp_user_timeout=900s",
    ):
        assert f"-c {asked}" in options["options"]
