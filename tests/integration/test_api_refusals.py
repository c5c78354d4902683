"""Bad calls beside those of the shared table: each is refused by name and changes nothing."""

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from actions.engine import take_in
from actions.models import Action
from actions.services import Draft, create_action
from market.services import follow
from portfolios.models import Portfolio
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api, wrong_fields
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]
NOBODYS = "00000000-0000-4000-8000-000000000000"
REBALANCE = {
    "action_type": "REBALANCE",
    "symbol": None,
    "quantity": None,
    "trigger_type": "drift",
    "trigger_params": {"tolerance_pct": 5},
}


@pytest.fixture
def owner(feed: Feed) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=timezone.now())
    return user


@pytest.fixture
def rule(owner: User) -> Action:
    draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(1)})
    return create_action(user=owner, draft=draft, now=timezone.now())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": "1" * 40}, "quantity"),
        ({"quantity": "0." + "1" * 40}, "quantity"),
        ({"quantity": "1e999"}, "quantity"),
        ({"quantity": "-Infinity"}, "quantity"),
        ({"quantity": False}, "quantity"),
        ({"quantity": "１０"}, "quantity"),
        ({"quantity": "1_0"}, "quantity"),
        ({"quantity": [10]}, "quantity"),
        ({"quantity": None, "amount_usd": True}, "amount_usd"),
        ({"symbol": "АAPL"}, "symbol"),  # a Cyrillic A
        ({"symbol": "\u202eLPAA"}, "symbol"),
        ({"symbol": "AAPL\u200b"}, "symbol"),
        ({"symbol": ["AAPL"]}, "symbol"),
        ({"symbol": ""}, "symbol"),
        ({"trigger_params": {"threshold": True}}, "trigger_params.threshold"),
        ({"trigger_params": {"threshold": {"$gt": 0}}}, "trigger_params.threshold"),
        ({"trigger_params": {"threshold": 150, "peak": 1}}, "trigger_params.peak"),
        ({"trigger_params": [150]}, "trigger_params"),
        ({"trigger_params": None}, "trigger_params"),
        ({"action_params": "x"}, "action_params"),
        ({"action_params": {"targets": {"AAPL": 1}}}, "action_params.targets"),
        (
            {**REBALANCE, "action_params": {"targets": {"AAPL": "0.7", "aapl": "0.1"}}},
            "action_params.targets",
        ),
        (
            {**REBALANCE, "action_params": {"targets": {"NOPE": "0.7"}}},
            "action_params.targets.NOPE",
        ),
        ({"runtime_state": {"armed": True}}, "runtime_state"),
        ({"user_id": NOBODYS}, "user_id"),
        ({"id": NOBODYS}, "id"),
        ({"processing_lease_until": None}, "processing_lease_until"),
        ({"status": "paused"}, "status"),
        ({"portfolio_id": "mine"}, "portfolio_id"),
        ({"portfolio_id": NOBODYS}, "portfolio_id"),
        ({"valid_until": "2031-01-01T00:00:00"}, "valid_until"),
        ({"valid_until": "0001-01-01"}, "valid_until"),
        ({"valid_from": "now"}, "valid_from"),
        ({"max_executions": 1.5}, "max_executions"),
        ({"max_executions": "3"}, "max_executions"),
        ({"max_executions": 2**40}, "max_executions"),
        ({"cooldown_seconds": 10**12}, "cooldown_seconds"),
        ({"notes": "n" * 2001}, "notes"),
        ({"notes": ["n"]}, "notes"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_is_refused_by_name(
    owner: User, changes: dict[str, Any], field: str
) -> None:
    before = stored()
    response = Api(owner).post("/actions", {**PRICE_BELOW, **changes})
    assert response.status_code == 400
    assert field in wrong_fields(response)
    assert all(error["message"] for error in response.json()["errors"])
    assert stored() == before


def test_a_rule_may_live_until_the_last_day_that_all_clocks_show(owner: User) -> None:
    response = Api(owner).post("/actions", {**PRICE_BELOW, "valid_until": "9998-12-31"})
    assert response.status_code == 201
    assert response.json()["valid_until"].startswith("9998-12-31T21:00:00")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York"])
@pytest.mark.parametrize(
    ("field", "at"),
    [
        ("valid_until", "9999-12-31"),
        ("valid_until", "9999-12-31T23:59:59Z"),
        ("valid_from", "9999-12-31T22:00:00Z"),
        ("valid_from", "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_that_some_clock_cannot_show_is_refused(zone: str, field: str, at: str) -> None:
    api = Api(UserFactory.create(time_zone=zone))
    response = api.post("/actions", {**PRICE_BELOW, field: at})
    assert response.status_code == 400
    assert wrong_fields(response) == [field]
    assert api.get("/actions").json()["results"] == []


def test_anothers_portfolio_is_no_portfolio(owner: User) -> None:
    others = primary_portfolio(user=UserFactory.create()).pk
    unknown = Api(owner).post("/actions", {**PRICE_BELOW, "portfolio_id": str(uuid4())})
    refused = Api(owner).post("/actions", {**PRICE_BELOW, "portfolio_id": str(others)})
    assert (refused.status_code, refused.content) == (400, unknown.content)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", "symbol=AAPL", 415),
        ("multipart/form-data; boundary=x", "--x--", 415),
        ("text/plain", "{}", 415),
        ("", "{}", 415),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", "[]", 400),
        ("application/json", "null", 400),
        ("application/json", "1", 400),
        ("application/json", json.dumps({**PRICE_BELOW, "notes": "n" * 2**20}), 413),
    ],
)
def test_a_body_of_another_kind_is_refused(
    owner: User, content_type: str, body: bytes | str, status: int
) -> None:
    response = Api(owner)("POST", "/actions", body, content_type=content_type)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert not Action.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1e3",
        "page=99999999999999999999",
        "page_size=201",
        "page_size=0",
        "status=",
        "status=Active",
        "status=active&status=paused",
        "trigger_type=x",
        "action_type=buy",
        "portfolio_id=1",
        "ordering=password",
        "ordering=user__password",
        "search=%00",
        "symbol=" + "A" * 17,
        "user_id=1",
        "format=xml",
        "limit=5",
    ],
)
def test_a_bad_filter_is_refused(owner: User, query: str) -> None:
    response = Api(owner).get(f"/actions?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "market",
    [
        {"price": 0},
        {"price": True},
        {"price": "1e30"},
        {"closes": "1,2"},
        {"closes": [1, -1]},
        {"closes": [1] * 501},
        {"volume": -1},
        {"volume": 1.5},
        {"volume": 2**63},
        {"at": "noon"},
        {"at": "1492-10-12T00:00:00Z"},
        {"at": "9999-01-01T00:00:00Z"},
        {"prices": {"aa pl": 1}},
        {"prices": [1]},
        {"runtime_state": []},
        {"runtime_state": "x"},
        {"now": 1},
        [],
    ],
    ids=str,
)
def test_a_market_that_cannot_be_is_refused(owner: User, rule: Action, market: Any) -> None:
    before = stored()
    response = Api(owner).post(f"/actions/{rule.pk}/simulate", market)
    assert response.status_code == 400
    assert stored() == before


