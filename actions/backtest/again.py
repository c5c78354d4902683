"""All firings of a rule that starts anew with each, as its trigger tells them at once. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import repeat
from typing import overload

import numpy as np

from actions.backtest.fire import Fire
from actions.backtest.lockstep import reached
from actions.backtest.series import Ints, Series, instant, instants, price, prices
from actions.backtest.stretches import stretches
from actions.backtest.waking import ceiling, floor
from actions.turns import Turn


class Fires(Sequence[Fire]):
    """The firings at these bars, oldest first; made when they are asked for. `reason` words the one
    at an instant."""

    def __init__(self, series: Series, bars: Ints, reason: Callable[[datetime], str]) -> None:
        self._series, self._bars, self._reason = series, bars, reason

    def __len__(self) -> int:
        return len(self._bars)

    @overload
    def __getitem__(self, place: int) -> Fire: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Fire]: ...
    def __getitem__(self, place: int | slice) -> Fire | Sequence[Fire]:
        if isinstance(place, slice):
            return list(self._made(self._bars[place]))
        bar, series = self._bars[place], self._series
        return Fire(instant(series.at[bar]), price(series.printed[bar]), self._reason)

    def __iter__(self) -> Iterator[Fire]:
        for first, last in stretches(0, len(self)):
            yield from self._made(self._bars[first:last])

    def _made(self, bars: Ints) -> Iterator[Fire]:
        series = self._series
        return map(
            Fire, instants(series.at[bars]), prices(series.printed[bars]), repeat(self._reason)
        )


def all_turns(turn: Turn, closes: Ints, most: int | None) -> Ints:
    """The first `most` bars at which `turn` has come to its stop, where it starts anew from the
    price of each; exact."""
    if turn.stop is None:
        return np.zeros(0, np.int64)
    stop = floor(turn.stop) if turn.turning.falls else -ceiling(turn.stop)
    stops = _Stops.of(turn)
    found, count = [np.zeros(0, np.int64)], 0
    for first, last in stretches(0, len(closes)):
        part = closes[first:last] if turn.turning.falls else -closes[first:last]
        bars, stop = reached(part, stops.of_each(part), stop)
        found.append(bars + first)
        count += len(bars)
        if most is not None and count >= most:
            break
    return np.concatenate(found)[:most]


@dataclass(frozen=True, slots=True)
class _Stops:
    """The stops of best prices: `up` / `down` of each, and `away` below that.

    A rise from the lowest is a fall from the highest of prices that are told below zero.
    """

    up: int
    down: int
    away: int

    @classmethod
    def of(cls, turn: Turn) -> "_Stops":
        by = turn.by or Decimal(0)
        if not turn.turning.in_percent:
            return cls(1, 1, ceiling(by))
        percent = Fraction(by) / 100
        kept = 1 - percent if turn.turning.falls else 1 + percent
        return cls(kept.numerator, kept.denominator, 0)

    def of_each(self, best: Ints) -> Ints:
        """Exact, rounded to the price beyond. What the division leaves over is multiplied on its
        own: so no price that can be leaves the 64 bits, by any percent below 100 of 6 decimals."""
        whole, left = np.divmod(best, self.down)
        stops: Ints = whole * self.up + left * self.up // self.down - self.away
        return stops
