"""A feed that one process moves and others ask: the prices stand in a file.

With `bench.settings`, any command of `manage.py` asks it, in whatever processes it starts.
"""

import json
import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

from django.apps import AppConfig

from market.hours import AlwaysOpen
from market.providers import Provider
from market.quotes import Bar, Sample

PRICES = "BENCH_PRICES"  # the environment variable that names the file


class RoundTheClock(AlwaysOpen):
    """Opens the moment that it closes, where AlwaysOpen has no opening at all."""

    def next_open(self, at: datetime) -> datetime:
        return at if at == self.last_close(at) else self.next_close(at)


class PricesInAFile:
    """The provider: each symbol trades at every instant, at the price that the file says."""

    name = "bench"
    calendar = RoundTheClock()

    def __init__(self, file: Path) -> None:
        self._file = file

    def say(self, prices: Mapping[str, Decimal]) -> datetime:
        """Whoever asks from the instant on that is returned is told these prices."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({symbol: str(price) for symbol, price in prices.items()}))
        changed = datetime.now(UTC)
        new.rename(self._file)
        return changed

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        prices = json.loads(self._file.read_text())
        return [
            Sample(symbol=symbol, price=Decimal(prices[symbol]), as_of=now)
            for symbol in symbols
            if symbol in prices
        ]

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        return {}


class FeedOfAFile(AppConfig):
    """Has the product ask this provider, from the set-up of a process on."""

    name = "bench"

    def ready(self) -> None:
        from market import feed as market_feed  # noqa: PLC0415 -- needs the models

        feed = PricesInAFile(Path(os.environ[PRICES]))

        def connect() -> Provider:
            return feed

        connected = market_feed._Feed(connect=connect, default_calendar=feed.calendar)
        patch.object(market_feed, "_feed", lambda: connected).start()
