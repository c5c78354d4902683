"""The first bar that wakes a sleeping rule: a search over arrays, exact. Pure."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt

from actions.backtest.series import MOST, PER_DOLLAR, Ints, price
from actions.backtest.stretches import stretches
from actions.rules import Band
from actions.turns import Turn
from portfolios.money import EXACT

type Floats = npt.NDArray[np.float64]

NEARLY = 1e-9  # more than a comparison of floats can be wrong by, relatively


def first_break(band: Band, closes: Ints, volumes: Ints, begin: int, end: int) -> int:
    """The first bar in [begin, end) that breaks `band`, as it wakes a rule; `end`: none does."""
    if band.below is not None:
        end = _first(closes, floor(band.below), begin, end, np.less_equal)
    if band.above is not None:
        end = _first(closes, ceiling(band.above), begin, end, np.greater_equal)
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


def _first(values: Ints, level: int, begin: int, end: int, reaches: np.ufunc) -> int:
    for first, last in stretches(begin, end):
        hits = reaches(values[first:last], level)
        at = int(hits.argmax())
        if hits[at]:
            return first + at
    return end


def _first_turn(turn: Turn, closes: Ints, begin: int, end: int) -> int:
    """Floats find the bars that nearly reach the stop; the turn itself decides."""
    for first, last in stretches(begin, end):
        part = closes[first:last]
        best = bests(turn, part)
        for at in np.flatnonzero(_nearly(turn, part, best)):
            if turn.after(price(best[at])).reached(price(part[at])):
                return first + int(at)
        turn = turn.after(price(best[-1]))
    return end


def bests(turn: Turn, part: Ints) -> Ints:
    """The best price until each bar, that bar's included; of the turn's own, the price next to it
    that is no better."""
    kept = np.maximum if turn.turning.falls else np.minimum
    rounded = floor(turn.best) if turn.turning.falls else ceiling(turn.best)
    best: Ints = kept(kept.accumulate(part), rounded)
    return best


def turned(turn: Turn, closes: Ints) -> Floats:
    """How far the price had turned at most until each bar: in percent of its best until then, or in
    millionths of a dollar."""
    best = bests(turn, closes)
    away = (best - closes if turn.turning.falls else closes - best).astype(np.float64)
    if turn.turning.in_percent:
        away *= 100 / best
    return np.maximum.accumulate(away)


def _nearly(turn: Turn, part: Ints, best: Ints) -> npt.NDArray[np.bool_]:
    by = float(turn.by or 0)
    near = 1 if turn.turning.falls else -1
    if turn.turning.in_percent:
        stops = best * (1 - near * by / 100 + near * NEARLY)
    else:
        stops = best * (1 + near * NEARLY) - near * by * PER_DOLLAR
    stops += near
    return part <= stops if turn.turning.falls else part >= stops


def floor(level: Decimal) -> int:
    return _whole(level, ROUND_FLOOR)


def ceiling(level: Decimal) -> int:
    return _whole(level, ROUND_CEILING)


def _whole(level: Decimal, rounding: str) -> int:
    """A level in millionths; one that no price can reach stays out of reach."""
    steps = int(EXACT.scaleb(level, 6).to_integral_value(rounding))
    return min(max(steps, -1), MOST + 1)
