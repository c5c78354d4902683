"""Prices that lie a distance away from another one, on the grid of prices. Pure.

All of it is exact. A level that lies between two prices is brought to the last price before it, so
that the price which fires a rule and the price which wakes it are the same.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from portfolios.money import EXACT, PRICE_STEP


def below(base: Decimal, percent: Decimal) -> Decimal:
    """The highest price that is at least `percent` below `base`; not above zero if there is none.

    A price p is at or below it exactly if p x 100 <= base x (100 - percent).
    """
    return floor(_hundredths(base, EXACT.subtract(Decimal(100), percent)))


def above(base: Decimal, percent: Decimal) -> Decimal:
    """The lowest price that is at least `percent` above `base`."""
    return ceiling(_hundredths(base, EXACT.add(Decimal(100), percent)))


def floor(level: Decimal) -> Decimal:
    """The highest price at or below `level`."""
    return level.quantize(PRICE_STEP, ROUND_FLOOR, EXACT)


def ceiling(level: Decimal) -> Decimal:
    """The lowest price at or above `level`."""
    return level.quantize(PRICE_STEP, ROUND_CEILING, EXACT)


def next_above(level: Decimal) -> Decimal:
    """The lowest price strictly above `level`, which need not be a price (after a split)."""
    return floor(level) + PRICE_STEP


def next_below(level: Decimal) -> Decimal:
    """The highest price strictly below `level`."""
    return ceiling(level) - PRICE_STEP


def _hundredths(base: Decimal, times: Decimal) -> Decimal:
    return EXACT.multiply(base, times).scaleb(-2, EXACT)
