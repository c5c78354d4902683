"""What all tests share: a feed that the test controls, on the real services and database."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from market import feed as market_feed
from market.hours import AlwaysOpen, TradingCalendar
from market.models import Instrument
from market.quotes import Bar, Sample
from tests.feed_server import KEY, PATIENT_SECONDS, FeedServer, feed_server

# A machine that is slow, or has other things to do, is no fault.
hypothesis_settings.register_profile(
    "any machine",
    hypothesis_settings(),
    deadline=None,
    suppress_health_check=[*hypothesis_settings().suppress_health_check, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet() -> None:
    """How often somebody asked is counted in the cache, which outlives a test."""
    cache.clear()


class Feed:
    """A provider beyond this machine: it says what the test has told it to say."""

    name = "test"

    def __init__(self) -> None:
        self.calendar: TradingCalendar = AlwaysOpen()
        self.samples: dict[str, Sample] = {}
        self.bars: Mapping[str, Sequence[Bar]] = {}
        self.error: Exception | None = None

    def says(self, symbol: str, price: str | Decimal, at: datetime, **more: object) -> None:
        self.samples[symbol] = Sample(symbol=symbol, price=Decimal(price), as_of=at, **more)  # type: ignore[arg-type]

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        if self.error:
            raise self.error
        return [self.samples[symbol] for symbol in symbols if symbol in self.samples]

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        found = {}
        for symbol in symbols:
            bars = self.bars.get(symbol, ())
            end = bisect_right(bars, now, key=attrgetter("at"))
            found[symbol] = tuple(bars[max(0, end - sessions) : end])
        return found


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    feed = Feed()
    monkeypatch.setattr(
        market_feed,
        "_feed",
        lambda: market_feed._Feed(lambda: feed, feed.calendar),
    )
    return feed


@pytest.fixture
def live(settings: Settings) -> Iterator[FeedServer]:
    """Twelve Data as the feed, with credits in plenty, served on loopback as the test says."""
    with feed_server() as server:
        settings.MARKET_PROVIDER = "twelvedata"
        settings.TWELVEDATA_API_KEY = KEY
        settings.TWELVEDATA_URL = server.url
        settings.TWELVEDATA_CREDITS_PER_MINUTE = 100
        settings.TWELVEDATA_CREDITS_PER_DAY = 0
        settings.MARKET_CONNECT_SECONDS = PATIENT_SECONDS
        settings.MARKET_READ_SECONDS = PATIENT_SECONDS
        yield server


@pytest.fixture
def within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute in which requests are counted does not end amid the test."""
    monkeypatch.setattr("rest.throttling.time", SimpleNamespace(time=lambda: 1_800_000_000.0))


@pytest.fixture
def instruments(db: None) -> None:
    list_instruments(["AAPL", "IBM", "MSFT", "GOOG", "FB", "SPY"])


def list_instruments(symbols: Iterable[str]) -> None:
    Instrument.objects.bulk_create(
        [Instrument(symbol=symbol, name=symbol) for symbol in symbols], ignore_conflicts=True
    )


@pytest.fixture
def now() -> datetime:
    """A Tuesday in a session of the New York exchange."""
    return datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