@pytest.mark.parametrize(
    "state",
    [
        {"peak": "high"},
        {"peak": []},
        {"peak": None},
        {"peak": {"peak": 1}},
        {"peak": True},
        {"peak": 10**40},
        {"x": 1},
    ],
    ids=str,
)
def test_a_forged_state_is_no_fault(owner: User, rule: Action, state: dict[str, Any]) -> None:
    Action.objects.update(trigger_type="trailing_stop", trigger_params={"percent": "5"})
    before = stored()
    asked = {"price": 100, "runtime_state": state}
    response = Api(owner).post(f"/actions/{rule.pk}/simulate", asked)
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        assert wrong_fields(response) == ["runtime_state"]
    assert stored() == before


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("deposit", {"amount": "0.001"}, 400, "amount"),
        ("deposit", {"amount": -5}, 400, "amount"),
        ("deposit", {"amount": "1e15"}, 400, "amount"),
        ("deposit", {}, 400, "amount"),
        ("deposit", {"amount": 5, "note": "n" * 201}, 400, "note"),
        ("withdraw", {"amount": "10000.01"}, 409, "insufficient_cash"),
        ("trade", {"side": "HOLD", "symbol": "AAPL", "quantity": 1}, 400, "side"),
        ("trade", {"side": "BUY", "symbol": "NOPE", "quantity": 1}, 400, "symbol"),
        ("trade", {"side": "BUY", "symbol": "AAPL", "quantity": 1, "price": 1}, 400, "price"),
    ],
)
def test_money_is_moved_as_it_should_be_or_not_at_all(
    owner: User, path: str, body: dict[str, Any], status: int, named: str
) -> None:
    before = stored()
    portfolio = primary_portfolio(user=owner)
    refused = Api(owner).post(f"/portfolios/{portfolio.pk}/{path}", body)
    assert refused.status_code == status
    assert named in {refused.json()["code"], *wrong_fields(refused)}
    assert stored() == before


