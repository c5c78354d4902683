"""The fault table: whatever a live feed does, good prices are used and no rule fires wrongly.

Each fault comes over real HTTP from a server on loopback, in the middle of a session, while a rule
waits that any lower price would fire.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution, Tick
from actions.services import Draft, create_action
from market.models import FeedBudget, FeedIncident, Quote
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory, UserFactory
from tests.feed_server import (
    IMPATIENT_SECONDS,
    KEY,
    Answer,
    FeedServer,
    Handler,
    cut_off,
    drips,
    drips_headers,
    hangs_up,
    nobody_listening,
    quote,
    quotes,
    says,
    silence,
)
from tests.pages import text_of

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


STALE = (
    "AAPL's price is stale: the last one is of Tue 17 Nov 2026 {at} UTC. "
    "Asleep until a new price {moves} to $225.00."
)


@dataclass(frozen=True)
class Fault:
    """What the feed answers to three ticks, and what is to be seen of it.

    `aapl` is the price that is stored then. `msft` is the good member's, which fires its rule; None
    where there is no good member. `kind`, `verdict` and `words` are those of the incident, which
    the log and the status page give too; `said` is what that page says where there is none, and
    `state` what the owner reads of the rule on AAPL.
    """

    answer: Callable[[datetime], Answer]
    kind: str = ""
    words: str = ""
    verdict: str = "refused"
    aapl: str = "230"
    msft: str | None = "405"
    told: str = ""  # in the tick's record, where it is not the same
    alerts: int = 1
    said: str = ""
    state: str = STALE.format(at="15:00", moves="falls")


def whole(answer: Answer, kind: str, words: str) -> Fault:
    """One that leaves nothing of the answer."""
    return Fault(lambda at: answer, kind, words, verdict="no answer", msft=None)


def member(changes: dict[str, Any], kind: str, words: str, **more: Any) -> Fault:
    """One of AAPL alone."""

    def answer(at: datetime) -> Answer:
        aapl = changes if "code" in changes else quote("AAPL", at, "230") | changes
        if isinstance(ago := aapl.get("last_quote_at"), timedelta):
            aapl["last_quote_at"] = int((at + ago).timestamp())
        return quotes({"AAPL": aapl, "MSFT": quote("MSFT", at, "405.00")})

    return Fault(answer, kind, words, **more)


def error(code: int, message: str, status: int = 200) -> Answer:
    return says({"code": code, "message": message, "status": "error"}, status)


@contextmanager
def nobody_there(settings: Settings) -> Iterator[None]:
    with nobody_listening() as place:
        before, settings.TWELVEDATA_URL = settings.TWELVEDATA_URL, f"http://{place}"
        yield
    settings.TWELVEDATA_URL = before


@contextmanager
def nobody_waits(settings: Settings) -> Iterator[None]:
    """For an answer that does not come."""
    patiently, settings.MARKET_READ_SECONDS = settings.MARKET_READ_SECONDS, IMPATIENT_SECONDS
    yield
    settings.MARKET_READ_SECONDS = patiently


TOO_LATE = f"no whole answer within {IMPATIENT_SECONDS} s"
REFUSED = "a refused connection"
TABLE = {
    "a time-out": whole(silence, "time-out", TOO_LATE),
    REFUSED: whole(silence, "no connection", "the connection was refused"),
    "an answer that drips": whole(drips, "time-out", TOO_LATE),
    "a head that drips": whole(drips_headers, "time-out", TOO_LATE),
    "hanging up": whole(hangs_up, "cut off", "the connection broke"),
    "a body that is cut off": whole(cut_off(b'{"AAPL":{"close":"1'), "cut off", "broke"),
    "JSON that is cut off": whole(says('{"AAPL":{"close":"1'), "no JSON", "no JSON"),
    "an empty body": whole(says(""), "no JSON", "an empty answer"),
    "HTML": whole(says("<html>"), "no JSON", "no JSON"),
    "HTML with 502": whole(says("<html>", 502), "server error", "HTTP 502"),
    "500": whole(error(500, "oops", 500), "server error", "500: oops"),
    "500 inside 200": whole(error(500, "oops"), "server error", "500: oops"),
    "429, minute": whole(error(429, "credits of the current minute", 429), "no credits", "minute"),
    "429, day": whole(error(429, "credits for the day", 429), "no credits", "for the day"),
    "429, day, inside 200": whole(error(429, "credits for the day"), "no credits", "for the day"),
    "401": whole(
        error(401, f"**apikey** {KEY} is incorrect", 401), "key refused", "**apikey** *** is"
    ),
    "a bad member": member(
        {"code": 404, "message": "invalid", "status": "error"}, "unknown symbol", "404: invalid"
    ),
    "a member without credits": member(
        {"code": 429, "message": "minute", "status": "error"}, "no credits", "429: minute"
    ),
    "zero": member({"close": "0.00000"}, "bad price", "above 0"),
    "negative": member({"close": "-230"}, "bad price", "above 0"),
    "NaN": member({"close": "NaN"}, "bad price", "is not a number"),
    "nothing": member({"close": None}, "bad price", "is not a number"),
    "no instant": member({"close": "1", "last_quote_at": None}, "no instant", "does not say when"),
    "a wrong symbol": member({"close": "1", "symbol": "APLE"}, "wrong symbol", "answers for APLE"),
    "another company": member(
        {"close": "200", "name": "Apple Hospitality REIT"},
        "another company",
        "“Apple Hospitality REIT”",
    ),
    "another currency": member({"close": "200", "currency": "EUR"}, "another company", "in EUR"),
    "a future instant": member(
        {"close": "200", "last_quote_at": MINUTE}, "from the future", "is said to be of", told="-"
    ),
    "a jump": member(
        {"close": "150"}, "jump", "34.8 % away from 230", verdict="held", told="-", alerts=0
    ),
    "a stale quote": member(
        {"close": "200", "last_quote_at": -4 * MINUTE},
        "",
        "",
        aapl="200",
        said="too old for rules",
        state=STALE.format(at="15:06", moves="rises"),
    ),
}


MEANWHILE: dict[str, Callable[[Settings], AbstractContextManager[None]]] = {
    REFUSED: nobody_there,
    "a time-out": nobody_waits,
    "an answer that drips": nobody_waits,
    "a head that drips": nobody_waits,
}


@pytest.mark.parametrize("what", TABLE)
def test_the_fault_table(
    what: str,
    live: FeedServer,
    rules: list[Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = TABLE[what]
    begins = now + 10 * MINUTE
    live.says(fault.answer(begins))
    with MEANWHILE[what](settings) if what in MEANWHILE else nullcontext():
        reports = [run_tick(now=begins + n * TEN) for n in (0, 1, 2)]

    # What was stored, and what fired.
    assert prices() == {"AAPL": Decimal(fault.aapl), "MSFT": Decimal(fault.msft or 415)}
    assert executed() == ({"MSFT"} if fault.msft else set())
    assert [report.fired for report in reports] == [int(fault.msft is not None), 0, 0]
    if fault.words and not fault.told:
        assert fault.words in reports[0].errors[0]
        last = Tick.objects.order_by("started_at").last()
        assert last is not None
        assert last.errors == reports[-1].errors

    # An alert, once.
    raised = alerts(caplog)
    assert len(raised) == (fault.alerts if fault.kind else 0)
    assert all(fault.words in alert for alert in raised)
    incidents = list(FeedIncident.objects.all())
    assert [(one.kind, one.get_verdict_display().split(" until")[0]) for one in incidents] == (
        [(fault.kind, fault.verdict)] if fault.kind else []
    )

    # What the owner saw of the rule, and on the status page.
    see = Seeing(rules[0].user, begins + 3 * TEN, monkeypatch)
    assert see.state_of(rules[0]) == fault.state
    words = fault.words or fault.said
    assert words in see.status
    assert ("Nothing." in see.status) == (not fault.kind)
    assert KEY not in see.rules + see.status + caplog.text

    later = now + timedelta(days=1)
    live.says(good(later, aapl="220.00", msft="405.00"))
    report = run_tick(now=later)
    assert (report.errors, executed()) == ([], {"AAPL", "MSFT"})
    assert not FeedIncident.objects.filter(settled_at=None).exists()


class Seeing:
    """What the user's pages say at an instant, as text."""

    def __init__(self, user: User, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django.utils.timezone.now", lambda: at)
        client = Client()
        client.force_login(user)
        self.rules = text_of(client, "/actions")
        self.status = text_of(client, "/status")
        self._lines = client.get("/actions", secure=True).context["lines"]

    def state_of(self, action: Action) -> str:
        return next(str(line.state) for line in self._lines if line.action.pk == action.pk)


def test_past_sessions_that_cannot_be_had_are_raised_once_while_the_present_goes_on(
    live: FeedServer, rules: list[Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(handler: Handler) -> None:
        at = now + ticks[-1] * TEN
        failing = live.asked[-1].path == "/time_series"
        (error(500, "oops", 500) if failing else good(at))(handler)

    create_action(
        user=rules[0].user,
        draft=Draft(
            action_type="NOTIFY",
            symbol="AAPL",
            trigger_type="ma_cross",
            trigger_params={"short": 2, "long": 3, "direction": "up"},
        ),
        now=now,
    )
    live.says(answer)
    live.asked.clear()
    ticks: list[int] = []
    for n in range(1, 40):
        ticks.append(n)
        run_tick(now=now + n * TEN)
    paths = [asked.path for asked in live.asked]
    assert (paths.count("/time_series"), paths.count("/quote")) == (1, 39)
    assert len(alerts(caplog)) == 1
    (incident,) = FeedIncident.objects.all()
    assert (incident.kind, incident.settled_at) == ("sessions: server error", None)
    assert executed() == set()


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
    live: FeedServer,
    rules: list[Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    UserFactory.create(username="root", is_staff=True, is_superuser=True)
    faults = [
        *[fault.answer(now) for fault in TABLE.values()],
        quotes({KEY: {}, "AAPL": {"name": KEY}}),
    ]
    with caplog.at_level(logging.DEBUG):
        with nobody_waits(settings):
            for n, fault in enumerate(faults, start=1):
                live.says(fault)
                run_tick(now=now + timedelta(days=n))
        client = Client()
        client.force_login(UserFactory._meta.model.objects.get(username="root"))
        names = ("feedincident", "feedbudget", "feedask", "feedstream", "quote", "instrument")
        paths = ["/status", *[f"/admin/market/{name}/" for name in names]]
        pages = [client.get(path, secure=True).content.decode() for path in paths]
    assert all("<h1" in page for page in pages)
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
