"""A feed that answers at once with samples that were made beforehand, and prices that move."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from django.conf import settings

from market import feed as market_feed
from market.hours import AlwaysOpen
from market.providers import Provider
from market.providers.twelvedata import TwelveData
from market.quotes import Bar, Sample

CENT = Decimal("0.01")
SECOND = timedelta(seconds=1)


class Prepared:
    """The provider: what it says next is `samples`."""

    name = "bench"
    calendar = AlwaysOpen()

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        return self.samples

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        return {}


@contextmanager
def prepared_feed() -> Iterator[Prepared]:
    """Has the product ask this provider, and doubt it as it doubts a live one."""
    feed = Prepared()

    def connect() -> Provider:
        return feed

    connected = market_feed._Feed(connect=connect, default_calendar=feed.calendar)
    with (
        patch.object(market_feed, "_feed", lambda: connected),
        patch.object(settings, "MARKET_PROVIDER", TwelveData.name),
    ):
        yield feed


def samples(
    prices: dict[str, Decimal], at: datetime, moves: dict[str, Decimal] | None = None, step: int = 0
) -> list[Sample]:
    """Fresh quotes: a few tenths of a percent around `prices`, or moved as far as `moves` says."""
    moves = moves or {}
    return [
        Sample(
            symbol=symbol,
            price=(price * (1 + moves.get(symbol, _wobble(number, step)))).quantize(CENT),
            as_of=at - SECOND * (number % 5),
            volume=1_000_000 + step,
            previous_close=price,
        )
        for number, (symbol, price) in enumerate(prices.items())
    ]


def _wobble(number: int, step: int) -> Decimal:
    return Decimal((number * 31 + step * 17) % 9 - 4) / 1000
