"""The page on notifications tells the truth: its code verifies a real call, its example is one."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actions.engine import run_tick
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.preferences import preferences_of, set_webhook
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.receiver import Received, receiver

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()

pytestmark = pytest.mark.django_db


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def called(instruments: None, feed: Feed, settings: Any) -> tuple[Received, str]:
    """The call that a rule's firing makes, just now, and the secret that signs it."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    now = datetime.now(UTC)
    owner = UserFactory.create(email="")
    deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(10_000), at=now)
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(10),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    create_action(user=owner, draft=draft, now=now)
    feed.says("AAPL", "149.50", now)
    with receiver() as hook:
        set_webhook(user=owner, url=hook.url())
        assert run_tick(now=now).fired == 1
        dispatch(now=now)
        assert deliver_due(now=now) == 1
    (received,) = hook.received
    return received, preferences_of(user=owner).webhook_secret


def test_the_code_on_the_page_knows_a_genuine_call_from_others(
    called: tuple[Received, str],
) -> None:
    received, secret = called
    page: dict[str, Any] = {}
    exec(block("python"), page)  # noqa: S102 - our own page
    is_genuine = page["is_genuine"]
    assert is_genuine(secret, received.headers, received.body)
    assert not is_genuine(secret + "x", received.headers, received.body)
    assert not is_genuine(secret, received.headers, received.body + b" ")
    old = received.headers | {"Trading-Rules-Timestamp": "1700000000"}
    assert not is_genuine(secret, old, received.body)


def test_the_example_on_the_page_has_the_fields_of_a_real_call(
    called: tuple[Received, str],
) -> None:
    received, _ = called
    assert shape(json.loads(block("json"))) == shape(received.json)
    assert received.json["event"] == "execution.success"
    assert received.json["execution"]["trades"][0]["price"] == "149.500000"
    assert received.json["execution"]["cash_after"] == "8505.00"


def shape(value: Any) -> Any:
    """The names and kinds of what is in it."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__
