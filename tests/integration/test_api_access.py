"""API tokens: made by who proves to be their owner, good for their scope and for nothing else."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, hotp_value
from django.core import mail
from django.db import IntegrityError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings
from rest_framework.views import APIView

from accounts.api_tokens import MOST, TokenRefused, make_token, token_of
from accounts.models import ApiToken, User
from rest.scopes import Scope, scope_of
from tests.api import PRICE_BELOW, Api, bearer
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def ada() -> User:
    return UserFactory.create(username="ada", email="ada@example.org")


def key_of(user: User, scope: Scope = Scope.TRADE, name: str = "My robot") -> str:
    _, key = make_token(user=user, name=name, scope=scope, now=datetime.now(UTC), lasts=MONTH)
    return key


def call(key: str, method: str, path: str, body: Any = None) -> Any:
    return Api()(method, path, body, authorization=f"Bearer {key}")


# --- Every address there is ---


def views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from views(entry, path)
        elif isinstance(entry, URLPattern) and path.startswith("api/"):
            yield path, getattr(entry.callback, "cls", None)


API = [(path, view) for path, view in views(get_resolver()) if view]
OPERATIONS = [
    (path, method, scope_of(view, method))
    for path, view in API
    for method in METHODS
    if hasattr(view, method.lower()) and method != "OPTIONS"
]
# What asks nobody who they are: nothing there is anybody's.
FOR_ALL = {
    ("api/token", "POST"),
    ("api/token/refresh", "POST"),
    ("api/token/blacklist", "POST"),
    ("api/health", "GET"),
    ("api/ready", "GET"),
    ("api/schema", "GET"),
}


def test_every_operation_names_its_scope_or_asks_nobody_who_they_are() -> None:
    unnamed = {(path, method) for path, method, scope in OPERATIONS if scope is None}
    assert unnamed == FOR_ALL
    for path, view in API:
        if (path, "GET") in FOR_ALL or (path, "POST") in FOR_ALL:
            assert view.authentication_classes == ()
    assert len(OPERATIONS) - len(unnamed) > 20


@pytest.mark.parametrize("scope", Scope)
def test_a_token_opens_what_its_scope_includes_and_is_refused_the_rest(
    ada: User, scope: Scope
) -> None:
    key = key_of(ada, scope)
    opened = set()
    for path, method, asked in OPERATIONS:
        if asked is None:
            continue
        address = re.sub(r"<uuid:\w+>", "0190a1b2-0000-7000-8000-000000000000", path)
        answer = call(key, method, address.removeprefix("api"), {"unknown": "field"})
        assert answer.status_code != 401
        refused = answer.status_code == 403 and answer.json()["code"] == "insufficient_scope"
        assert refused != scope.includes(asked), (method, path)
        if refused:
            assert f"“{asked}”" in answer.json()["detail"]
        else:
            opened.add(asked)
    assert opened == {one for one in Scope if scope.includes(one)}


def test_an_address_that_names_no_scope_is_shut_to_every_token(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (view,) = [view for path, view in API if path == "api/portfolios"]

    def get(self: APIView, request: Any) -> Any:
        raise AssertionError("nobody may come here")

    monkeypatch.setattr(view, "get", get)
    refused = call(key_of(ada), "GET", "/portfolios")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_the_other_ways_in_have_no_scope_and_open_everything(ada: User) -> None:
    assert Api(ada).get("/portfolios").status_code == 200
    client = Client()
    client.force_login(ada)
    assert client.get("/api/portfolios").status_code == 200


@pytest.mark.usefixtures("instruments", "feed")
def test_a_token_reads_and_writes_as_its_owner_alone(ada: User) -> None:
    key = key_of(ada, Scope.RULES)
    made = call(key, "POST", "/actions", PRICE_BELOW)
    assert made.status_code == 201
    path = f"/actions/{made.json()['id']}"
    assert call(key, "GET", path).status_code == 200
    assert call(key, "POST", f"{path}/execute-now", {}).status_code == 403
    stranger = key_of(UserFactory.create())
    assert call(stranger, "GET", path).status_code == 404


# --- Good, and no longer good ---


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda token, key: ApiToken.objects.update(
            created_at=datetime(2020, 1, 1, tzinfo=UTC), expires_at=datetime(2020, 2, 1, tzinfo=UTC)
        ),
        lambda token, key: token.delete(),
        lambda token, key: User.objects.update(is_active=False),
    ],
    ids=["expired", "revoked", "its owner's account closed"],
)
def test_a_token_that_is_no_longer_good_is_refused_like_one_that_never_was(
    ada: User, spoilt: Any
) -> None:
    key = key_of(ada)
    assert call(key, "GET", "/portfolios").status_code == 200
    spoilt(ApiToken.objects.get(), key)
    refused, unknown = call(key, "GET", "/portfolios"), call("tr_x", "GET", "/portfolios")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")
    assert refused["WWW-Authenticate"].startswith("Bearer")
    assert refused.content == unknown.content


def test_a_key_is_kept_as_a_digest_and_its_use_is_noted_to_the_minute(ada: User) -> None:
    now = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
    token, key = make_token(user=ada, name="x", scope=Scope.READ, now=now, lasts=MONTH)
    assert key.startswith("tr_")
    row = ApiToken.objects.values().get()
    assert not any(key in str(value) for value in row.values())
    assert (row["ending"], len(row["digest"])) == (key[-4:], 32)
    for seconds, noted in ((5, 5), (30, 5), (66, 66)):
        assert token_of(key=key, now=now + timedelta(seconds=seconds)) == token
        token.refresh_from_db()
        assert token.last_used_at == now + timedelta(seconds=noted)
    assert token_of(key=key, now=now + MONTH) is None


def test_names_are_told_apart_and_tokens_do_not_pile_up(ada: User) -> None:
    now = datetime.now(UTC)
    key_of(ada, name="Sheet")
    with pytest.raises(TokenRefused, match="of this name"):
        key_of(ada, name="sheet")
    key_of(UserFactory.create(), name="sheet")
    for n in range(MOST - 1):
        key_of(ada, name=f"token {n}")
    with pytest.raises(TokenRefused, match="You have 50 tokens"):
        key_of(ada, name="one more")
    token = ApiToken.objects.first()
    assert token is not None
    with pytest.raises(IntegrityError, match="api_token_span"):
        ApiToken.objects.filter(pk=token.pk).update(expires_at=now - MONTH, created_at=now)


@pytest.mark.parametrize("key", ["tr_", "tr_" + "x" * 5000, "tr_é", "tr_a b"])
def test_what_is_no_key_is_refused(ada: User, key: str) -> None:
    answer = Client().get("/api/portfolios", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 401


@pytest.mark.usefixtures("within_a_minute")
def test_who_tries_keys_waits_and_who_has_one_does_not(ada: User, settings: Settings) -> None:
    settings.API_TOKENS_PER_MINUTE = 3
    key = key_of(ada)
    tried = [call(f"tr_guess{n}", "GET", "/portfolios").status_code for n in range(5)]
    assert tried == [401, 401, 401, 429, 429]
    assert call(key, "GET", "/portfolios").status_code == 200


@pytest.mark.usefixtures("within_a_minute")
def test_a_token_counts_towards_its_owners_requests(ada: User, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    key = key_of(ada)
    answers = [call(key, "GET", "/portfolios").status_code for _ in range(2)]
    answers.append(Api(ada).get("/portfolios").status_code)
    assert answers == [200, 200, 429]


# --- Made on the page ---


def signed_in(user: User, password: str = PASSWORD) -> Client:
    client = Client()
    answer = client.post("/sign-in", {"login": user.username, "password": password})
    assert answer.status_code == 302
    return client


FORM = {"name": "sheet", "scope": "read", "lasts": "30"}


def test_whoever_makes_a_token_says_once_more_who_they_are_and_loses_nothing(ada: User) -> None:
    client = signed_in(ada)
    asked = client.post("/account/api/new", FORM)
    assert asked["Location"].startswith("/sign-in/again?next=")
    assert "Forgotten your password?" in client.get(asked["Location"]).content.decode()
    assert not ApiToken.objects.exists()
    assert client.post(asked["Location"], {"password": "wrong"}).status_code == 200
    made = client.post(asked["Location"], {"password": PASSWORD})
    key = made.context["key"]
    assert key in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert call(key, "GET", "/portfolios").status_code == 200
    assert key not in client.get("/account/api").content.decode()
    assert "sheet" in mail.outbox[-1].body
    assert key not in mail.outbox[-1].body
    again = client.post("/account/api/new", FORM)
    assert "You have a token of this name." in again.content.decode()


def test_who_has_a_second_factor_needs_its_code_to_make_one(ada: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(ada, secret)
    codes = RecoveryCodes.activate(ada).get_unused_codes()
    client = signed_in(ada)
    client.post("/account/second-factor/authenticate/", {"code": codes[0]})
    assert client.get("/account").status_code == 200
    asked = client.post("/account/api/new", FORM)
    assert asked["Location"].startswith("/account/second-factor/reauthenticate/")
    # The password alone is not enough, whatever page it is given on.
    client.post("/sign-in/again", {"password": PASSWORD})
    again = client.get("/account/api/new")
    assert again["Location"].startswith("/account/second-factor/reauthenticate/")
    code = f"{hotp_value(secret, int(time.time()) // 30):06d}"
    client.post(again["Location"], {"code": code})
    assert client.get("/account/api/new").status_code == 200
    assert client.post("/account/api/new", FORM).context["key"]


def test_nobody_makes_or_revokes_a_token_for_somebody_else(ada: User) -> None:
    assert Client().get("/account/api/new")["Location"].startswith("/sign-in")
    key_of(ada)
    token = ApiToken.objects.get()
    stranger = signed_in(UserFactory.create())
    assert stranger.post(f"/account/api/{token.pk}/revoke").status_code == 404
    assert stranger.get(f"/account/api/{token.pk}/revoke").status_code == 405
    assert "My robot" not in stranger.get("/account/api").content.decode()
    assert signed_in(ada).post(f"/account/api/{token.pk}/revoke").status_code == 302
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"scope": "everything"}, {"lasts": "99999"}, {"name": ""}, {"name": "x" * 61}]
)
def test_a_form_that_is_wrong_makes_none(ada: User, wrong: dict[str, str]) -> None:
    client = signed_in(ada)
    client.post("/sign-in/again", {"password": PASSWORD})
    answer = client.post("/account/api/new", {**FORM, **wrong})
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == list(wrong)
    assert not ApiToken.objects.exists()


# --- A new password, and other browsers ---


def test_a_new_password_ends_all_tokens_and_all_other_sessions(ada: User) -> None:
    key = key_of(ada)
    here, elsewhere = signed_in(ada), signed_in(ada)
    fresh = "another long horse"
    changed = here.post(
        "/account/password", {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh}
    )
    assert changed.status_code == 302
    assert call(key, "GET", "/portfolios").status_code == 401
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    (left,) = here.get("/account/sessions").context["sessions"]
    assert left.here


def test_one_browser_or_all_others_are_signed_out_and_nobody_elses(ada: User) -> None:
    here, other, third = signed_in(ada), signed_in(ada), signed_in(ada)
    stranger = signed_in(UserFactory.create())
    listed = here.get("/account/sessions").context["sessions"]
    assert [one.here for one in listed] == [True, False, False]
    foreign = stranger.get("/account/sessions").context["sessions"][0]
    for unknown in (str(foreign.id), "x", "99999999999999999999"):
        told = here.post("/account/sessions", {"session": unknown}, follow=True)
        assert "That session is over already." in told.content.decode()
    assert stranger.get("/account").status_code == 200
    here.post("/account/sessions", {"session": listed[1].id})
    assert {other.get("/account").status_code, third.get("/account").status_code} == {200, 302}
    told = here.post("/account/sessions", follow=True)
    assert "Signed out elsewhere: 1 session." in told.content.decode()
    assert third.get("/account").status_code == other.get("/account").status_code == 302
    assert here.get("/account").status_code == 200


@pytest.mark.parametrize("page", ["/account/sessions", "/account/api", "/account"])
def test_the_pages_of_an_account_take_few_statements(
    ada: User, page: str, django_assert_max_num_queries: Any
) -> None:
    client = signed_in(ada)
    for n in range(6):
        signed_in(ada)
        key_of(ada, name=f"token {n}")
    client.get(page)
    with django_assert_max_num_queries(12):
        assert client.get(page).status_code == 200


def test_the_schema_names_the_scope_of_each_operation() -> None:
    schema = Api().get("/schema").json()
    assert schema["components"]["securitySchemes"]["apiToken"]["scheme"] == "bearer"
    security = schema["paths"]["/api/actions"]["post"]["security"]
    assert {"apiToken": ["rules"]} in security
    assert {"jwtAuth": []} in security
    assert schema["paths"]["/api/token"]["post"].get("security", []) in ([], [{}])


def test_a_jwt_is_still_one_and_is_never_taken_for_a_key(ada: User) -> None:
    answer = Client().get("/api/portfolios", headers=bearer(ada))
    assert answer.status_code == 200
