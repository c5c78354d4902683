"""What a split does to numbers: prices are divided by its factor, shares multiplied by it. Pure.

`factor` is the new shares for each old one: 7 for a 7-for-1 split, 1/8 for a 1-for-8.
"""

from decimal import Decimal
from enum import Enum
from fractions import Fraction
from math import ceil, floor
from typing import Any, get_args

from pydantic.fields import FieldInfo

from portfolios.money import EXACT, PRICE_STEP, QUANTITY_STEP

Factor = Fraction  # new shares for each old one


class Scales(Enum):
    """What a parameter is counted in: an annotation of its type, such as those of `Price` and
    `Quantity` in rules.py. One without it stays as it is."""

    PRICE = "price"
    SHARES = "shares"


def price_after(price: Decimal, factor: Factor, *, up: bool) -> Decimal:
    """The price after the split, on the grid of prices: rounded up, or down."""
    return _on_grid(Fraction(price) / factor, PRICE_STEP, up)


def shares_after(shares: Decimal, factor: Factor, *, up: bool) -> Decimal:
    """So many shares after the split, to 8 decimals: rounded up, or cut as holdings are."""
    return _on_grid(Fraction(shares) * factor, QUANTITY_STEP, up)


def parameter_after(parameter: FieldInfo, value: Any, factor: Factor, *, up: bool) -> Any:
    """A parameter's value after the split, by what its type says that it is counted in.

    Raises TypeError for one that holds prices or shares in a way of its own: its trigger or effect
    must say what becomes of it.
    """
    scales = scales_of(parameter)
    if scales is None or value is None:
        return value
    if isinstance(value, Decimal):
        return (price_after if scales is Scales.PRICE else shares_after)(value, factor, up=up)
    if isinstance(value, int) and scales is Scales.SHARES:
        exact = value * factor
        return ceil(exact) if up else floor(exact)
    raise TypeError(f"It is not known what a split does to {value!r}.")


def scales_of(parameter: FieldInfo) -> Scales | None:
    """What the parameter is counted in, None where a split does not concern it."""
    found = [*parameter.metadata, *_parts(parameter.annotation)]
    return next((part for part in found if isinstance(part, Scales)), None)


def _parts(annotation: Any) -> list[Any]:
    """All that an annotation is made of, through Annotated and unions."""
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]


def _on_grid(number: Fraction, step: Decimal, up: bool) -> Decimal:
    steps = number / Fraction(step)
    return EXACT.multiply(Decimal(ceil(steps) if up else floor(steps)), step)
