"""Where quotes come from."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from market.hours import TradingCalendar
from market.quotes import Bar, Sample


class Provider(Protocol):
    """A feed of prices, and the calendar of the market it quotes."""

    @property
    def name(self) -> str: ...

    @property
    def calendar(self) -> TradingCalendar: ...

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        """What it says about these symbols at `now`, one sample each.

        A symbol of which it has nothing is absent. May raise anything.
        """
        ...

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        """Each symbol's last `sessions` completed sessions, oldest first: those closed by `now`.

        A symbol may have fewer, or be absent. May raise anything.
        """
        ...
