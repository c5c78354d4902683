"""The price falls to a threshold."""

from typing import ClassVar

from actions.parts import Example
from actions.triggers._price_level import PriceLevel


class PriceBelow(PriceLevel):
    """Fires when the price is at or below `threshold`."""

    title = "Price at or below"
    summary = "Fires when the last trade is at or below a price you choose."
    examples = (
        Example({"threshold": "150"}, "when the price is at or below $150.00"),
        Example({"threshold": "90.50", "symbol": "SPY"}, "when SPY's price is at or below $90.50"),
    )
    rising: ClassVar[bool] = False
