"""The stream: a real WebSocket on loopback, and what becomes of all that it may say.

A rule waits that any lower price would fire. What is said, is said in the middle of a session.
"""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic

import pytest
from django.apps import apps
from django.core import serializers
from pytest_django import Settings
from websockets.frames import CloseCode

from actions.engine import followed, run_tick, take_in
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from market.feed import stream
from market.models import FeedAsk, FeedIncident, FeedStream, Quote
from market.providers.twelvedata_stream import LARGEST
from market.quotes import Sample
from market.services import ProviderError, calendar, quotes_within
from market.streaming import Pace, World, keep_streaming
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import KEY, FeedServer, nobody_listening, quote, quotes
from tests.stream_server import StreamServer, price_of, stream_server

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
QUICK = Pace(take_in=0.02, follow=0.05, heartbeat=0.05, silence=30, first_wait=8, closed=0.01)
PRICES = {"AAPL": "230.00", "MSFT": "415.00", "IBM": "100.00"}


@pytest.fixture
def server(settings: Settings) -> Iterator[StreamServer]:
    with stream_server() as server:
        settings.TWELVEDATA_STREAM_URL = server.url
        yield server


def rule(portfolio: object, symbol: str, threshold: str, now: datetime) -> Action:
    return create_action(
        user=portfolio.user,  # type: ignore[attr-defined]
        draft=Draft(
            action_type="BUY",
            symbol=symbol,
            quantity=Decimal(1),
            trigger_type="price_below",
            trigger_params={"threshold": threshold},
        ),
        now=now,
    )


@pytest.fixture
def rules(live: FeedServer, server: StreamServer, now: datetime) -> dict[str, Action]:
    """One of each symbol, the nearest to its trigger first, after a tick that has asked for all."""
    list_instruments([*PRICES, "GOOG"])
    portfolio = PortfolioFactory.create(deposit=10_000)
    made = {
        symbol: rule(portfolio, symbol, threshold, now)
        for symbol, threshold in (("AAPL", "225"), ("MSFT", "400"), ("IBM", "80"))
    }
    live.says(quotes({symbol: quote(symbol, now, price) for symbol, price in PRICES.items()}))
    first = run_tick(now=now)
    assert (first.symbols, first.fired, first.errors) == (3, 0, [])
    live.asked.clear()
    return made


@dataclass
class Streaming:
    """What a test does while it streams, from a thread that touches no database."""

    server: StreamServer
    now: datetime
    pace: Pace = QUICK
    watchlist: Callable[[datetime], list[str]] = lambda now: followed(now=now)
    taken: list[Sample] = field(default_factory=list)
    times: int = 0
    marks: int = 0
    waits: list[float] = field(default_factory=list)

    def run(self, script: Callable[[], None], *, waits: int = 0) -> None:
        """Streams until the script is done, or (`waits`) has waited so often to connect again."""
        stop = threading.Event()
        wrong: list[BaseException] = []

        def act() -> None:
            try:
                script()
            except BaseException as error:
                wrong.append(error)
            finally:
                if not waits or wrong:
                    stop.set()

        def rest(seconds: float) -> None:
            self.waits.append(seconds)
            self.server.subscribed.clear()
            if waits and len(self.waits) >= waits:
                stop.set()

        world = World(
            watchlist=self.watchlist,
            take_in=lambda samples, now: self.take_in(samples, now),
            clock=lambda: self.now,
            rest=rest,
            stopping=stop.is_set,
        )
        thread = threading.Thread(target=act)
        thread.start()
        try:
            keep_streaming(stream(), world, calendar(), self.pace)
        finally:
            stop.set()
            thread.join()
        if wrong:
            raise wrong[0]

    def take_in(self, samples: list[Sample], now: datetime) -> int:
        woken = take_in(samples, now)
        self.taken += samples
        self.times += 1
        return woken

    def subscribed(self, *symbols: str) -> None:
        self.server.wait_for(lambda server: server.subscribed == set(symbols))

    def says(self, *messages: object) -> None:
        """Said, and surely heard: what is said after it has been taken in."""
        self.server.says(*messages)
        self.marks += 1
        mark = Decimal(100) + Decimal(self.marks) / 100
        self.server.price("IBM", str(mark), self.now.timestamp() - 9 + self.marks)
        self.server.wait_for(lambda _: any(one.price == mark for one in self.taken))


