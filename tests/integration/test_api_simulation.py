"""Rules tried over HTTP on a market that is made up."""

import pytest

from accounts.models import User
from tests.api import PRICE_BELOW, Api, written, wrong_fields
from tests.conftest import Feed
from tests.integration.test_api_bad_calls import stored
from tests.integration.test_api_rules import BUY, api, owner

__all__ = ["api", "owner"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


def test_a_simulation_tells_what_would_be_done_and_does_nothing(api: Api) -> None:
    rule = written(api, **BUY)
    before = stored()
    told = api.post(f"/actions/{rule['id']}/simulate", {"price": "149.50"}).json()
    assert stored() == before
    assert (told["would_fire"], told["outcome"]) == (True, "fired")
    assert told["reason"] == "AAPL at $149.50 is at or below $150.00."
    assert told["orders"] == [
        {"side": "buy", "symbol": "AAPL", "quantity": "10", "price": "149.5", "amount": "1495.00"}
    ]
    assert (told["cash_before"], told["cash_after"]) == ("10000.00", "8505.00")
    assert told["holdings_after"] == {"AAPL": {"quantity": "10", "cost_basis": "1495.00"}}
    assert [gate["gate"] for gate in told["gates"]] == [
        "validity",
        "status",
        "session",
        "cooldown",
        "max_executions",
        "portfolio",
        "day",
    ]
    assert all(gate["open"] for gate in told["gates"])
    assert told["next_watch"] == []


def test_a_simulation_says_when_a_rule_that_does_not_fire_is_looked_at_again(api: Api) -> None:
    rule = written(api)
    told = api.post(f"/actions/{rule['id']}/simulate", {"price": 160}).json()
    assert (told["would_fire"], told["outcome"], told["orders"]) == (False, "not_fired", [])
    (band,) = told["next_watch"]
    assert (band["symbol"], band["below"], band["above"]) == ("AAPL", "150", None)


def test_a_simulation_names_the_refusal_and_the_shut_gate(api: Api, owner: User) -> None:
    rule = written(api)
    told = api.post(f"/actions/{rule['id']}/simulate", {"price": "149"}).json()
    assert told["would_fire"]
    assert told["refusal"]["code"] == "insufficient_shares"
    assert told["cash_after"] == told["cash_before"]
    api.patch(f"/actions/{rule['id']}", {"status": "paused"})
    told = api.post(f"/actions/{rule['id']}/simulate", {"price": "149"}).json()
    assert (told["outcome"], told["reason"]) == ("blocked", "The rule is paused.")


def test_a_rule_that_is_not_stored_can_be_tried(api: Api, feed: Feed) -> None:
    before = stored()
    rule = {
        **PRICE_BELOW,
        **BUY,
        "trigger_type": "ma_cross",
        "trigger_params": {"short": 2, "long": 3, "direction": "up"},
    }
    market = {"closes": ["10", "9", "8", "12"], "price": "12", "runtime_state": {}}
    told = api.post("/actions/simulate", {"rule": rule, "market": market}).json()
    assert told["outcome"] == "not_fired"
    assert told["reason"].startswith("AAPL's 2-day average crossed above its 3-day average")
    assert told["reason"].endswith("before it began.")
    told = api.post("/actions/simulate", {"rule": PRICE_BELOW, "market": {"price": "1"}}).json()
    assert told["would_fire"]
    refused = api.post("/actions/simulate", {"rule": {**PRICE_BELOW, "symbol": "NOPE"}})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["symbol"])
    assert stored() == before


def test_a_simulation_takes_the_prices_of_other_symbols(api: Api) -> None:
    rule = written(
        api,
        action_type="REBALANCE",
        symbol=None,
        quantity=None,
        trigger_type="drift",
        trigger_params={"tolerance_pct": "5"},
        action_params={"targets": {"AAPL": "0.5", "MSFT": "0.25"}},
    )
    told = api.post(f"/actions/{rule['id']}/simulate", {"prices": {"AAPL": 100, "MSFT": 50}}).json()
    assert told["would_fire"], told
    assert [order["symbol"] for order in told["orders"]] == ["AAPL", "MSFT"]
    assert told["cash_after"] == "2500.00"
    refused = api.post(f"/actions/{rule['id']}/simulate", {"price": 100})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["prices"])


def test_a_simulation_remembers_what_it_is_told_to(api: Api) -> None:
    rule = written(api, trigger_type="trailing_stop", trigger_params={"percent": "10"})
    path = f"/actions/{rule['id']}/simulate"
    assert (
        api.post(path, {"price": 91, "runtime_state": {"peak": "100"}}).json()["would_fire"]
        is False
    )
    assert api.post(path, {"price": 90, "runtime_state": {"peak": "100"}}).json()["would_fire"]
