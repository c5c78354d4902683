"""Whose things are whose: every address of the site that names one, by every method.

The table is read from the URL configuration, so that a new address is in it by itself. One whose
parameter is not known here fails, until OWNED says how to make what it names.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.api_tokens import make_token
from accounts.models import ApiToken, User
from actions.backtesting.runs import ask_for_backtest
from actions.backtesting.terms import Wish
from actions.bulk.imports import open_import
from actions.models import Action, ActionExecution, Backtest, Notification, RuleImport
from actions.services import Draft, create_action
from chat.models import Conversation, Proposal
from chat.services import say
from portfolios.services import deposit, primary_portfolio
from rest.scopes import Scope
from tests.api import PRICE_BELOW, bearer
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOT_THERE = uuid4()

# Its own permissions guard it, an address for each model.
SOMEBODY_ELSES = ("admin/",)
# Parameters that name nothing of anybody's: a signed link is its own key, the rest is not there.
NO_IDS = {"token", "path", "symbol", "step", "wish"}
WORDS = {"step": "action", "wish": "pause"}  # in the place of those that are one of a few


class Address(NamedTuple):
    """An address that names somebody's thing by a parameter."""

    path: str
    parameter: str

    @property
    def is_api(self) -> bool:
        return self.path.startswith("api/")

    def of(self, id: object) -> str:
        return "/" + self.path.replace("{}", str(id))


def addresses() -> Iterator[Address]:
    for path, parameters in walk(get_resolver(), ""):
        if named := [name for name in parameters if name not in NO_IDS]:
            yield Address(path, ",".join(named))


def walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, list[str]]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith(SOMEBODY_ELSES):
            continue
        if isinstance(entry, URLResolver):
            yield from walk(entry, path)
        elif isinstance(entry, URLPattern):
            yield from plain(path, list(entry.pattern.converters))


def plain(path: str, parameters: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The address with {} in the place of each parameter."""
    for parameter in parameters:
        head, _, tail = path.partition("<")
        path = f"{head}{WORDS.get(parameter, '{}')}{tail.partition('>')[2]}"
    yield path, parameters


def rule_of(owner: User, now: datetime) -> Action:
    draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(1)})
    return create_action(user=owner, draft=draft, now=now)


def execution_of(owner: User, now: datetime) -> ActionExecution:
    return ActionExecution.objects.create(
        action=rule_of(owner, now), sequence=1, execution_status="success", details={}
    )


def notification_of(owner: User, now: datetime) -> Notification:
    return Notification.objects.create(user=owner, subject="told", body="", created_at=now)


def conversation_of(owner: User, now: datetime) -> Conversation:
    return say(user=owner, text="hello", now=now).conversation


def proposal_of(owner: User, now: datetime) -> Proposal:
    return say(user=owner, text="tell me when AAPL is below 150", now=now).proposals.get()


def backtest_of(owner: User, now: datetime) -> Backtest:
    noon = Draft(action_type="NOTIFY", trigger_type="time_of_day", trigger_params={"time": "12:00"})
    wish = Wish(draft=noon, start=now - timedelta(days=3))
    return ask_for_backtest(user=owner, wish=wish, clock=timezone.now)


def import_of(owner: User, now: datetime) -> RuleImport:
    return open_import(user=owner, content=b"external_id\n", name="rules.csv", now=now)


def token_of(owner: User, now: datetime) -> ApiToken:
    lasts = timedelta(days=1)
    return make_token(user=owner, name="x", scope=Scope.READ, now=now, lasts=lasts)[0]


# How to make what a parameter names.
OWNED: dict[str, Callable[[User, datetime], Any]] = {
    "action_id": rule_of,
    "portfolio_id": lambda owner, now: primary_portfolio(user=owner),
    "execution_id": execution_of,
    "notification_id": notification_of,
    "conversation_id": conversation_of,
    "proposal_id": proposal_of,
    "backtest_id": backtest_of,
    "token_id": token_of,
    "import_id": import_of,
}
TABLE = list(addresses())


def test_the_table_has_the_addresses_that_are_known_to_name_something() -> None:
    paths = {address.path for address in TABLE}
    assert {"api/actions/{}", "api/actions/{}/why", "api/portfolios/{}/withdraw"} <= paths
    assert {address.parameter for address in TABLE} <= OWNED.keys(), "OWNED says how to make one"


@pytest.mark.django_db
@pytest.mark.usefixtures("instruments", "feed")
@pytest.mark.parametrize("address", TABLE, ids=lambda address: address.path)
def test_what_is_anothers_is_not_there_and_stays_as_it_is(address: Address, feed: Feed) -> None:
    now = timezone.now()
    owner = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(10_000), at=now)
    thing = OWNED[address.parameter](owner, now)
    stranger = UserFactory.create()
    staff = UserFactory.create(is_staff=True)
    primary_portfolio(user=stranger)
    primary_portfolio(user=staff)
    clients = {user.pk: signed_in(user) for user in (stranger, staff)}
    before = stored()
    for method in METHODS:
        nobody = call(Client(), None, method, address.of(thing.pk))
        assert nobody.status_code in ({401} if address.is_api else {302, 403, 405})
        if nobody.status_code == 302:
            assert "/sign-in" in nobody["Location"] or "login" in nobody["Location"]
        for user in (stranger, staff):
            answer = call(clients[user.pk], user, method, address.of(thing.pk))
            unknown = call(clients[user.pk], user, method, address.of(NOT_THERE))
            assert answer.status_code in {404, 405}, (method, answer.content)
            assert answer.status_code == unknown.status_code
            if address.is_api:
                assert answer.content == unknown.content, "nothing tells whether there is one"
    asked = (call(clients[stranger.pk], stranger, each, address.of(thing.pk)) for each in METHODS)
    assert 404 in {answer.status_code for answer in asked}
    assert stored() == before


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def call(client: Client, user: User | None, method: str, path: str) -> Any:
    """By the client's session where it is a page, by a token where it is the API's."""
    headers: dict[str, str] = {}
    if path.startswith("/api/"):
        client = Client()
        headers = bearer(user) if user else {}
    return client.generic(method, path, "{}", content_type="application/json", headers=headers)
