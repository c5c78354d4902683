"""A client that a program has written from the schema works against a running server."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from actions.engine import run_tick
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api, bearer
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

PACKAGE = "trading_rules_client"


@pytest.fixture
def client_package(tmp_path: Path, db: None) -> Iterator[ModuleType]:
    """The client, as openapi-python-client writes it."""
    schema = tmp_path / "schema.json"
    schema.write_bytes(Api().get("/schema").content)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"package_name_override": PACKAGE, "post_hooks": []}))
    made = subprocess.run(
        [
            *(Path(sys.executable).with_name("openapi-python-client"), "generate"),
            *("--path", schema, "--config", config, "--output-path", tmp_path / "client"),
            *("--meta", "none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = made.stdout + made.stderr
    assert made.returncode == 0, said
    # This generator cannot send a file as CSV; whatever else it says it may not say.
    assert set(re.findall("WARNING parsing .*", said)) == {
        "WARNING parsing POST /api/actions/import within actions."
    }, said
    (tmp_path / "client").rename(tmp_path / PACKAGE)
    sys.path.insert(0, str(tmp_path))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


@pytest.mark.django_db(transaction=True)
def test_a_generated_client_takes_a_rule_through_its_life(
    client_package: ModuleType, live_server: LiveServer, feed: Feed
) -> None:
    list_instruments(["AAPL"])
    now = timezone.now()
    owner = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(10_000), at=now)
    token = bearer(owner)["Authorization"].partition(" ")[2]
    client = client_package.AuthenticatedClient(base_url=live_server.url, token=token)

    def call(operation: str, *arguments: Any, **more: Any) -> Any:
        module = importlib.import_module(f"{PACKAGE}.api.actions.{operation}")
        answer = module.sync_detailed(*arguments, client=client, **more)
        assert answer.status_code < 300, answer.content
        return answer.parsed

    models = importlib.import_module(f"{PACKAGE}.models")
    body = models.PriceBelowToCreateInput.from_dict({**PRICE_BELOW, "action_type": "BUY"})
    rule = call("create_action", body=body)
    assert type(rule).__name__ == "PriceBelowRule"
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    told = call("simulate_action", rule.id, body=models.Market.from_dict({"price": "149"}))
    assert (told.would_fire, told.orders[0].amount) == (True, "1490.00")

    def moved(status: str) -> str:
        body = models.RuleEdit.from_dict({"status": status})
        return str(call("update_action", rule.id, body=body).status.value)

    assert moved("paused") == "paused"
    assert moved("active") == "active"
    run_tick(now=timezone.now())
    done = call("execute_action_now", rule.id, body=models.Nothing(), idempotency_key="once")
    assert done.execution_status.value == "success"
    again = call("execute_action_now", rule.id, body=models.Nothing(), idempotency_key="once")
    assert again.id == done.id
    other = call("create_action", body=body)
    assert call("cancel_action", other.id).status.value == "cancelled"
    assert [each.id for each in call("list_actions").results] == [other.id, rule.id]
    client.get_httpx_client().close()  # so that the server's thread lets go of the database
