"""The price rises to a threshold."""

from typing import ClassVar

from actions.parts import Example
from actions.triggers._price_level import PriceLevel


class PriceAbove(PriceLevel):
    """Fires when the price is at or above `threshold`."""

    title = "Price at or above"
    summary = "Fires when the last trade is at or above a price you choose."
    examples = (
        Example({"threshold": "200"}, "when the price is at or above $200.00"),
        Example({"threshold": "200", "on": "cross"}, "when the price rises to $200.00"),
    )
    rising: ClassVar[bool] = True
