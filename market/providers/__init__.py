"""Where quotes come from."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from market.hours import TradingCalendar
from market.quotes import Sample


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
