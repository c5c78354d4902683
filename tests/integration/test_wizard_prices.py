"""Whoever writes a rule sees the price of a symbol that nobody has followed yet, if it is there in
time; a feed that is slow or fails holds up no page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from actions.services import Draft
from actions.wizard import prices
from actions.wizard.drafts import open_draft
from market import looking
from market.models import DailyBar, Quote
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.feed_server import Answer, FeedServer, Handler, quote, quotes, says, silence

NOTHING = "Not known yet: there is no price of IBM."


def drafted(user: User, symbol: str = "IBM") -> Client:
    """Somebody who is about to say what a rule waits for."""
    client = Client()
    client.force_login(user)
    asked = Draft(
        action_type="BUY",
        symbol=symbol,
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "100"},
    )
    draft = open_draft(user=user, draft=asked, now=datetime.now(UTC))
    client.cookies["draft"] = str(draft.pk)
    return client


def page(client: Client, name: str) -> Any:
    answer = client.get(f"/actions/new/{name}?draft={client.cookies['draft'].value}")
    assert answer.status_code == 200
    return answer


@pytest.fixture
def ada(db: None) -> User:
    list_instruments(["AAPL", "IBM"])
    return UserFactory.create(username="ada", time_zone="America/New_York")


@pytest.fixture
def _the_threads_end() -> Iterator[None]:
    yield
    looking._asking().shutdown(wait=True)
    looking._asking.cache_clear()


def test_a_symbol_that_nobody_follows_is_priced_when_a_rule_names_it(ada: User, feed: Feed) -> None:
    feed.says("IBM", "161.25", datetime.now(UTC))
    client = drafted(ada)
    assert "$161.25" in page(client, "target").content.decode()
    assert Quote.objects.get(instrument_id="IBM").price == Decimal("161.25")
    assert "needs $161.25, but there is $0.00 in cash" in page(client, "review").content.decode()


def test_a_price_that_is_there_is_not_asked_for_again(ada: User, feed: Feed) -> None:
    now = datetime.now(UTC)
    feed.says("IBM", "161.25", now)
    client = drafted(ada)
    page(client, "condition")
    feed.says("IBM", "170", now + timedelta(seconds=1))
    assert "$161.25" in page(client, "review").content.decode()


def test_the_first_form_for_a_price_begins_at_that_of_now(ada: User, feed: Feed) -> None:
    feed.says("IBM", "161.254", datetime.now(UTC))
    client = Client()
    client.force_login(ada)
    hidden = {"draft": str(client.get("/actions/new").context["draft"].pk), "revision": "0"}
    client.post("/actions/new", {**hidden, "action_type": "BUY"})
    query = f"?draft={hidden['draft']}"
    target = {"symbol": "ibm", "measure": "1", "measured_in": "quantity"}
    client.post(f"/actions/new/target{query}", {**hidden, **target})
    client.post(f"/actions/new/trigger{query}", {**hidden, "trigger_type": "price_above"})
    shown = client.get(f"/actions/new/condition{query}")
    assert shown.context["form"].typed()["threshold"] == ["161.25"]


@pytest.mark.parametrize("error", [None, RuntimeError("no such feed")])
def test_a_feed_that_knows_nothing_or_fails_leaves_the_page_as_it_is(
    ada: User, feed: Feed, error: Exception | None
) -> None:
    feed.error = error
    client = drafted(ada)
    assert "no price yet" in page(client, "target").content.decode()
    assert NOTHING in page(client, "review").content.decode()


@pytest.mark.parametrize("symbol", ["%00", "<b>X</b>", "%ED%A0%80", "NOSUCH", "'", "a" * 99])
def test_whatever_the_address_says_of_a_symbol_the_page_is_shown(
    ada: User, feed: Feed, symbol: str
) -> None:
    client = Client()
    client.force_login(ada)
    for path in ("/actions/new?symbol=", "/actions/new/target?example=stop&symbol="):
        assert client.get(f"{path}{symbol}", follow=True).status_code == 200
    followed = Quote.objects.values_list("instrument_id", flat=True)
    assert {*followed} <= {"AAPL"}, "that of the example, where the address names none"


@pytest.mark.parametrize("symbol", ["NOSUCH", "<b>X</b>"])
def test_what_is_no_symbol_is_asked_of_nobody(ada: User, feed: Feed, symbol: str) -> None:
    answer = page(drafted(ada, symbol), "target")
    assert "<b>X" not in answer.content.decode()
    assert not Quote.objects.exists()


def service(at: datetime) -> Answer:
    """One that knows IBM: its price, and two sessions."""
    values = [
        {"datetime": day, **dict.fromkeys(("open", "high", "low", "close"), "160"), "volume": "5"}
        for day in ("2026-11-13", "2026-11-12")
    ]
    past = says({"meta": {"symbol": "IBM"}, "values": values, "status": "ok"})
    present = quotes({"IBM": quote("IBM", at, "161.25")})

    def answer(handler: Handler) -> None:
        (past if handler.path.startswith("/time_series") else present)(handler)

    return answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_the_threads_end")
def test_a_live_feed_is_asked_once_for_a_price_and_once_for_the_past(
    live: FeedServer, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "PATIENCE", timedelta(seconds=60))
    live.says(service(datetime.now(UTC)))
    client = drafted(ada)
    for name in ("condition", "review", "condition"):
        assert page(client, name).context["forecast"].cost
    assert sorted(one.path for one in live.asked) == ["/quote", "/time_series"]
    assert DailyBar.objects.filter(instrument_id="IBM").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_feed_that_hangs_is_left_to_itself(
    live: FeedServer, ada: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MARKET_READ_SECONDS = 60
    monkeypatch.setattr(prices, "PATIENCE", timedelta(seconds=0.2))
    live.says(silence)
    client = drafted(ada)
    try:
        for name in ("target", "condition", "review"):
            answer = page(client, name)
        assert NOTHING in answer.content.decode()
        assert not live.closing.is_set(), "the feed has said nothing yet"
        until = monotonic() + 60
        while {one.path for one in live.asked} != {"/quote", "/time_series"}:
            assert monotonic() < until, live.asked
            sleep(0.01)
    finally:
        live.closing.set()
        looking._asking().shutdown(wait=True)
        looking._asking.cache_clear()
        connection.close()
