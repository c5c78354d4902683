"""The fault table: whatever a live feed does, good prices are used and no rule fires wrongly.

Each fault comes over real HTTP from a server on loopback, in the middle of a session, while a rule
waits that any lower price would fire.
"""

import io
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from pytest_django import Settings

from actions.engine import run_tick
from actions.models import Action, ActionExecution, Tick
from actions.services import Draft, create_action
from market.models import FeedBudget, FeedIncident, Quote
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory, UserFactory
from tests.feed_server import (
    KEY,
    Answer,
    FeedServer,
    cut_off,
    drips,
    feed_server,
    hangs_up,
    quote,
    quotes,
    says,
    silence,
)

pytestmark = pytest.mark.django_db

TEN = timedelta(seconds=10)
MINUTE = timedelta(seconds=60)


def good(at: datetime, aapl: str = "230.00", msft: str = "415.00") -> Answer:
    return quotes({"AAPL": quote("AAPL", at, aapl), "MSFT": quote("MSFT", at, msft)})


@pytest.fixture
def rules(live: FeedServer, now: datetime) -> list[Action]:
    """One of each symbol, which a lower price than any that was accepted would fire."""
    list_instruments(["AAPL", "MSFT"])
    portfolio = PortfolioFactory.create(deposit=10_000)
    made = [
        create_action(
            user=portfolio.user,
            draft=Draft(
                action_type="BUY",
                symbol=symbol,
                quantity=Decimal(1),
                trigger_type="price_below",
                trigger_params={"threshold": threshold},
            ),
            now=now,
        )
        for symbol, threshold in (("AAPL", "225"), ("MSFT", "410"))
    ]
    live.says(good(now))
    first = run_tick(now=now)
    assert (first.symbols, first.fired, first.errors) == (2, 0, [])
    return made


def prices() -> dict[str, Decimal | None]:
    return dict(Quote.objects.values_list("instrument_id", "price"))


def executed() -> set[str | None]:
    return set(ActionExecution.objects.values_list("action__symbol", flat=True))


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@dataclass(frozen=True)
class Fault:
    """What the feed answers, and what is to be seen of it: nothing of it is stored or fires."""

    answer: Answer
    error: str  # in the tick's record
    kind: str  # of the incident on the status page


WHOLE = {
    "time-out": Fault(silence, "no whole answer within 0.3 s", "time-out"),
    "an answer that drips": Fault(drips, "no whole answer within 0.3 s", "time-out"),
    "hanging up": Fault(hangs_up, "the connection broke", "cut off"),
    "a body that is cut off": Fault(cut_off(b'{"AAPL":{"close":"1'), "broke", "cut off"),
    "JSON that is cut off": Fault(says('{"AAPL":{"close":"1'), "no JSON", "no JSON"),
    "an empty body": Fault(says(""), "an empty answer", "no JSON"),
    "HTML": Fault(says("<html>"), "no JSON", "no JSON"),
    "HTML with 502": Fault(says("<html>", 502), "HTTP 502", "server error"),
    "500": Fault(
        says({"code": 500, "message": "oops", "status": "error"}, 500), "500: oops", "server error"
    ),
    "500 inside 200": Fault(
        says({"code": 500, "message": "oops", "status": "error"}), "500: oops", "server error"
    ),
    "429, minute": Fault(
        says({"code": 429, "message": "out of credits for the current minute"}, 429),
        "current minute",
        "no credits",
    ),
    "429, day, inside 200": Fault(
        says({"code": 429, "message": "out of credits for the day", "status": "error"}),
        "for the day",
        "no credits",
    ),
    "401": Fault(
        says({"code": 401, "message": f"**apikey** {KEY} is incorrect", "status": "error"}, 401),
        "**apikey** *** is incorrect",
        "key refused",
    ),
}


