"""The first bar at which a sleeping rule wakes: searches over arrays, exact. Pure."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt

from actions.backtest.series import MOST, PER_DOLLAR, Ints, price
from actions.backtest.stretches import stretches
from actions.turns import Turn
from portfolios.money import EXACT

type Floats = npt.NDArray[np.float64]

NEARLY = 1e-9  # more than a comparison of floats can be wrong by, relatively


def after(turn: Turn, closes: Ints, begin: int, end: int) -> Turn:
    """The turn once the bars in [begin, end) were seen."""
    if begin >= end:
        return turn
    seen = closes[begin:end]
    return turn.after(price(seen.max() if turn.turning.falls else seen.min()))


def first_volume(level: int, volumes: Ints, begin: int, end: int) -> int:
    """The first bar in [begin, end) whose session has come to such a volume; `end`: none has."""
    for first, last in stretches(begin, end):
        hits = volumes[first:last] >= level
        at = int(hits.argmax())
        if hits[at]:
            return first + at
    return end


def first_turn(turn: Turn, closes: Ints, begin: int, end: int) -> int:
    """The first bar in [begin, end) with which `turn` comes to its stop; `end`: it does with none.

    Floats find the bars that nearly reach it; the turn itself decides.
    """
    if turn.by is None:
        return end
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
