"""Rules over HTTP: written, listed, edited, executed and explained."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from actions.api.shapes import _Answered
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.rows import FIELDS
from actions.services import Draft, cancel_action, create_action
from portfolios.models import Transaction
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api, written, wrong_fields
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def owner() -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=timezone.now())
    return user


@pytest.fixture
def api(owner: User, feed: Feed) -> Api:
    return Api(owner)


BUY = {"action_type": "BUY"}


# --- Writing and reading ---


def test_a_rule_is_stored_and_answered_with_its_sentence(api: Api, owner: User) -> None:
    response = api.post("/actions", {**PRICE_BELOW, "notes": "<b>mine</b>"})
    rule = response.json()
    assert response.status_code == 201
    assert response["Location"].endswith(f"/api/actions/{rule['id']}")
    assert rule["description"] == "Sell 10 AAPL when the price is at or below $150.00, once."
    assert (rule["status"], rule["quantity"], rule["notes"]) == ("active", "10", "<b>mine</b>")
    assert Action.objects.get(user=owner).pk.hex == rule["id"].replace("-", "")
    assert api.get(f"/actions/{rule['id']}").json() == rule


def test_the_answer_has_just_the_fields_of_the_schema(api: Api) -> None:
    assert list(written(api)) == list(FIELDS)
    assert set(_Answered.model_fields) == set(FIELDS)


def test_numbers_are_kept_as_they_were_written(api: Api) -> None:
    body = json.dumps(PRICE_BELOW).replace('"10"', "0.1").replace('"150"', "123456789012.123456")
    rule = api.post("/actions", body).json()
    assert (rule["quantity"], rule["trigger_params"]["threshold"]) == ("0.1", "123456789012.123456")


def test_a_day_ends_a_rule_at_its_close(api: Api) -> None:
    assert written(api, valid_until="2098-12-01")["valid_until"] == "2098-12-01T21:00:00.000000Z"


def test_the_list_is_that_of_the_user_in_pages(api: Api) -> None:
    mine = [written(api, notes=f"rule {n}")["id"] for n in range(3)]
    create_action(
        user=UserFactory.create(),
        draft=Draft(**{**PRICE_BELOW, "quantity": Decimal(1)}),
        now=timezone.now(),
    )
    first = api.get("/actions?page_size=2").json()
    assert [rule["id"] for rule in first["results"]] == mine[:0:-1]
    assert first["previous"] is None
    rest = api.get(first["next"].partition("/api")[2]).json()
    assert [rule["id"] for rule in rest["results"]] == [mine[0]]
    assert rest["next"] is None
    assert rest["results"][0] == api.get(f"/actions/{mine[0]}").json()


def test_the_list_is_filtered_searched_and_ordered(api: Api) -> None:
    buy = written(api, action_type="BUY", symbol="MSFT", notes="Before EARNINGS")["id"]
    sell = written(api)["id"]
    paused = written(api, symbol="IBM")["id"]
    api.patch(f"/actions/{paused}", {"status": "paused"})

    def found(query: str) -> list[str]:
        return [rule["id"] for rule in api.get(f"/actions?{query}").json()["results"]]

    assert found("status=paused") == [paused]
    assert found("symbol=msft") == [buy]
    assert found("action_type=BUY") == [buy]
    assert found("trigger_type=price_above") == []
    assert found("search=earnings") == [buy]
    assert found(f"portfolio_id={uuid4()}") == []
    assert found("ordering=symbol") == [sell, paused, buy]
    assert found("ordering=created_at") == [buy, sell, paused]


def test_a_page_takes_the_same_queries_however_long_it_is(api: Api, owner: User) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api.get(path).status_code == 200
        return len(captured)

    now = timezone.now()
    for n in range(12):
        draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(n + 1)})
        create_action(user=owner, draft=draft, now=now)
    Action.objects.bulk_create(
        Action(
            user=owner,
            action_type="NOTIFY",
            symbol="AAPL",
            trigger_type="price_above",
            trigger_params={"threshold": str(n + 1)},
            created_at=now,
            updated_at=now,
        )
        for n in range(200)
    )
    for n in range(200):
        ActionExecution.objects.create(
            action_id=Action.objects.values_list("pk", flat=True)[0],
            sequence=n + 1,
            execution_status="success",
            details={},
        )
    for path in ("/actions", "/executions"):
        few, many = queries(f"{path}?page_size=10"), queries(f"{path}?page_size=200")
        assert few == many == 2, "who asks, and the rows"


# --- Editing ---


def test_an_edit_checks_the_whole_rule_and_starts_its_trigger_anew(api: Api) -> None:
    rule = written(api, trigger_params={"threshold": "150", "on": "cross"})
    Action.objects.update(runtime_state={"armed": True})
    changed = api.patch(f"/actions/{rule['id']}", {"trigger_params": {"threshold": "140"}}).json()
    assert changed["trigger_params"] == {"threshold": "140"}
    assert changed["runtime_state"] == {}
    assert changed["status_reason"] == "Edited by you: its trigger has started anew."
    refused = api.patch(f"/actions/{rule['id']}", {"symbol": None})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["symbol"])
    assert api.get(f"/actions/{rule['id']}").json() == changed


def test_an_edit_that_leaves_the_condition_alone_leaves_its_state_and_its_lease(api: Api) -> None:
    rule = written(api)
    lease = timezone.now()
    waking = {"woken_at": lease.isoformat(), "quotes": {}}
    Action.objects.update(
        runtime_state={"armed": True}, processing_lease_until=lease, waking_quote=waking
    )
    changed = api.patch(f"/actions/{rule['id']}", {"quantity": "7", "cooldown_seconds": 60}).json()
    assert (changed["quantity"], changed["runtime_state"]) == ("7", {"armed": True})
    assert changed["status_reason"] == ""
    assert Action.objects.get().processing_lease_until == lease


def test_an_edited_threshold_takes_the_rule_from_whoever_just_leased_it(api: Api) -> None:
    rule = written(api)
    lease = timezone.now()
    Action.objects.update(
        processing_lease_until=lease, waking_quote={"woken_at": lease.isoformat(), "quotes": {}}
    )
    api.patch(f"/actions/{rule['id']}", {"trigger_params": {"threshold": "90"}})
    assert Action.objects.get().processing_lease_until is None


def test_an_edited_rule_fires_by_what_it_says_now(api: Api, feed: Feed, owner: User) -> None:
    rule = written(api, **BUY)
    now = timezone.now()
    feed.says("AAPL", "100", now)
    api.patch(f"/actions/{rule['id']}", {"trigger_params": {"threshold": "90"}})
    assert run_tick(now=now).fired == 0
    api.patch(f"/actions/{rule['id']}", {"trigger_params": {"threshold": "110"}, "quantity": "2"})
    assert run_tick(now=timezone.now()).fired == 1
    assert Transaction.objects.get(kind="buy").quantity == 2


def test_a_rule_is_paused_resumed_and_cancelled(api: Api) -> None:
    path = f"/actions/{written(api)['id']}"
    assert api.patch(path, {"status": "paused"}).json()["status"] == "paused"
    assert api.patch(path, {"status": "active", "notes": "on"}).json()["status"] == "active"
    assert api.delete(path).json()["status"] == "cancelled"
    for body in ({"status": "active"}, {"notes": "late"}, {"quantity": "5"}):
        refused = api.patch(path, body)
        assert refused.status_code == 409
        assert refused.json()["code"] in {"transition_refused", "rule_has_ended"}
    assert api.delete(path).status_code == 409


@pytest.mark.parametrize("status", ["completed", "failed", "active"])
def test_a_status_that_people_cannot_give_is_refused(api: Api, status: str) -> None:
    path = f"/actions/{written(api)['id']}"
    refused = api.patch(path, {"status": status})
    assert (refused.status_code, refused.json()["code"]) == (409, "transition_refused")


def test_a_limit_below_what_has_been_executed_is_refused(api: Api) -> None:
    rule = written(api, max_executions=5)
    Action.objects.update(executions_count=3)
    refused = api.patch(f"/actions/{rule['id']}", {"max_executions": 3})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["max_executions"])
    assert api.patch(f"/actions/{rule['id']}", {"max_executions": 4}).status_code == 200


def test_two_editors_do_not_overwrite_each_other(api: Api) -> None:
    path = f"/actions/{written(api)['id']}"
    tag = api.get(path)["ETag"]
    Action.objects.update(
        last_evaluated_at=timezone.now()
    )  # a look of the engine's changes nothing
    first = api.patch(path, {"notes": "one"}, if_match=tag)
    assert first.status_code == 200
    second = api.patch(path, {"notes": "two"}, if_match=tag)
    assert (second.status_code, second.json()["code"]) == (412, "changed")
    assert api.get(path).json()["notes"] == "one"
    assert api.patch(path, {"notes": "two"}, if_match=first["ETag"]).status_code == 200
    assert wrong_fields(api.patch(path, {}, if_match="W/abc")) == ["If-Match"]


# --- Executing and explaining ---


def test_executing_now_happens_once_for_a_key(api: Api, feed: Feed) -> None:
    rule = written(api, **BUY)
    now = timezone.now()
    feed.says("AAPL", "200", now)
    run_tick(now=now)
    path = f"/actions/{rule['id']}/execute-now"
    first = api.post(path, idempotency_key="k1")
    assert (first.status_code, first.json()["execution_status"]) == (200, "success")
    assert api.post(path, idempotency_key="k1").json() == first.json()
    assert Transaction.objects.filter(kind="buy").count() == 1
    other = written(api, **BUY)
    reused = api.post(f"/actions/{other['id']}/execute-now", idempotency_key="k1")
    assert (reused.status_code, reused.json()["code"]) == (409, "key_reused")
    assert wrong_fields(api.post(path, idempotency_key="x" * 300)) == ["Idempotency-Key"]
    shut = api.post(path, idempotency_key="k2")
    assert (shut.status_code, shut.json()["code"]) == (409, "gate_shut")
    listed = api.get("/executions").json()["results"]
    assert listed == api.get(f"/actions/{rule['id']}/executions").json()["results"]
    assert listed == [first.json()]


def test_why_tells_the_gates_and_the_way_to_go(api: Api, feed: Feed) -> None:
    rule = written(api)
    now = timezone.now()
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    why = api.get(f"/actions/{rule['id']}/why").json()
    assert why["reason"] == "Asleep until AAPL falls to $150.00."
    assert why["last_evaluation"]["finding"] == "not_fired"
    assert why["distance"] == {
        "symbol": "AAPL",
        "price": "160",
        "level": "150",
        "to_go": "-10",
        "percent": "-6.25",
    }
    assert all(gate["open"] for gate in why["gates"])


def test_the_monitoring_status_is_that_of_the_evaluator_and_of_ones_own_rules(
    api: Api, feed: Feed, owner: User
) -> None:
    idle = api.get("/monitoring/status").json()
    assert (idle["active"], idle["last_tick_at"]) == (False, None)
    written(api)
    broken = written(api)
    stranger = UserFactory.create()
    draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(1)})
    others = create_action(user=stranger, draft=draft, now=timezone.now())
    Action.objects.filter(pk__in=[broken["id"], others.pk]).update(
        trigger_params={"threshold": "?"}
    )
    feed.says("AAPL", "160", timezone.now())
    run_tick(now=timezone.now())
    cancel_action(user=stranger, action_id=others.pk, now=timezone.now())
    status = api.get("/monitoring/status").json()
    assert status["active"]
    assert status["rules"] == {
        "active": 2,
        "paused": 0,
        "completed": 0,
        "cancelled": 0,
        "failed": 0,
    }
    (error,) = status["errors"]
    assert broken["id"] in error["message"]


def test_each_trigger_type_has_its_schema_and_examples(api: Api) -> None:
    triggers = {each["trigger_type"]: each for each in api.get("/trigger-types").json()["results"]}
    assert {"price_below", "drift", "ma_cross"} <= triggers.keys()
    for each in triggers.values():
        assert each["params_schema"]["properties"]
        assert each["examples"][0]["reads"]


def test_a_rule_of_yesterday_that_expired_cannot_be_resumed(api: Api) -> None:
    path = f"/actions/{written(api)['id']}"
    api.patch(path, {"status": "paused"})
    past = timezone.now() - timedelta(days=1)
    Action.objects.update(valid_from=past - timedelta(days=1), valid_until=past)
    refused = api.patch(path, {"status": "active"})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["valid_until"])
    later = (timezone.now() + timedelta(days=1)).isoformat()
    assert api.patch(path, {"status": "active", "valid_until": later}).json()["status"] == "active"