@pytest.mark.parametrize("what", WHOLE)
def test_a_feed_that_fails_leaves_all_as_it_was_and_is_raised_once(
    what: str,
    live: FeedServer,
    rules: list[Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = WHOLE[what]
    live.says(fault.answer)
    before = prices()
    reports = [run_tick(now=now + n * TEN) for n in (1, 2, 3)]
    for report in reports:
        (error,) = report.errors
        assert error.startswith("No quotes: twelvedata: ")
        assert fault.error in error
        assert (report.symbols, report.fired) == (0, 0)
    assert Tick.objects.order_by("started_at").last().errors == reports[-1].errors  # type: ignore[union-attr]
    assert prices() == before
    assert executed() == set()
    (incident,) = FeedIncident.objects.all()
    assert (incident.kind, incident.verdict, incident.instrument_id) == (fault.kind, "failed", None)
    (alert,) = alerts(caplog)
    assert fault.error in alert

    later = now + timedelta(days=1)
    live.says(good(later, aapl="220.00"))
    report = run_tick(now=later)
    assert (report.errors, report.fired) == ([], 1)
    incident.refresh_from_db()
    assert (incident.settled_at, incident.outcome) == (later, "ended")


def test_a_refused_connection_leaves_all_as_it_was(
    live: FeedServer, rules: list[Action], now: datetime, settings: Settings
) -> None:
    with feed_server() as gone:
        settings.TWELVEDATA_URL = gone.url
    report = run_tick(now=now + TEN)
    (error,) = report.errors
    assert "the connection was refused" in error
    assert FeedIncident.objects.get().kind == "no connection"
    assert prices() == {"AAPL": 230, "MSFT": 415}


MEMBERS: dict[str, tuple[Any, str, str]] = {
    "an error": ({"code": 404, "message": "invalid", "status": "error"}, "404", "unknown symbol"),
    "no credits": ({"code": 429, "message": "minute", "status": "error"}, "429", "no credits"),
    "zero": ({"close": "0.00000"}, "above 0", "bad price"),
    "negative": ({"close": "-230"}, "above 0", "bad price"),
    "NaN": ({"close": "NaN"}, "is not a number", "bad price"),
    "nothing": ({"close": None}, "is not a number", "bad price"),
    "no instant": ({"close": "1", "last_quote_at": None}, "does not say when", "no instant"),
    "a wrong symbol": ({"close": "1", "symbol": "APLE"}, "it answers for APLE", "wrong symbol"),
    "another company": (
        {"close": "1", "name": "Apple Hospitality REIT"},
        "“Apple Hospitality REIT”",
        "another company",
    ),
    "another currency": ({"close": "1", "currency": "EUR"}, "in EUR", "another company"),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_of_a_batch_with_a_bad_member_the_good_one_fires_and_the_bad_one_keeps_its_age(
    what: str,
    live: FeedServer,
    rules: list[Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes, words, kind = MEMBERS[what]
    at = now + TEN
    member = changes if "code" in changes else quote("AAPL", at, "230") | changes
    live.says(quotes({"AAPL": member, "MSFT": quote("MSFT", at, "405.00")}))
    report = run_tick(now=at)
    (error,) = report.errors
    assert error.startswith("AAPL: ")
    assert words in error
    assert (report.symbols, report.fired) == (1, 1)
    assert executed() == {"MSFT"}
    assert prices() == {"AAPL": 230, "MSFT": 405}
    assert Quote.objects.get(instrument="AAPL").as_of == now
    incident = FeedIncident.objects.get()
    assert (incident.instrument_id, incident.kind, incident.verdict) == ("AAPL", kind, "refused")
    live.answers[:] = [quotes({"AAPL": member, "MSFT": quote("MSFT", at + TEN, "405.00")})]
    run_tick(now=at + TEN)
    assert len(alerts(caplog)) == 1

    later = now + timedelta(hours=2)
    live.says(good(later, aapl="224.00"))
    assert run_tick(now=later).errors == []
    incident.refresh_from_db()
    assert incident.settled_at == later
    assert executed() == {"MSFT", "AAPL"}


def test_a_price_that_jumps_is_held_fires_nothing_and_fires_once_it_is_confirmed(
    live: FeedServer, rules: list[Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    live.says(good(now + TEN, aapl="150.00"))
    assert run_tick(now=now + TEN).fired == 0
    assert prices()["AAPL"] == 230
    held = FeedIncident.objects.get()
    assert (held.kind, held.verdict, held.price) == ("jump", "held", Decimal(150))
    assert held.reason.startswith("150 is 34.8 % away from 230")

    same = run_tick(now=now + 2 * TEN)  # the same reading again confirms nothing
    assert (same.fired, prices()["AAPL"]) == (0, Decimal(230))

    live.says(good(now + 3 * TEN, aapl="151.00"))
    assert run_tick(now=now + 3 * TEN).fired == 1
    assert prices()["AAPL"] == 151
    held.refresh_from_db()
    assert (held.outcome, held.settled_at) == ("confirmed", now + 3 * TEN)


def test_a_jump_that_is_not_confirmed_is_forgotten_and_never_fired(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    for n, price in enumerate(["2.30", "230.10", "2300.00", "15.00", "229.90"], start=1):
        live.says(good(now + n * TEN, aapl=price))
        assert run_tick(now=now + n * TEN).fired == 0
    assert prices()["AAPL"] == Decimal("229.9")
    assert list(FeedIncident.objects.order_by("first_at").values_list("times", "outcome")) == [
        (1, "ended"),
        (2, "ended"),
    ]


@pytest.mark.parametrize(
    ("price", "fires"), [("184.00", True), ("183.999999", False), ("276.00", False)]
)
def test_a_price_exactly_at_the_limit_is_no_jump(
    live: FeedServer, rules: list[Action], now: datetime, price: str, fires: bool
) -> None:
    live.says(good(now + TEN, aapl=price))
    assert run_tick(now=now + TEN).fired == fires
    assert FeedIncident.objects.exists() == (price == "183.999999")


def test_a_quote_from_the_future_is_refused(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    live.says(
        quotes(
            {
                "AAPL": quote("AAPL", now + MINUTE, "200"),
                "MSFT": quote("MSFT", now + TEN, "405"),
            }
        )
    )
    assert run_tick(now=now + TEN).fired == 1
    assert executed() == {"MSFT"}
    assert FeedIncident.objects.get().kind == "from the future"


def test_a_quote_that_is_old_is_shown_with_its_age_and_fires_nothing(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    at = now + timedelta(minutes=10)
    live.says(
        quotes(
            {
                "AAPL": quote("AAPL", now + timedelta(minutes=5), "200"),
                "MSFT": quote("MSFT", at, "405"),
            }
        )
    )
    assert run_tick(now=at).fired == 1
    assert executed() == {"MSFT"}
    assert prices()["AAPL"] == 200


def test_a_feed_that_fails_is_left_alone_for_longer_and_longer(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    live.says(says("<html>", 503))
    live.asked.clear()
    asked_at: list[int] = []
    for n in range(1, 62):
        run_tick(now=now + n * TEN)
        if len(live.asked) > len(asked_at):
            asked_at.append(n)
    assert asked_at == [1, 2, 4, 8, 16, 32]  # then every 5 minutes
    assert FeedIncident.objects.get().times == 6


def test_after_the_credits_of_a_minute_the_next_one_is_waited_for(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    live.says(says({"code": 429, "message": "the current minute", "status": "error"}))
    live.asked.clear()
    run_tick(now=now + TEN)
    live.says(good(now + MINUTE))
    assert run_tick(now=now + MINUTE - TEN).errors != []
    assert len(live.asked) == 1
    assert run_tick(now=now + MINUTE).errors == []


def test_a_symbol_that_the_feed_does_not_have_is_asked_for_once_an_hour(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    unknown = {"code": 404, "message": "invalid", "status": "error"}
    live.says(quotes({"AAPL": unknown, "MSFT": quote("MSFT", now + TEN, "415.00")}))
    run_tick(now=now + TEN)
    live.asked.clear()
    run_tick(now=now + 2 * TEN)
    run_tick(now=now + TEN + timedelta(hours=1))
    assert [asked.symbols for asked in live.asked] == [["MSFT"], ["MSFT", "AAPL"]]


def test_the_key_is_in_no_log_no_page_and_no_table(
    live: FeedServer, rules: list[Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    UserFactory.create(username="root", is_staff=True, is_superuser=True)
    faults = [*[fault.answer for fault in WHOLE.values()], quotes({KEY: {}, "AAPL": {"name": KEY}})]
    with caplog.at_level(logging.DEBUG):
        for n, fault in enumerate(faults, start=1):
            live.says(fault)
            run_tick(now=now + timedelta(days=n))
        client = Client()
        client.force_login(UserFactory._meta.model.objects.get(username="root"))
        pages = [
            client.get(f"/admin/market/{name}/", secure=True).content.decode()
            for name in ("feedincident", "feedbudget", "feedask", "quote", "instrument")
        ]
    assert all("<table" in page for page in pages)
    rows = io.StringIO()
    for model in apps.get_models():
        serializers.serialize("json", model._default_manager.all(), stream=rows)
    assert "**apikey** ***" in rows.getvalue()
    for text in (caplog.text, rows.getvalue(), *pages):
        assert KEY not in text


def test_every_request_goes_to_loopback_and_carries_the_key_in_its_header_alone(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    (asked,) = live.asked
    assert asked.headers["Authorization"] == f"apikey {KEY}"
    assert KEY not in json.dumps([asked.path, asked.params])
    assert FeedBudget.objects.get().in_minute == 2
