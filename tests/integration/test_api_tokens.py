"""Tokens: got, renewed, ended, and kept from those who guess."""

import time
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts import second_factor
from accounts.models import User
from tests.api import Api, bearer, wrong_fields
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory.create(username="ada")


def obtained(**more: str) -> Any:
    return Api().post("/token", {"username": "ada", "password": PASSWORD, **more})


def with_token(access: str) -> int:
    return int(Api()("GET", "/portfolios", authorization=f"Bearer {access}").status_code)


def test_a_token_opens_the_api_and_nothing_else_does(user: User) -> None:
    tokens = obtained().json()
    assert with_token(tokens["access"]) == 200
    assert with_token(tokens["refresh"]) == 401
    assert with_token(tokens["access"][:-2] + "xx") == 401
    nobody = Api().get("/portfolios")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "not_authenticated")
    assert nobody["WWW-Authenticate"].startswith("Bearer")


def test_the_session_of_the_pages_opens_it_too_but_not_without_its_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get("/api/portfolios").status_code == 200
    refused = client.post("/api/portfolios", {"name": "x"}, content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")


def test_a_long_token_is_used_up_when_it_is_renewed(user: User) -> None:
    first = obtained().json()["refresh"]
    renewed = Api().post("/token/refresh", {"refresh": first}).json()
    assert with_token(renewed["access"]) == 200
    again = Api().post("/token/refresh", {"refresh": first})
    assert (again.status_code, again.json()["code"]) == (401, "token_not_valid")
    assert Api().post("/token/refresh", {"refresh": renewed["refresh"]}).status_code == 200


def test_a_long_token_can_be_ended(user: User) -> None:
    refresh = obtained().json()["refresh"]
    assert Api().post("/token/blacklist", {"refresh": refresh}).status_code == 204
    assert Api().post("/token/refresh", {"refresh": refresh}).status_code == 401
    assert Api().post("/token/blacklist", {"refresh": "nonsense"}).status_code == 401


def test_a_changed_password_and_a_closed_account_end_every_token(user: User) -> None:
    tokens = obtained().json()
    user.set_password("another horse")
    user.save()
    assert with_token(tokens["access"]) == 401
    fresh = bearer(user)["Authorization"].partition(" ")[2]
    assert with_token(fresh) == 200
    User.objects.update(is_active=False)
    assert with_token(fresh) == 401
    assert Api().post("/token/refresh", {"refresh": tokens["refresh"]}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ada"},
        {"username": 5, "password": "x"},
        {"username": "a\0", "password": "x"},
        {"username": "ada", "password": "x", "is_staff": True},
        [],
        "ada",
    ],
)
def test_what_are_no_credentials_is_refused_by_name(user: User, body: Any) -> None:
    refused = Api().post("/token", body)
    assert refused.status_code == 400
    assert refused.json()["code"] in {"invalid", "malformed"}


def test_after_five_failures_even_the_right_password_waits_out_the_lock(user: User) -> None:
    for _ in range(4):
        refused = obtained(password="wrong")
        assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")
    for answer in (obtained(password="wrong"), obtained()):
        assert (answer.status_code, answer.json()["code"]) == (429, "locked_out")
        assert answer["Retry-After"] == "900"
        assert answer["Content-Type"] == "application/problem+json"
    page = Client().post("/sign-in", {"login": "ada", "password": PASSWORD})
    assert (page.status_code, page["Retry-After"]) == (429, "900")
    admin = Client().post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert admin["Location"].startswith("/sign-in"), "the admin has no door of its own"
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").post(
        "/api/token", {"username": "ada", "password": PASSWORD}, content_type="application/json"
    )
    assert elsewhere.status_code == 200, "a stranger cannot lock the owner out from elsewhere"


def test_a_success_forgets_the_failures_before_it(user: User) -> None:
    for _ in range(2):
        for _ in range(4):
            obtained(password="wrong")
        assert obtained().status_code == 200


def test_a_forged_address_does_not_get_around_the_lock(user: User, settings: Settings) -> None:
    def attempt(forwarded: str) -> int:
        return int(
            Api()
            .post("/token", {"username": "ada", "password": "wrong"}, x_forwarded_for=forwarded)
            .status_code
        )

    assert [attempt(f"192.0.2.{n}") for n in range(6)][-1] == 429
    cache.clear()
    settings.TRUSTED_PROXIES = 1
    assert [attempt(f"192.0.2.{n}, 198.51.100.1") for n in range(6)][-1] == 429
    assert attempt("192.0.2.1, 198.51.100.2") == 401


@pytest.mark.usefixtures("within_a_minute")
def test_attempts_are_counted_by_address_whatever_the_name(user: User, settings: Settings) -> None:
    settings.API_TOKENS_PER_MINUTE = 3
    answers = [obtained(username=f"user{n}") for n in range(4)]
    assert [each.status_code for each in answers[:3]] == [401] * 3
    assert (answers[3].status_code, answers[3].json()["code"]) == (429, "throttled")
    assert 0 < int(answers[3]["Retry-After"]) <= 60


@pytest.mark.usefixtures("within_a_minute")
def test_a_user_who_asks_too_often_waits(user: User, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    api, other = Api(user), Api(UserFactory.create())
    assert [api.get("/portfolios").status_code for _ in range(3)] == [200, 200, 429]
    assert other.get("/portfolios").status_code == 200


def test_who_has_a_second_factor_needs_its_code_for_a_token_too(user: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    recovery = RecoveryCodes.activate(user).get_unused_codes()[0]
    code = f"{hotp_value(secret, int(time.time()) // 30):06d}"
    assert obtained().json()["code"] == "otp_required"
    assert obtained(otp=code).status_code == 200
    assert obtained(otp=code).json()["code"] == "wrong_otp", "a code is good once"
    assert obtained(otp=recovery).status_code == 200
    assert obtained(otp=recovery).json()["code"] == "wrong_otp"
    for _ in range(4):
        obtained(otp="000000")
    later = f"{hotp_value(secret, int(time.time()) // 30 + 1):06d}"
    assert obtained(otp=later).status_code == 429, "codes cannot be tried without end"


def test_without_a_second_factor_no_code_is_asked_for(user: User) -> None:
    assert not second_factor.has_second_factor(user)
    assert obtained(otp="anything").status_code == 200
    assert wrong_fields(obtained(otp="x" * 200)) == ["otp"]
