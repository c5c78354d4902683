"""All firings of a rule that starts anew with each, as its trigger tells them at once. Pure."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import overload

import numpy as np

from actions.backtest.fire import Fire
from actions.backtest.series import Ints, Series, instant, price
from actions.backtest.stretches import stretches
from actions.backtest.waking import ceiling, floor
from actions.turns import Turn


class Fires(Sequence[Fire]):
    """The firings at these bars, oldest first; each is made when it is asked for. `reason` words
    the one at a place."""

    def __init__(self, series: Series, bars: Ints, reason: Callable[[int], str]) -> None:
        self._series, self._bars, self._reason = series, bars, reason

    def __len__(self) -> int:
        return len(self._bars)

    @overload
    def __getitem__(self, place: int) -> Fire: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Fire]: ...
    def __getitem__(self, place: int | slice) -> Fire | Sequence[Fire]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        n = range(len(self))[place]
        bar, series = self._bars[n], self._series
        return Fire(instant(series.at[bar]), price(series.printed[bar]), partial(self._reason, n))


def all_turns(turn: Turn, closes: Ints, most: int | None) -> Ints:
    """The first `most` bars at which `turn` has come to its stop, where it starts anew from the
    price of each; exact.

    Each stop depends on the firing before it, so this goes from bar to bar: in a plain loop, which
    is several times faster than arrays that are searched once a firing.
    """
    falls, by = turn.turning.falls, turn.by or Decimal(0)
    sign = 1 if falls else -1  # a rise from the lowest is a fall of the prices below zero
    best = floor(turn.best) if falls else -ceiling(turn.best)
    kept, away = Fraction(1), ceiling(by)
    if turn.turning.in_percent:
        kept, away = 1 - sign * Fraction(by) / 100, 0
    up, down = kept.as_integer_ratio()
    stop = best * up // down - away
    found: list[int] = []
    for first, last in stretches(0, len(closes)):
        for bar, close in enumerate((sign * closes[first:last]).tolist(), first):
            if stop < close <= best:
                continue
            if close <= stop:
                found.append(bar)
            best = close
            stop = best * up // down - away
        if most is not None and len(found) >= most:
            break
    return np.array(found[:most], np.int64)
