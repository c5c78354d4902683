"""A price that turns: it falls from its highest, or rises from its lowest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from actions.levels import above, below, ceiling, floor, next_above, next_below
from portfolios.money import EXACT


class Turning(StrEnum):
    """Which way the price turns, and what the distance is counted in."""

    FALLS_PERCENT = "falls_percent"
    FALLS_USD = "falls_usd"
    RISES_PERCENT = "rises_percent"
    RISES_USD = "rises_usd"

    @property
    def falls(self) -> bool:
        return self in {Turning.FALLS_PERCENT, Turning.FALLS_USD}

    @property
    def in_percent(self) -> bool:
        return self in {Turning.FALLS_PERCENT, Turning.RISES_PERCENT}


@dataclass(frozen=True, slots=True)
class Turn:
    """Wake me when the price has turned `by` so much from its best since I was looked at.

    The best is the highest where the price is to fall, the lowest where it is to rise; `best` is
    what it was when I was looked at. With `by` None nothing wakes me, and the best is still kept.
    Whoever wakes me puts the best into my state, under `key`: a rule has one turn at most.
    """

    turning: Turning
    best: Decimal
    by: Decimal | None = None

    @property
    def key(self) -> str:
        return "peak" if self.turning.falls else "trough"

    @property
    def state(self) -> Mapping[str, Any]:
        """What the state says of it."""
        return {self.key: str(self.best)}

    @property
    def next_best(self) -> Decimal:
        """The nearest price that is better than the best."""
        return next_above(self.best) if self.turning.falls else next_below(self.best)

    @property
    def stop(self) -> Decimal | None:
        """The first price that wakes: not above zero where no price can fall so far."""
        if self.by is None:
            return None
        if self.turning.in_percent:
            away = below if self.turning.falls else above
            return away(self.best, self.by)
        if self.turning.falls:
            return floor(EXACT.subtract(self.best, self.by))
        return ceiling(EXACT.add(self.best, self.by))

    def reached(self, price: Decimal) -> bool:
        """Whether `price` is at its stop or beyond."""
        if self.stop is None:
            return False
        return price <= self.stop if self.turning.falls else price >= self.stop

    def beaten(self, price: Decimal) -> bool:
        """Whether `price` is better than the best until now."""
        return price > self.best if self.turning.falls else price < self.best

    def after(self, price: Decimal) -> "Turn":
        """The turn once `price` was seen: the best never gets worse."""
        return replace(self, best=price) if self.beaten(price) else self
