"""The levels that triggers draw: only those that a price can reach."""

from decimal import Decimal

from actions.marks import Level, Role
from actions.rules import Band
from market.quotes import PRICE_MAX
from portfolios.money import format_price, price


def fires_at(symbol: str, band: Band) -> tuple[Level, ...]:
    """The prices at which a rule fires that sleeps in `band`."""
    sides = (("below", band.below), ("above", band.above))
    return tuple(
        Level(symbol, level, Role.TRIGGER, f"Fires at or {side} {format_price(level)}")
        for side, level in sides
        if level is not None
    )


def measured_from(symbol: str, level: Decimal, words: str) -> tuple[Level, ...]:
    """What a trigger is measured from, to the 6 decimals of a price."""
    if not 0 < level <= PRICE_MAX or not (rounded := price(level)):
        return ()
    return (Level(symbol, rounded, Role.REFERENCE, words),)
