"""How far a price has moved: what the triggers that count in percent share.

All of it is exact. A level that lies between two prices is brought to the last price before it, so
that the price which fires a rule and the price which wakes it are the same.
"""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Annotated

from pydantic import Field

from actions.rules import PRICE_STEP, Band, Number, Trigger
from market.quotes import AlertLevels
from portfolios.money import CENT, EXACT

Percent = Annotated[Number, Field(gt=0, le=10_000, max_digits=11, decimal_places=6)]
PercentBelow100 = Annotated[Number, Field(gt=0, lt=100, max_digits=8, decimal_places=6)]


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


def band(*, below: Decimal | None = None, above: Decimal | None = None) -> Band:
    """The band between two levels; one that no price can reach is none."""
    levels = AlertLevels(below=below, above=above)
    return Band(below=levels.below, above=levels.above)


def moved_in_words(price: Decimal, base: Decimal) -> str:
    """Such as "4.99% below" or "exactly at". Cut to 2 decimals: 4.999% is not yet 5%."""
    if price == base:
        return "exactly at"
    change = EXACT.divide(EXACT.multiply(EXACT.subtract(price, base), Decimal(100)), base)
    size = change.copy_abs().quantize(CENT, ROUND_DOWN, EXACT)
    return f"{percent_in_words(size)} {'below' if change < 0 else 'above'}"


def percent_in_words(percent: Decimal) -> str:
    return f"{EXACT.normalize(percent):f}%"


def whose_price(trigger: Trigger, symbol: str | None) -> str:
    """The subject of a sentence: "the price", or "SPY's price" where another symbol is traded."""
    if trigger.symbol and trigger.symbol != symbol:
        return f"{trigger.symbol}'s price"
    return "the price"


def _hundredths(base: Decimal, times: Decimal) -> Decimal:
    return EXACT.multiply(base, times).scaleb(-2, EXACT)
