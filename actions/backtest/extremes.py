"""The lowest and the highest of each block of numbers, so that what is out of reach is passed a
block at a time. Pure."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

type _Ints = npt.NDArray[np.int64]
type _Reached = Callable[[_Ints], npt.NDArray[np.bool_]]

BLOCK = 512


class Extremes:
    """Searches the same numbers again and again for the first one that is at a level or beyond."""

    def __init__(self, values: _Ints) -> None:
        self._values = values
        self._size = BLOCK

    def first_below(self, level: int, begin: int, end: int) -> int:
        """The first place in [begin, end) whose number is at or below `level`; `end`: none is."""
        return self._first(lambda of: of <= level, lambda: self._lows, begin, end)

    def first_above(self, level: int, begin: int, end: int) -> int:
        return self._first(lambda of: of >= level, lambda: self._highs, begin, end)

    def _first(self, reached: _Reached, extremes: Callable[[], _Ints], begin: int, end: int) -> int:
        size = self._size
        near = min(begin - begin % size + size, end)  # whoever finds early needs no extremes
        if (found := _within(self._values, reached, begin, near)) < near or near == end:
            return found
        block = near // size
        block = _within(extremes(), reached, block, -(-end // size))
        return _within(self._values, reached, min(block * size, end), min(block * size + size, end))

    @cached_property
    def _lows(self) -> _Ints:
        return np.minimum.reduceat(self._values, self._begins)

    @cached_property
    def _highs(self) -> _Ints:
        return np.maximum.reduceat(self._values, self._begins)

    @property
    def _begins(self) -> _Ints:
        return np.arange(0, len(self._values), self._size)


def _within(values: _Ints, reached: _Reached, begin: int, end: int) -> int:
    if begin >= end:
        return end
    hits = reached(values[begin:end])
    at = int(hits.argmax())
    return begin + at if hits[at] else end
