"""A table of bad calls: each is refused as it should be, and changes nothing."""

import hashlib
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.models import User
from actions.models import Action
from actions.services import Draft, cancel_action, create_action, pause_action
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api
from tests.conftest import Feed
from tests.factories import UserFactory

TABLE = Path(__file__).parents[3] / "shared" / "data" / "bad_payloads.json"
CALLS = json.loads(TABLE.read_text())["cases"] if TABLE.exists() else []

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]


_ALL_OF = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t"


def stored() -> str:
    """A fingerprint of everything that the application keeps."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in {"actions", "portfolios", "market", "accounts", "chat"}:
                table = model._meta.db_table
                cursor.execute(_ALL_OF.format(table=table))
                digest.update(repr((table, cursor.fetchone())).encode())
    return digest.hexdigest()


class World:
    """A user with a rule in the state that a call asks for, and another user with one too."""

    def __init__(self, setup: str, feed: Feed, now: datetime) -> None:
        self.now = now
        self.user = UserFactory.create()
        self.other = UserFactory.create()
        for user in (self.user, self.other):
            deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
        self.others = self._rule(self.other)
        self.rule = self._rule(self.user)
        self._prepare(setup)

    def _rule(self, user: User, **changes: Any) -> Action:
        draft: dict[str, Any] = {**PRICE_BELOW, "action_type": "BUY", **changes}
        return create_action(user=user, draft=Draft(**draft), now=self.now)

    def _prepare(self, setup: str) -> None:
        mine = Action.objects.filter(pk=self.rule.pk)
        match setup:
            case "own rule in status completed" | "own rule: completed":
                mine.update(status="completed", executions_count=1)
            case _ if "executions_count 1" in setup:
                mine.update(status="completed", executions_count=1, last_triggered_at=self.now)
            case "own rule: cancelled":
                cancel_action(user=self.user, action_id=self.rule.pk, now=self.now)
            case _ if "valid_until is past" in setup:
                pause_action(user=self.user, action_id=self.rule.pk, now=self.now)
                day = timedelta(days=1)
                mine.update(valid_from=self.now - 2 * day, valid_until=self.now - day)
            case _ if "10x the cash" in setup:
                mine.update(quantity=Decimal(1_000))

    def filled(self, text: str) -> str:
        """With the world's own ids and instants in the place of the table's names."""
        names = {
            "{id}": self.rule.pk,
            "{other_id}": self.others.pk,
            "{{other_user_id}}": self.other.pk,
            "{{other_user_portfolio_id}}": primary_portfolio(user=self.other).pk,
        }
        for name, id in names.items():
            text = text.replace(name, str(id))
        return re.sub(r"\{\{now([+-]\d+)([dhs])(\|naive)?\}\}", self._instant, text)

    def _instant(self, found: re.Match[str]) -> str:
        unit = {"d": "days", "h": "hours", "s": "seconds"}[found[2]]
        at = self.now + timedelta(**{unit: int(found[1])})
        return at.replace(tzinfo=None).isoformat() if found[3] else at.isoformat()


@pytest.mark.skipif(not CALLS, reason="the shared table of bad calls is not here")
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["id"])
def test_a_bad_call_of_the_table_is_answered_as_the_table_says(
    call: dict[str, Any], feed: Feed
) -> None:
    now = timezone.now()
    feed.says("AAPL", "149", now)
    world = World(call.get("setup", ""), feed, now)
    before = stored()
    client = Api(None if call["group"] == "auth" else world.user)
    path = world.filled(call["path"])
    response = client(call["method"], path, body_of(call, world))
    shown = response.json()
    alternatives = call["expected"].get("any_of") or [
        {"status": status, "field": call["expected"].get("field")}
        for status in call["expected"]["status"]
    ]
    assert any(holds(each, response.status_code, shown) for each in alternatives), shown
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert (shown["status"], bool(shown["code"])) == (response.status_code, True)
        assert stored() == before, "nothing is changed"


def body_of(call: dict[str, Any], world: World) -> str | None:
    if "body_raw" in call:
        return str(call["body_raw"])
    if call["method"] == "GET":
        return None
    body = dict(call["body"])
    if generate := call.get("generate"):
        body[generate["field"]] = generate["text"] * generate["count"]
    return world.filled(json.dumps(body))


def holds(expected: dict[str, Any], status: int, shown: dict[str, Any]) -> bool:
    if expected["status"] != status:
        return False
    if field := expected.get("field"):
        named = [error["field"] for error in shown["errors"]]
        first = field.partition(".")[0]
        whole = field == "non_field_errors"
        return whole or any(path == field or path.partition(".")[0] == first for path in named)
    for name, value in {**expected.get("stored", {}), **expected.get("stored_subset", {})}.items():
        if str(shown[name]) != str(value):
            return False
    return not any(name in shown.get("trigger_params", {}) for name in ignored(expected))


def ignored(expected: dict[str, Any]) -> list[str]:
    return [path.rpartition(".")[2] for path in expected.get("ignored", [])]
