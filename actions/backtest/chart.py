"""A symbol's past as arrays with a number for each bar, by which a trigger finds candidates. Pure.

Numbers are floats, good to a billionth, and NaN where there is none; NaN compares as false.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from actions.backtest.series import MICROSECOND, PER_DOLLAR, Ints, Series, Sessions

type Floats = npt.NDArray[np.float64]

NEARLY = 1e-9  # relatively, more than such a number is off
_EMA_FORGETS = 1e-5  # more than an exponential average still weighs of what was 6 lengths ago
_LARGEST_SUM = 2**62


class Chart:
    """What `Trigger.scan` looks at. Of sessions, a bar knows those that closed before it."""

    def __init__(self, series: Series, sessions: Sessions) -> None:
        self._series = series
        self._sessions = sessions
        self.is_daily = series.is_daily

    @cached_property
    def price(self) -> Floats:
        return self._series.close / PER_DOLLAR

    @cached_property
    def volume(self) -> Floats:
        """The session's until then."""
        return self._sessions.volumes.astype(np.float64)

    def price_before(self, span: timedelta) -> Floats:
        """The last price at or before so long ago."""
        found = np.searchsorted(self._series.at, self._series.at - span // MICROSECOND, "right") - 1
        return np.where(found >= 0, self.price[found], np.nan)

    def close_back(self, count: int) -> Floats:
        """The close so many sessions back: 1 is the last one's."""
        return self._of_session(self._sessions.close / PER_DOLLAR, count)

    def highest(self, count: int) -> Floats:
        """The highest of the last sessions; of fewer, where there are no more."""
        highs = self._sessions.high / PER_DOLLAR
        padded = np.concatenate([np.full(-len(highs) % count, -np.inf), highs])
        blocks = padded.reshape(-1, count)
        so_far = np.maximum.accumulate(blocks, axis=1).ravel()
        to_come = np.maximum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
        before = np.concatenate([np.full(count - 1, -np.inf), to_come])[: len(padded)]
        return self._of_session(np.maximum(so_far, before)[len(padded) - len(highs) :], 1)

    def average_volume(self, count: int) -> Floats:
        """Of the last sessions."""
        sums = _sums(self._sessions.volume, count)
        if sums is None:
            return np.zeros(len(self._series))  # reached by every volume
        return self._of_session(np.concatenate([np.full(count - 1, np.nan), sums / count]), 1)

    def crossings(self, short: int, long: int, *, exponential: bool) -> Ints | None:
        """The bars with which a session closed whose short average may have got to the other side
        of the long one; None where there are too many digits to tell."""
        closes = self._sessions.close
        if len(closes) <= long:
            return np.zeros(0, np.int64)
        sign = (
            _exponential_sign(closes, short, long)
            if exponential
            else _simple_sign(closes, short, long)
        )
        if sign is None:
            return None
        moved = np.flatnonzero((sign[1:] != sign[:-1]) | (sign[1:] == 0)) + 1
        at = self._sessions.at[moved + len(closes) - len(sign)]
        bars = np.searchsorted(self._series.at, at, side="left")
        return bars[bars < len(self._series)]

    def at_or_below(self, values: Floats, levels: Floats) -> Ints:
        """The bars whose value is, or may be, at its level or below."""
        return np.flatnonzero(values <= levels * (1 + NEARLY))

    def at_or_above(self, values: Floats, levels: Floats) -> Ints:
        return np.flatnonzero(values >= levels * (1 - NEARLY))

    def any_of(self, found: Sequence[Ints]) -> Ints:
        """The bars that are in any of them, in order."""
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def _of_session(self, values: Floats, back: int) -> Floats:
        """For each bar the value of the session `back` before it."""
        if self.is_daily:
            return np.concatenate([np.full(back, np.nan), values])[: len(self._series)]
        found = np.searchsorted(self._sessions.at, self._series.at, side="left") - back
        known = found >= 0
        spread = np.full(len(found), np.nan)
        spread[known] = values[found[known]]
        return spread


def _simple_sign(closes: Ints, short: int, long: int) -> Ints | None:
    """1 where the short average is above the long one, -1 where it is below, exactly."""
    if int(closes.max()) * short * long >= _LARGEST_SUM:
        return None
    shorter, longer = _sums(closes, short), _sums(closes, long)
    if shorter is None or longer is None:
        return None
    return np.sign(shorter[long - short :] * long - longer * short)


def _exponential_sign(closes: Ints, short: int, long: int) -> Ints:
    """The same, and 0 where they are nearly equal."""
    prices = closes / PER_DOLLAR
    apart = _exponential(prices, short)[long - short :] - _exponential(prices, long)
    near = _EMA_FORGETS * float(prices.max() - prices.min()) + NEARLY * float(prices.max())
    return np.where(np.abs(apart) <= near, 0, np.sign(apart)).astype(np.int64)


def _exponential(prices: Floats, length: int) -> Floats:
    """From the simple average of the first ones on."""
    weight = 2 / (length + 1)
    first = float(prices[:length].mean())
    averages = accumulate(
        prices[length:].tolist(),
        lambda before, price: before + (price - before) * weight,
        initial=first,
    )
    return np.fromiter(averages, np.float64, len(prices) - length + 1)


def _sums(values: Ints, count: int) -> Ints | None:
    """Of each `count` that follow each other. The running total may go round the 64 bits: its
    differences are exact all the same, as long as they themselves fit."""
    if len(values) < count:
        return np.zeros(0, np.int64)
    if int(values.max()) * count >= _LARGEST_SUM:
        return None
    total = np.cumsum(values)
    sums: Ints = total[count - 1 :].copy()
    sums[1:] -= total[:-count]
    return sums
