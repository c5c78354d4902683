"""How far a price has moved: what the triggers that count in percent share."""

from decimal import ROUND_DOWN, Decimal
from typing import Annotated

from pydantic import Field

from actions.fields import Number
from actions.rules import Band, Trigger
from market.quotes import AlertLevels
from portfolios.money import CENT, EXACT

Percent = Annotated[Number, Field(gt=0, le=10_000, max_digits=11, decimal_places=6)]
PercentBelow100 = Annotated[Number, Field(gt=0, lt=100, max_digits=8, decimal_places=6)]


def band(*, below: Decimal | None = None, above: Decimal | None = None) -> Band:
    """The band between two levels; one that no price can reach is none."""
    levels = AlertLevels(below=below, above=above)
    return Band(below=levels.below, above=levels.above)


def moved_in_words(price: Decimal, base: Decimal) -> str:
    """Such as "4.99 % below" or "exactly at". Cut to 2 decimals: 4.999 % is not yet 5 %."""
    if price == base:
        return "exactly at"
    change = EXACT.divide(EXACT.multiply(EXACT.subtract(price, base), Decimal(100)), base)
    size = change.copy_abs().quantize(CENT, ROUND_DOWN, EXACT)
    return f"{percent_in_words(size)} {'below' if change < 0 else 'above'}"


def percent_in_words(percent: Decimal) -> str:
    return f"{EXACT.normalize(percent):f} %"


def whose_price(trigger: Trigger, symbol: str | None) -> str:
    """The subject of a sentence: "the price", or "SPY's price" where another symbol is traded."""
    if trigger.symbol and trigger.symbol != symbol:
        return f"{trigger.symbol}'s price"
    return "the price"
