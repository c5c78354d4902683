"""Pictures that the server draws: where lines and columns stand. Pure.

Positions are percents of the picture's width and height, from its upper left corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

_FULL = Decimal(100)
_STEPS = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))
_TICKS = 4  # on the upright axis, about


@dataclass(frozen=True, slots=True)
class Tick:
    """A value of the upright axis, and how far down it stands."""

    value: Decimal
    y: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `value`: its upper end is at `y`; `middle` is its middle from the left."""

    value: Decimal
    x: float
    width: float
    middle: float
    y: float

    @property
    def height(self) -> float:
        return 100 - self.y


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines as SVG has their points, and the ticks of the upright axis, highest first."""

    lines: Sequence[str]
    dots: Sequence[tuple[float, float]]
    ticks: Sequence[Tick]


def curves(*of: Sequence[Decimal]) -> Plot:
    """Lines through values that are evenly apart, on one axis; the dots are the first one's."""
    low, high = min(map(min, of)), max(map(max, of))
    ticks = _ticks(low, high)
    bottom, top = ticks[-1], ticks[0]
    placed = [
        [(_x(n, len(values)), _y(value, bottom, top)) for n, value in enumerate(values)]
        for values in of
    ]
    return Plot(
        [" ".join(f"{x:g},{y:g}" for x, y in line) for line in placed],
        placed[0],
        [Tick(value, _y(value, bottom, top)) for value in ticks],
    )


def columns(values: Sequence[Decimal]) -> tuple[Sequence[Column], Sequence[Tick]]:
    """Columns from 0 up, side by side, and the ticks of the upright axis, highest first."""
    ticks = _ticks(Decimal(0), max(*values, Decimal(1)), whole=True)
    room = 100 / len(values)
    found = [
        Column(
            value,
            round(n * room + room * 0.15, 3),
            round(room * 0.7, 3),
            round((n + 0.5) * room, 3),
            _y(value, Decimal(0), ticks[0]),
        )
        for n, value in enumerate(values)
    ]
    return found, [Tick(value, _y(value, Decimal(0), ticks[0])) for value in ticks]


def _x(place: int, count: int) -> float:
    return round(100 * place / (count - 1), 2) if count > 1 else 50.0


def _y(value: Decimal, bottom: Decimal, top: Decimal) -> float:
    return round(float(_FULL - _FULL * (value - bottom) / (top - bottom)), 2)


def _ticks(low: Decimal, high: Decimal, *, whole: bool = False) -> Sequence[Decimal]:
    """Round values that reach from below `low` to above `high`, highest first."""
    if high == low:
        low, high = low - 1, high + 1
    rough = (high - low) / _TICKS
    scale = Decimal(1).scaleb(rough.adjusted())
    step = next(size * scale for size in _STEPS if size * scale >= rough)
    if whole:
        step = max(step, Decimal(1))
    bottom = (low / step).to_integral_value(ROUND_FLOOR)
    top = (high / step).to_integral_value(ROUND_CEILING)
    return [step * n for n in range(int(top), int(bottom) - 1, -1)]
