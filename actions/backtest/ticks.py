"""When a backtest looks at the market: with every bar, or each whole minute. Pure."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from actions.backtest.series import Ints, Series

MINUTE = 60 * 10**6  # microseconds


class Ticks(Protocol):
    """Numbered instants, in microseconds since 1970: from 0 on, and before `stop`."""

    stop: int

    def instant(self, tick: int) -> int: ...

    def first_from(self, micros: int) -> int:
        """The number of the first tick at or after that instant, whether or not before `stop`."""
        ...


class EveryBar:
    """The instants after `start` at which any of the series has a bar, until `end`."""

    def __init__(self, series: Iterable[Series], start: int, end: int | None) -> None:
        columns = [_between(each.at, start, end) for each in series]
        self.at = columns[0] if len(columns) == 1 else np.unique(np.concatenate(columns))
        self.stop = len(self.at)

    def instant(self, tick: int) -> int:
        return int(self.at[tick])

    def first_from(self, micros: int) -> int:
        return int(np.searchsorted(self.at, micros, side="left"))


class EveryMinute:
    """The whole minutes after `start`, until `end`."""

    def __init__(self, start: int, end: int) -> None:
        self._first = start // MINUTE + 1
        self.stop = max(0, end // MINUTE - self._first + 1)

    def instant(self, tick: int) -> int:
        return (self._first + tick) * MINUTE

    def first_from(self, micros: int) -> int:
        return max(0, -(-micros // MINUTE) - self._first)


def _between(at: Ints, start: int, end: int | None) -> Ints:
    first = int(np.searchsorted(at, start, side="right"))
    last = len(at) if end is None else int(np.searchsorted(at, end, side="right"))
    return at[first : max(first, last)]
