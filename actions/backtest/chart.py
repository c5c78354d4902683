"""A stretch of a symbol's past as arrays, by which a trigger finds candidates. Pure.

Arrays have a number for each bar of the stretch: floats, good to a billionth, and NaN where there
is none, which compares as false.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from actions.backtest.again import all_turns
from actions.backtest.series import MICROSECOND, PER_DOLLAR, Ints, Series, Sessions, price
from actions.backtest.stretches import stretches
from actions.backtest.waking import NEARLY, Floats, after, ceiling, first_turn, floor, turned
from actions.turns import Turn, Turning

_EMA_LENGTHS = 8  # after so many, what was before weighs less than _EMA_FORGETS
_EMA_FORGETS = 1e-5
_LARGEST_SUM = 2**62


class Chart:
    """What `Trigger.scan` looks at: the bars in [begin, end) of a series. A bar knows the sessions
    that closed before it."""

    def __init__(self, series: Series, sessions: Sessions, begin: int, end: int) -> None:
        self._series, self._sessions = series, sessions
        self._begin, self._end = begin, end
        self.is_daily = series.is_daily

    @cached_property
    def price(self) -> Floats:
        return self._closes / PER_DOLLAR

    @cached_property
    def volume(self) -> Floats:
        """The session's until then."""
        return self._sessions.volumes[self._begin : self._end].astype(np.float64)

    def price_before(self, span: timedelta) -> Floats:
        """The last price at or before so long ago."""
        at = self._series.at[self._begin : self._end] - span // MICROSECOND
        found = np.searchsorted(self._series.at, at, side="right") - 1
        return np.where(found >= 0, self._series.close[found] / PER_DOLLAR, np.nan)

    def close_back(self, count: int) -> Floats:
        """The close so many sessions back: 1 is the last one's."""
        if not len(self._sessions.at):
            return np.full(self.length, np.nan)
        found = self._closed - count
        closes = self._sessions.close[np.maximum(found, 0)] / PER_DOLLAR
        return np.where(found >= 0, closes, np.nan)

    def highest(self, count: int) -> Floats:
        """The highest of the last sessions; of fewer, where there are no more."""
        last = int(self._closed.max(initial=0))
        first = max(0, int(self._closed.min(initial=last)) - count)
        highs = self._sessions.high[first:last] / PER_DOLLAR
        # Van Herk's way: the highest until each in its block of `count`, and from each to its end.
        padded = np.concatenate([np.full(-len(highs) % count, -np.inf), highs])
        blocks = padded.reshape(-1, count)
        until = np.maximum.accumulate(blocks, axis=1).ravel()
        since = np.maximum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
        before = np.concatenate([np.full(count - 1, -np.inf), since])[: len(padded)]
        rolled = np.maximum(until, before)[len(padded) - len(highs) :]
        return np.concatenate([[np.nan], rolled])[np.maximum(self._closed - first, 0)]

    def average_volume(self, count: int) -> Floats:
        """Of the last sessions."""
        sums = self._sums(self._sessions.volumes_total, self._closed, count)
        return np.where(self._closed >= count, sums / count, np.nan)

    def crossings(self, short: int, long: int, *, exponential: bool) -> Ints | None:
        """The bars with which a session closed whose short average may have got to the other side
        of the long one; None where there are too many digits to tell."""
        sessions = self._sessions
        if not exponential and sessions.largest_close * short * long >= _LARGEST_SUM:
            return None
        at = self._series.at
        after = at[self._begin - 1] if self._begin else -(2**63)
        first, last = np.searchsorted(sessions.at, [after, at[self._end - 1]], side="right")
        first = max(int(first), long)
        if first >= last:
            return np.zeros(0, np.int64)
        sign = self._exponential_sign if exponential else self._simple_sign
        signs = sign(first - 1, int(last), short, long)
        moved = first + np.flatnonzero((signs[1:] != signs[:-1]) | (signs[1:] == 0))
        return np.searchsorted(at, sessions.at[moved], side="left") - self._begin

    def first_below(self, levels: Sequence[Decimal | int]) -> Ints:
        """For each level the first bar whose price is at or below it; exact. As many as there are
        bars: none is."""
        lows = np.minimum.accumulate(self._closes)
        return np.searchsorted(-lows, [-floor(Decimal(level)) for level in levels])

    def first_above(self, levels: Sequence[Decimal | int]) -> Ints:
        highs = np.maximum.accumulate(self._closes)
        return np.searchsorted(highs, [ceiling(Decimal(level)) for level in levels])

    def first_turned(
        self, turning: Turning, best: Decimal | None, by: Sequence[Decimal | int]
    ) -> Ints:
        """For each distance the first bar whose price has turned so far from the best until then,
        of which `best` is the first, or else the first bar's; exact, and told as first_below."""
        closes = self._closes
        turn = Turn(turning, price(closes[0]) if best is None else best)
        most = turned(turn, closes)
        away = np.array([float(each) for each in by]) * (1 if turning.in_percent else PER_DOLLAR)
        sure = np.searchsorted(most, away * (1 + NEARLY) + NEARLY)
        near = np.searchsorted(most, away * (1 - NEARLY) - NEARLY)
        for n in np.flatnonzero(near < sure):
            exact = after(replace(turn, by=Decimal(by[int(n)])), closes, 0, int(near[n]))
            sure[n] = first_turn(exact, closes, int(near[n]), len(closes))
        return sure

    def all_below(self, level: Decimal, armed: bool | None) -> Ints:
        """The bars whose price is at or below `level`; exact. With `armed`, those alone with which
        it gets there: the first bar where it says so, and then after a bar that is not there."""
        return _reaching(self._closes <= floor(level), armed)

    def all_above(self, level: Decimal, armed: bool | None) -> Ints:
        return _reaching(self._closes >= ceiling(level), armed)

    def all_turned(
        self, turning: Turning, best: Decimal | None, by: Decimal, most: int | None
    ) -> Ints:
        """The first `most` bars, or all, whose price has turned so far from the best since the bar
        before them that did, `best` or else the first bar's to begin with; exact."""
        closes = self._closes
        turn = Turn(turning, price(closes[0]) if best is None else best, by)
        return all_turns(turn, closes, most)

    def all_crossings(
        self, short: int, long: int, *, up: bool, down: bool, most: int | None
    ) -> Ints | None:
        """The first `most` bars, or all, of a daily series with whose close the short simple
        average gets above the long one (`up`) or below it (`down`); exact. None where there are too
        many digits to tell."""
        sessions = self._sessions
        if sessions.largest_close * short * long >= _LARGEST_SUM:
            return None
        total = sessions.closes_total
        found, count = [np.zeros(0, np.int64)], 0
        for first, last in stretches(max(self._begin, long), self._end):
            ends = total[first : last + 1]
            shorter = ends - total[first - short : last + 1 - short]
            longer = ends - total[first - long : last + 1 - long]
            side = np.sign(shorter * long - longer * short)
            before, newest = side[:-1], side[1:]
            crossed = ((before <= 0) & (newest > 0) & up) | ((before >= 0) & (newest < 0) & down)
            found.append(np.flatnonzero(crossed) + (first - self._begin))
            count += len(found[-1])
            if most is not None and count >= most:
                break
        return np.concatenate(found)[:most]

    def at_or_below(self, values: Floats, levels: Floats) -> Ints:
        """The bars whose value is, or may be, at its level or below."""
        return np.flatnonzero(values <= levels * (1 + NEARLY))

    def at_or_above(self, values: Floats, levels: Floats) -> Ints:
        return np.flatnonzero(values >= levels * (1 - NEARLY))

    def any_of(self, found: Sequence[Ints]) -> Ints:
        """The bars that are in any of them, in order."""
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    @property
    def length(self) -> int:
        """How many bars there are."""
        return self._end - self._begin

    @property
    def _closes(self) -> Ints:
        return self._series.close[self._begin : self._end]

    @cached_property
    def _closed(self) -> Ints:
        """How many sessions had closed before each bar."""
        if self.is_daily:
            return np.arange(self._begin, self._end)
        at = self._series.at[self._begin : self._end]
        return np.searchsorted(self._sessions.at, at, side="left")

    def _sums(self, total: Ints, ends: Ints, count: int) -> Ints:
        """Of the `count` values before each of these. The running total may go round the 64 bits:
        its differences are exact all the same, as long as they themselves fit."""
        return total[ends] - total[np.maximum(ends - count, 0)]

    def _simple_sign(self, first: int, last: int, short: int, long: int) -> Ints:
        """Of each session 1 where its short average is above the long one, -1 where it is below,
        exactly."""
        ends = np.arange(first + 1, last + 1)
        total = self._sessions.closes_total
        shorter, longer = self._sums(total, ends, short), self._sums(total, ends, long)
        return np.sign(shorter * long - longer * short)

    def _exponential_sign(self, first: int, last: int, short: int, long: int) -> Ints:
        """The same, and 0 where they are nearly equal."""
        begin = max(0, first + 1 - _EMA_LENGTHS * long)
        prices = self._sessions.close[begin:last] / PER_DOLLAR
        apart = _exponential(prices, short)[long - short :] - _exponential(prices, long)
        near = _EMA_FORGETS * float(prices.max() - prices.min()) + NEARLY * float(prices.max())
        signs: Ints = np.where(np.abs(apart) <= near, 0, np.sign(apart)).astype(np.int64)
        return signs[len(signs) - (last - first) :]


def _reaching(there: npt.NDArray[np.bool_], armed: bool | None) -> Ints:
    if armed is None:
        return np.flatnonzero(there)
    return np.flatnonzero(there & ~np.concatenate([[not armed], there[:-1]]))


def _exponential(prices: Floats, length: int) -> Floats:
    """From the simple average of the first ones on."""
    weight = 2 / (length + 1)
    averages = accumulate(
        prices[length:].tolist(),
        lambda before, price: before + (price - before) * weight,
        initial=float(prices[:length].mean()),
    )
    return np.fromiter(averages, np.float64, len(prices) - length + 1)
