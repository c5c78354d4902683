"""What the tests of the stream share: a WebSocket on loopback, rules, and streaming until
a script is done."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from actions.engine import followed, run_tick, take_in
from actions.models import Action
from actions.services import Draft, create_action
from market.feed import stream
from market.models import Quote
from market.quotes import Sample
from market.services import calendar
from market.streaming import Pace, World, keep_streaming
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import FeedServer, quote, quotes
from tests.stream_server import StreamServer, stream_server

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