@pytest.fixture
def streaming(server: StreamServer, now: datetime) -> Streaming:
    return Streaming(server, now)


def price(symbol: str) -> Decimal | None:
    return Quote.objects.get(instrument=symbol).price


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The product's: websockets' server, here in the same process, logs what it hears."""
    return [record for record in caplog.records if record.name != "websockets.server"]


def ours(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in records(caplog))


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    loud = (record for record in records(caplog) if record.levelno >= logging.WARNING)
    return [record.getMessage() for record in loud]


def test_a_price_fires_a_rule_with_what_was_asked_for_before(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", 224.5, (now + SECOND).timestamp())
        streaming.server.wait_for(lambda _: streaming.taken)

    streaming.now = now + 2 * SECOND
    streaming.run(script)
    (sample,) = streaming.taken
    assert (sample.price, sample.as_of) == (Decimal("224.5"), now + SECOND)
    assert (sample.volume, sample.previous_close) == (1000, Decimal(230))
    assert rules["AAPL"].executions_count == 0
    run_tick(now=now + 3 * SECOND)
    (execution,) = ActionExecution.objects.all()
    assert (execution.action_id, execution.execution_status) == (rules["AAPL"].pk, "success")
    (header,) = streaming.server.headers
    assert header["X-TD-APIKEY"] == KEY


def test_the_volume_of_the_day_is_taken_where_it_is_told(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "229", now.timestamp() + 1, day_volume=5_000))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert Quote.objects.get(instrument="AAPL").volume == 5000


@dataclass(frozen=True)
class Said:
    """A message, and the incident that it makes: its symbol, kind and words."""

    message: Callable[[float], object]
    symbol: str | None = None
    kind: str = ""
    words: str = ""


def aapl(value: object, seconds: float = 1, **more: object) -> Callable[[float], object]:
    return lambda at: price_of("AAPL", value, at + seconds, **more)


def text(words: str | bytes) -> Callable[[float], object]:
    return lambda at: words


BAD = "stream: bad price"
FAULTS = {
    "NaN as text": Said(aapl("NaN"), "AAPL", BAD, "not a number"),
    "NaN as a number": Said(
        lambda at: json.dumps(price_of("AAPL", 1, at + 1)).replace('"price": 1', '"price": NaN'),
        "AAPL",
        BAD,
        "not a number",
    ),
    "zero": Said(aapl(0), "AAPL", BAD, "above 0"),
    "negative": Said(aapl("-1"), "AAPL", BAD, "above 0"),
    "nothing": Said(aapl(None), "AAPL", BAD, "not a number"),
    "true": Said(aapl(True), "AAPL", BAD, "not a number"),
    "no instant": Said(aapl("200", timestamp=None), "AAPL", BAD, "not a number"),
    "milliseconds": Said(lambda at: price_of("AAPL", "200", at * 1000), "AAPL", BAD, ""),
    "from the future": Said(aapl("200", seconds=60), "AAPL", "from the future", "is said to be of"),
    "a jump": Said(aapl("150"), "AAPL", "jump", "34.8 % away"),
    "another currency": Said(
        aapl("200", currency="EUR"), "AAPL", "stream: another company", "quoted in EUR"
    ),
    "not in the plan": Said(
        lambda at: {
            "event": "subscribe-status",
            "status": "error",
            "fails": [{"symbol": "AAPL", "message": "upgrade"}],
        },
        "AAPL",
        "stream: not carried",
        "upgrade",
    ),
    "garbage": Said(text("<html>"), None, "stream", "no JSON"),
    "bytes": Said(text(b"\xff\x00"), None, "stream", "no JSON"),
    "cut-off JSON": Said(text('{"event":"price","symbol":"AAPL","pri'), None, "stream", "no JSON"),
    "a list": Said(lambda at: [1, 2], None, "stream", "no JSON object"),
    "no symbol": Said(
        lambda at: {"event": "price", "price": 1}, None, "stream", "without a symbol"
    ),
    "an error": Said(
        lambda at: {"event": "error", "code": "400", "message": f"Invalid {KEY}"},
        None,
        "stream",
        "400: Invalid ***",
    ),
    "an older instant": Said(aapl("200", seconds=-5)),
    "the same instant": Said(aapl("200", seconds=0)),
    "a symbol nobody asked for": Said(lambda at: price_of("GOOG", "1", at + 1)),
    "a symbol that is none": Said(lambda at: price_of("../etc", "1", at + 1)),
    "an unknown event": Said(lambda at: {"event": "news", "symbol": "AAPL", "price": "1"}),
    "null": Said(lambda at: {"event": None}),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_cannot_be_believed_is_not_stored_fires_nothing_and_is_raised_once(
    what: str,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = FAULTS[what]
    message = said.message(now.timestamp())

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        for _ in range(3):
            streaming.says(message)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert {sample.symbol for sample in streaming.taken} <= {"IBM", "AAPL"}
    assert price("AAPL") == 230
    assert run_tick(now=now + 11 * SECOND).fired == 0
    assert not Quote.objects.filter(instrument="GOOG", price__isnull=False).exists()
    incidents = FeedIncident.objects.values_list("instrument_id", "kind")
    assert list(incidents) == ([(said.symbol, said.kind)] if said.kind else [])
    raised = alerts(caplog)
    if said.kind == "jump":  # it is the statement that stores quotes which records it
        assert FeedIncident.objects.get().verdict == "held"
    else:
        assert len(raised) == bool(said.kind)
    if said.kind:
        assert said.words in FeedIncident.objects.get().reason
    assert KEY not in ours(caplog)


def test_numbers_may_be_text_and_a_price_is_decimal_from_the_wire(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        at = now.timestamp() + 1
        streaming.says(price_of("AAPL", "229.123456", at, timestamp=str(int(at))))
        msft = json.dumps(price_of("MSFT", "PRICE", at))
        streaming.says(msft.replace('"PRICE"', "414.1000000149"))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert (price("AAPL"), price("MSFT")) == (Decimal("229.123456"), Decimal("414.1"))


def test_a_jump_is_confirmed_by_a_price_of_another_second(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "150", now.timestamp() + 1))
        streaming.says(price_of("AAPL", "151", now.timestamp() + 1))
        assert not [one for one in streaming.taken if one.price == 152]
        streaming.says(price_of("AAPL", "152", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 152
    held = FeedIncident.objects.get()
    assert (held.verdict, held.outcome, held.price) == ("held", "confirmed", Decimal(151))


def test_a_burst_is_taken_in_together_and_its_last_price_counts(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.pace = replace(QUICK, take_in=0.25)
    took: list[float] = []

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        began = monotonic()
        for cents in range(200):
            streaming.server.price("AAPL", f"229.{cents:03d}", now.timestamp() + 1)
        streaming.server.wait_for(
            lambda _: any(one.price == Decimal("229.199") for one in streaming.taken)
        )
        took.append(monotonic() - began)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == Decimal("229.199")
    assert streaming.times <= took[0] / streaming.pace.take_in + 2


def test_a_symbol_that_the_feed_doubts_is_not_believed_from_its_stream(
    live: FeedServer, streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    stranger = quote("AAPL", now + SECOND, "229", name="Apple Hospitality REIT")
    live.says(quotes({"AAPL": stranger}))
    quotes_within(symbols=["AAPL"], now=now + SECOND, age=timedelta(0), take_in=take_in)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "200", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 230


def test_a_symbol_is_not_believed_before_the_feed_was_asked_for_it_in_the_session(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    tomorrow = now + timedelta(days=1)
    FeedAsk.objects.filter(instrument="IBM").update(answered_at=tomorrow)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "200", tomorrow.timestamp() + 1))

    streaming.now = tomorrow + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 230


def test_it_follows_the_watchlist_as_far_as_the_plan_goes_the_nearest_to_a_trigger_first(
    streaming: Streaming, rules: dict[str, Action], now: datetime, settings: Settings
) -> None:
    settings.TWELVEDATA_STREAM_SYMBOLS = 2
    watched = [*PRICES]

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT")
        watched.remove("MSFT")
        streaming.subscribed("AAPL", "IBM")
        watched.append("GOOG")  # without a trigger, so it waits for its turn
        watched.remove("AAPL")
        streaming.subscribed("GOOG", "IBM")

    streaming.watchlist = lambda now: watched
    streaming.run(script)
    said = [one for one in streaming.server.heard if one["action"] != "heartbeat"]
    assert [(one["action"], one["params"]["symbols"]) for one in said] == [
        ("subscribe", "AAPL,MSFT"),
        ("unsubscribe", "MSFT"),
        ("subscribe", "IBM"),
        ("unsubscribe", "AAPL"),
        ("subscribe", "GOOG"),
    ]


def test_what_the_plan_does_not_carry_makes_room_for_the_next_and_is_asked_for(
    live: FeedServer,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    settings: Settings,
) -> None:
    settings.TWELVEDATA_STREAM_SYMBOLS = 2
    streaming.server.refuses = {"AAPL"}
    streaming.run(lambda: streaming.subscribed("MSFT", "IBM"))
    run_tick(now=now + SECOND)
    assert "AAPL" in live.asked[-1].symbols
    streaming.server.refuses = set()
    streaming.now = now + 61 * MINUTE
    streaming.run(lambda: streaming.subscribed("AAPL", "MSFT"))


def test_what_the_stream_keeps_fresh_is_seldom_asked_for(
    live: FeedServer, streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "229", streaming.now.timestamp()))

    def asked(at: datetime) -> list[str]:
        run_tick(now=at)
        return sorted(symbol for one in live.asked for symbol in one.symbols)

    streaming.now = now + 9 * SECOND
    streaming.run(script)
    assert asked(now + 10 * SECOND) == ["MSFT"], "IBM is told, too"
    live.asked.clear()
    quotes_within(symbols=["AAPL"], now=now + 12 * SECOND, age=30 * SECOND, take_in=take_in)
    assert live.asked == [], "a reader is served by it as well"
    assert asked(now + 70 * SECOND) == ["AAPL", "IBM", "MSFT"], "nothing was heard for a minute"
    live.asked.clear()
    FeedAsk.objects.filter(subject="stream").update(answered_at=now + 20 * MINUTE)
    assert asked(now + 20 * MINUTE) == ["AAPL", "IBM", "MSFT"], "whose price it is, is asked"


def test_a_connection_that_breaks_is_made_again_and_what_was_said_before_holds(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def script() -> None:
        for n in (1, 2, 3):
            streaming.server.wait_for(lambda server, n=n: len(server.connections) == n)  # type: ignore[misc]
            streaming.subscribed("AAPL", "MSFT", "IBM")
            streaming.says(price_of("AAPL", f"229.{n}", now.timestamp() + n))
            streaming.server.connections[-1].socket.close()

    streaming.now = now + 10 * SECOND
    streaming.run(script, waits=3)
    assert price("AAPL") == Decimal("229.3")
    assert len(alerts(caplog)) == 1
    incident = FeedIncident.objects.get()
    assert (incident.kind, incident.verdict, incident.times) == ("stream", "failed", 3)
    run_tick(now=now + 11 * SECOND)  # a good answer of the feed says nothing about its stream
    incident.refresh_from_db()
    assert incident.settled_at is None


CONNECTIONS: dict[str, tuple[Callable[[StreamServer], None], str]] = {
    "ended": (lambda server: server.connections[-1].close(), "ended the connection (1000)"),
    "ended with an error": (
        lambda server: server.connections[-1].close(CloseCode.INTERNAL_ERROR),
        "ended the connection (1011)",
    ),
    "cut": (lambda server: server.connections[-1].socket.close(), "the connection broke"),
    "too long a message": (
        lambda server: server.says("x" * (LARGEST + 1)),
        f"more than {LARGEST} bytes",
    ),
    "the key is refused": (
        lambda server: server.says({"event": "error", "code": 401, "message": f"{KEY} is wrong"}),
        "401: *** is wrong",
    ),
    "silence": (lambda server: None, "nothing was heard for 0.4 s"),
}


@pytest.mark.parametrize("what", CONNECTIONS)
def test_a_connection_that_is_no_more_is_noticed_and_raised_once(
    what: str,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    act, words = CONNECTIONS[what]
    streaming.pace = replace(QUICK, silence=0.4 if what == "silence" else 30)

    def script() -> None:
        for n in (1, 2):
            streaming.server.wait_for(lambda server, n=n: len(server.connections) == n)  # type: ignore[misc]
            streaming.server.deaf = what == "silence"
            act(streaming.server)

    streaming.run(script, waits=2)
    (alert,) = alerts(caplog)
    assert words in alert
    assert KEY not in ours(caplog)
    assert FeedIncident.objects.get().reason == alert.removeprefix("twelvedata: ")
    status = FeedStream.objects.get()
    assert (status.connected_at, status.words) == (None, "It was stopped.")
    first, second = streaming.waits
    assert (150 <= first <= 300) if "key" in what else (4 <= first <= 8 <= second <= 16)


def test_a_key_that_is_refused_is_tried_again_after_minutes(
    streaming: Streaming,
    rules: dict[str, Action],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.TWELVEDATA_API_KEY = "another"
    with caplog.at_level(logging.DEBUG):
        streaming.run(lambda: None, waits=1)
    (wait,) = streaming.waits
    assert 150 <= wait <= 300
    assert FeedIncident.objects.get().reason == "HTTP 401 instead of a stream"
    assert "another" not in ours(caplog)


def test_the_waits_grow_up_to_a_minute(
    streaming: Streaming, rules: dict[str, Action], settings: Settings
) -> None:
    with nobody_listening() as place:
        settings.TWELVEDATA_STREAM_URL = f"ws://{place}"
        streaming.run(lambda: None, waits=6)
    longest = [8, 16, 32, 60, 60, 60]
    assert all(
        most / 2 <= wait <= most for wait, most in zip(streaming.waits, longest, strict=True)
    )
    assert FeedIncident.objects.get().reason == "the connection was refused"


def test_no_redirect_is_followed_with_the_key(
    streaming: Streaming, rules: dict[str, Action]
) -> None:
    with stream_server() as elsewhere:
        streaming.server.moved_to = f"{elsewhere.url}/v1/quotes/price"
        streaming.run(lambda: None, waits=1)
        assert elsewhere.headers == []
    assert "another address, which is not followed" in FeedIncident.objects.get().reason
    assert len(streaming.server.headers) == 1


def test_what_has_not_been_wrong_for_a_while_is_over(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.pace = replace(QUICK, steady=0.3)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "NaN", 1), "garbage")
        streaming.says(price_of("AAPL", "229", now.timestamp() + 5))
        beats = len(streaming.server.heard)
        streaming.server.wait_for(lambda server: len(server.heard) > beats + 14)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    outcomes = FeedIncident.objects.values_list("kind", "outcome").order_by("kind")
    assert list(outcomes) == [("stream", "ended"), ("stream: bad price", "ended")]


def test_while_the_market_is_closed_nobody_connects(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.now = now + timedelta(hours=8)
    streaming.run(lambda: None, waits=3)
    assert streaming.server.connections == []
    assert FeedIncident.objects.count() == 0


def test_prices_from_before_and_after_the_session_are_left_alone(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    closes = calendar().next_close(now)
    FeedAsk.objects.update(answered_at=closes - MINUTE)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", "200", closes.timestamp() + 5)
        streaming.server.price("AAPL", "229", closes.timestamp() - 1)
        streaming.server.wait_for(lambda _: streaming.taken)

    streaming.now = closes + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 229


def test_a_fault_of_ours_loses_these_prices_and_not_the_next(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    takes_in = streaming.take_in
    calls = []

    def fails_first(samples: list[Sample], now: datetime) -> int:
        calls.append(samples)
        if len(calls) == 1:
            raise ValueError("a bug")
        return takes_in(samples, now)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", "229", now.timestamp() + 1)
        streaming.server.wait_for(lambda _: calls)
        streaming.says(price_of("AAPL", "228", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.take_in = fails_first  # type: ignore[method-assign]
    streaming.run(script)
    assert price("AAPL") == 228
    assert "could not be taken in" in caplog.text


def test_the_key_is_in_no_log_and_no_table(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(
            {"event": "error", "message": KEY},
            price_of("AAPL", KEY, 1),
            price_of("AAPL", "229", now.timestamp() + 1, currency=KEY),
            {"event": "subscribe-status", "fails": [{"symbol": "MSFT", "message": KEY}]},
        )
        streaming.server.connections[-1].close(CloseCode.POLICY_VIOLATION, KEY)

    streaming.now = now + 10 * SECOND
    with caplog.at_level(logging.DEBUG):
        streaming.run(script, waits=1)
    assert KEY not in repr(stream())
    rows = io.StringIO()
    for model in apps.get_models():
        serializers.serialize("json", model._default_manager.all(), stream=rows)
    assert "***" in rows.getvalue()
    assert KEY not in ours(caplog) + rows.getvalue()


def test_a_feed_without_a_stream_says_so(settings: Settings) -> None:
    settings.MARKET_PROVIDER = "alpaca"
    with pytest.raises(ProviderError, match="has no stream, only 'twelvedata' has"):
        stream()
