"""The log of what happens: an event is a line, with ids, and nothing of a person or a key."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from actions.engine import run_tick
from actions.evaluator import tick_for
from actions.models import ActionExecution
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.services import Draft, create_action
from rest.logs import Context
from tests.api import Api
from tests.conftest import list_instruments
from tests.factories import PASSWORD, PortfolioFactory, UserFactory
from tests.feed_server import KEY, FeedServer, quote, quotes, says
from tradingrules.logs import JsonLine, WithoutAddresses

pytestmark = pytest.mark.django_db

NAME, EMAIL = "ada-lovelace", "ada@lovelace.example"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What production would write: the product's own set-up of the log, but for its stream."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLine(secrets=[KEY, settings.SECRET_KEY]))
    handler.addFilter(Context())
    handler.addFilter(WithoutAddresses())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.fixture
def lines(log: StringIO) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.fixture
def rule(live: FeedServer, now: datetime) -> Any:
    list_instruments(["AAPL"])
    user = UserFactory.create(username=NAME, email=EMAIL, first_name="Ada", last_name="Lovelace")
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
        notes="my private note",
    )
    portfolio = PortfolioFactory.create(user=user, deposit=10_000)
    live.says(quotes({"AAPL": quote("AAPL", now, "149")}))
    return create_action(user=portfolio.user, draft=draft, now=now)


def test_a_firing_is_a_line_with_the_rule_the_execution_the_owner_and_the_tick(
    rule: Any, now: datetime, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    tick_for(seconds=0, clock=lambda: now, sleep=lambda seconds: False)
    fired, tick = (line for line in lines() if line["logger"].startswith("actions."))
    execution = ActionExecution.objects.get()
    assert {name: fired[name] for name in ("level", "message", "tick", "outcome")} == {
        "level": "info",
        "message": "a rule fired",
        "tick": now.isoformat(),
        "outcome": "success",
    }
    assert (fired["action_id"], fired["user_id"]) == (str(rule.pk), str(rule.user_id))
    assert fired["execution_id"] == str(execution.pk)
    assert (tick["tick"], tick["woken"], tick["fired"]) == (now.isoformat(), 1, 1)
    assert tick["message"] == "a tick over 1 symbols: 1 woken, 1 fired, 0 faults"


def test_a_refused_execution_and_a_fault_of_ours_say_whose_rule_it_was(
    rule: Any,
    now: datetime,
    lines: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError(f"it is {EMAIL}")

    with monkeypatch.context() as patched:
        patched.setattr("actions.engine.judge", broken)
        run_tick(now=now)
    (fault,) = (line for line in lines() if line["level"] == "error")
    assert (fault["action_id"], fault["user_id"]) == (str(rule.pk), str(rule.user_id))
    assert fault["exception"].endswith("RuntimeError: it is [left out]")


def test_a_firing_a_failed_sign_in_and_a_feeds_fault_tell_nothing_of_a_person_or_a_key(
    rule: Any,
    live: FeedServer,
    now: datetime,
    log: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        run_tick(now=now)
        live.says(says({"code": 401, "message": f"apikey {KEY} of {EMAIL}", "status": "error"}))
        run_tick(now=now.replace(minute=5))
        monkeypatch.setattr("actions.notify.deliver._mail", _refuses)
        dispatch(now=now)
        deliver_due(now=now)
        _fail_to_sign_in()
    finally:
        logging.getLogger().setLevel(logging.INFO)
    written = log.getvalue()
    for words in ("a rule fired", "twelvedata", "a delivery was not sent", "is locked out"):
        assert words in written, words
    hidden = (NAME, EMAIL, "Lovelace", "wr0ng-password", PASSWORD, "my private note", KEY)
    for word in (*hidden, "token-of-a-door", settings.SECRET_KEY):
        assert word not in written, word
    assert all(json.loads(line) for line in written.splitlines())


def _refuses(letter: Any) -> None:
    raise OSError(f"550 no such mailbox: {letter.to}")


def _fail_to_sign_in() -> None:
    client = Client()
    for _ in range(6):
        client.post("/sign-in", {"login": EMAIL, "password": "wr0ng-password"}, secure=True)
        client.post("/sign-in", {"login": NAME, "password": "wr0ng-password"}, secure=True)
    Api().post("/token", {"username": NAME, "password": "wr0ng-password"})
    Api().get("/actions", authorization="Bearer token-of-a-door")
    client.get("/unsubscribe/token-of-a-door", secure=True)
    client.get("/token-of-a-door", secure=True)
    client.post("/unsubscribe/token-of-a-door/more", secure=True)
