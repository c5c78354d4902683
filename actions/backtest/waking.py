"""The first bar that wakes a sleeping rule: a search over arrays, exact. Pure."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt

from actions.backtest.series import MOST, PER_DOLLAR, Ints, price
from actions.rules import Band
from actions.turns import Turn
from portfolios.money import EXACT

_FIRST = 256  # bars looked at in the first stretch; each further one has four times as many
_LARGEST = 1 << 17  # what a processor's cache holds
_NEARLY = 1e-9  # more than a comparison of floats can be wrong by, relatively


def first_break(band: Band, closes: Ints, volumes: Ints, begin: int, end: int) -> int:
    """The first bar in [begin, end) that breaks `band`, as it wakes a rule; `end`: none does."""
    if band.below is not None:
        end = _first(closes, _floor(band.below), begin, end, np.less_equal)
    if band.above is not None:
        end = _first(closes, _ceiling(band.above), begin, end, np.greater_equal)
    if band.volume_above is not None:
        end = _first(volumes, band.volume_above, begin, end, np.greater_equal)
    if band.turn is not None and band.turn.by is not None:
        end = _first_turn(band.turn, closes, begin, end)
    return end


def after(turn: Turn, closes: Ints, begin: int, end: int) -> Turn:
    """The turn once the bars in [begin, end) were seen."""
    if begin >= end:
        return turn
    seen = closes[begin:end]
    return turn.after(price(seen.max() if turn.turning.falls else seen.min()))


def _stretches(begin: int, end: int) -> Iterator[slice]:
    size = _FIRST
    while begin < end:
        yield slice(begin, min(begin + size, end))
        begin += size
        size = min(size * 4, _LARGEST)


def _first(values: Ints, level: int, begin: int, end: int, reaches: np.ufunc) -> int:
    for stretch in _stretches(begin, end):
        hits = reaches(values[stretch], level)
        at = int(hits.argmax())
        if hits[at]:
            return begin + at
        begin = stretch.stop
    return end


def _first_turn(turn: Turn, closes: Ints, begin: int, end: int) -> int:
    """Floats find the bars that nearly reach the stop; the turn itself decides."""
    for stretch in _stretches(begin, end):
        part = closes[stretch]
        best = _bests(turn, part)
        for at in np.flatnonzero(_nearly(turn, part, best)):
            if turn.after(price(best[at])).reached(price(part[at])):
                return begin + int(at)
        turn = turn.after(price(best[-1]))
        begin = stretch.stop
    return end


def _bests(turn: Turn, part: Ints) -> Ints:
    """The best price until each bar, that bar's included."""
    kept = np.maximum if turn.turning.falls else np.minimum
    bests = kept.accumulate(part)
    rounded = _floor(turn.best) if turn.turning.falls else _ceiling(turn.best)
    return kept(bests, rounded, out=bests)


def _nearly(turn: Turn, part: Ints, best: Ints) -> npt.NDArray[np.bool_]:
    by = float(turn.by or 0)
    near = 1 if turn.turning.falls else -1
    if turn.turning.in_percent:
        stops = best * (1 - near * by / 100 + near * _NEARLY)
    else:
        stops = best * (1 + near * _NEARLY) - near * by * PER_DOLLAR
    stops += near
    return part <= stops if turn.turning.falls else part >= stops


def _floor(level: Decimal) -> int:
    return _whole(level, ROUND_FLOOR)


def _ceiling(level: Decimal) -> int:
    return _whole(level, ROUND_CEILING)


def _whole(level: Decimal, rounding: str) -> int:
    """A level in millionths; one that no price can reach stays out of reach."""
    steps = int(EXACT.scaleb(level, 6).to_integral_value(rounding))
    return min(max(steps, -1), MOST + 1)
