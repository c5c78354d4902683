"""The meter: how far the price is from the level at which a rule wakes, as a picture. Pure.

Prices rise from left to right. With one level, that level is an end of the track and the price
stands by its distance in percent; with a level on either side, both are ends, and the price stands
between them in proportion. Positions are percents of the track's width.
"""

from dataclasses import dataclass
from decimal import Decimal

from actions.rules import Band
from actions.why import Distance
from portfolios.money import format_price

_LEFT, _RIGHT = 2.0, 98.0  # so that what stands at an end is seen whole
_HALF_WAY_PERCENT = 5.0  # a price this far away stands in the middle
_NEAR_PERCENT = Decimal(1)


@dataclass(frozen=True, slots=True)
class Meter:
    """Where the marks stand, in percent of the width, and the same in words.

    `ends` are the levels that wake the rule, `price` is where the price is, and `level` that end
    which is nearer. `state` is "far", "near" (within 1 %) or "there".
    """

    price: float
    level: float
    ends: tuple[float, ...]
    state: str
    symbol: str
    price_words: str
    words: str
    label: str

    @property
    def way(self) -> tuple[float, float]:
        """The stretch between the price and the nearer level, from left to right."""
        return min(self.price, self.level), max(self.price, self.level)


def meter(*, band: Band, distance: Distance, words: str = "") -> Meter:
    """The meter of a rule that sleeps in `band`, whose nearest level is `distance.level`.

    `words` say how far it is, where `distance_words` do not say it best.
    """
    rising = distance.level != band.below
    words = words or distance_words(distance)
    price = format_price(distance.price)
    wakes = "at or above" if rising else "at or below"
    level = format_price(distance.level)
    return Meter(
        price=_round(_position(band, distance, rising)),
        level=_RIGHT if rising else _LEFT,
        ends=_ends(band),
        state=_state(distance, rising),
        symbol=distance.symbol,
        price_words=price,
        words=words,
        label=f"{distance.symbol} is at {price}; the rule wakes {wakes} {level}: {words}.",
    )


def distance_words(distance: Distance) -> str:
    """How far the price has to go: "0.8 % away", "$0.40 to go" below a tenth of a percent."""
    if distance.to_go == 0:
        return "there"
    percent = abs(distance.percent)
    if percent < Decimal("0.1"):
        return f"{format_price(abs(distance.to_go))} to go"
    return f"{percent:,.1f} % away"


def _position(band: Band, distance: Distance, rising: bool) -> float:
    away = abs(float(distance.percent)) if _waits(distance, rising) else 0.0
    if band.below is not None and band.above is not None and band.above > band.below:
        inside = float((distance.price - band.below) / (band.above - band.below))
        return _LEFT + (_RIGHT - _LEFT) * min(max(inside, 0.0), 1.0)
    share = away / (away + _HALF_WAY_PERCENT)
    return _RIGHT - (_RIGHT - _LEFT) * share if rising else _LEFT + (_RIGHT - _LEFT) * share


def _waits(distance: Distance, rising: bool) -> bool:
    """Whether the price is still on the near side of the level."""
    return distance.to_go > 0 if rising else distance.to_go < 0


def _state(distance: Distance, rising: bool) -> str:
    if not _waits(distance, rising):
        return "there"
    return "near" if abs(distance.percent) <= _NEAR_PERCENT else "far"


def _ends(band: Band) -> tuple[float, ...]:
    left = (_LEFT,) if band.below is not None else ()
    right = (_RIGHT,) if band.above is not None else ()
    return left + right


def _round(position: float) -> float:
    return round(position, 2)
