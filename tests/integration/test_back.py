"""A form that says where it was leads back there, and nowhere else."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

ELSEWHERE = [
    "",
    "x",
    "conversation",  # a page's name, which needs more
    "actions",
    "https://evil.example.org/",
    "//evil.example.org/",
    "/\\evil.example.org/",
    "javascript:alert(1)",
    "\x00",
]


@pytest.fixture
def visitor() -> Client:
    client = Client()
    client.force_login(UserFactory.create())
    return client


@pytest.mark.parametrize("next", ELSEWHERE, ids=repr)
@pytest.mark.parametrize(("name", "otherwise"), [("theme", "/"), ("pause-everything", "/actions")])
def test_what_is_no_path_of_this_site_leads_to_a_page_that_is_there(
    visitor: Client, name: str, otherwise: str, next: str
) -> None:
    answer: Any = visitor.post(reverse(name), {"next": next})
    assert (answer.status_code, answer.url) == (302, otherwise)


@pytest.mark.parametrize("name", ["theme", "pause-everything"])
def test_a_path_of_this_site_is_gone_back_to(visitor: Client, name: str) -> None:
    answer: Any = visitor.post(reverse(name), {"next": "/actions?page=2"})
    assert (answer.status_code, answer.url) == (302, "/actions?page=2")


@pytest.mark.parametrize("page", ["account_login", "account_signup", "account_reset_password"])
def test_a_next_that_is_no_address_is_passed_over(page: str) -> None:
    answer = Client().get(reverse(page), {"next": "http://[::1"}, secure=True)
    assert answer.status_code == 200


def test_signing_out_leads_home_from_what_is_no_address(visitor: Client) -> None:
    answer: Any = visitor.post(reverse("account_logout"), {"next": "http://[::1"}, secure=True)
    assert (answer.status_code, answer.url) == (302, "/sign-in")