def test_money_and_shares_are_moved_through_the_ledger(owner: User, feed: Feed) -> None:
    api, portfolio = Api(owner), primary_portfolio(user=owner)
    path = f"/portfolios/{portfolio.pk}"
    assert api.post(f"{path}/deposit", {"amount": "500.50"}).json()["cash_after"] == "10500.50"
    assert api.post(f"{path}/withdraw", {"amount": 500.5}).json()["cash_after"] == "10000.00"
    now = timezone.now()
    feed.says("AAPL", "100", now)
    follow(symbols=["AAPL"])
    take_in([feed.samples["AAPL"]], now)
    order = {"side": "BUY", "symbol": "aapl", "quantity": "1.5"}
    assert api.post(f"{path}/trade", order).json()["amount"] == "-150.00"
    told = api.get(path).json()
    assert (told["cash"], told["value"]) == ("9850.00", "10000.00")
    assert told["holdings"][0]["quantity"] == "1.5"
    kinds = [line["kind"] for line in api.get(f"{path}/transactions").json()["results"]]
    assert kinds == ["buy", "withdrawal", "deposit", "deposit"]
    quotes = api.get("/quotes?symbols=AAPL,MSFT").json()["results"]
    assert [(quote["symbol"], quote["price"], quote["fresh"]) for quote in quotes] == [
        ("AAPL", "100", True)
    ]
    assert api.get("/instruments?search=aap").json()["results"][0]["symbol"] == "AAPL"


def test_a_portfolio_is_opened_once_by_a_name(owner: User) -> None:
    api = Api(owner)
    assert api.post("/portfolios", {"name": "Savings"}).status_code == 201
    again = api.post("/portfolios", {"name": "Savings"})
    assert (again.status_code, wrong_fields(again)) == (400, ["name"])
    assert [each["name"] for each in api.get("/portfolios").json()["results"]] == [
        "Main",
        "Savings",
    ]
    assert Portfolio.objects.filter(user=owner).count() == 2


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/actions/", "/actions/1", "/actions/x/simulate", "/actions/%0Ax", "/x%0A"],
)
def test_what_there_is_not_is_a_problem_too(path: str) -> None:
    for method in ("GET", "POST"):
        answer = Client(enforce_csrf_checks=True).generic(method, f"/api{path}")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_method_that_there_is_not_is_named_with_those_that_there_are(owner: User) -> None:
    answer = Api(owner)("PUT", "/actions", {})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer["Allow"]


def test_whether_it_is_there_is_told_to_whoever_asks() -> None:
    assert Api().get("/health").json() == {"status": "ok"}
    assert Api().get("/ready").json() == {"status": "ok"}
