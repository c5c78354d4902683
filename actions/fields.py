"""The numbers and words that people type, as parameters of triggers and effects take them. Pure."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from actions.scaling import Scales
from portfolios.money import EXACT, plain_number


def _shortest(value: Decimal) -> Decimal:
    if value.is_zero():
        return Decimal(0)  # never a negative zero
    return Decimal(f"{EXACT.normalize(value):f}")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("It contains a character that cannot be stored (NUL).")
    return text


def in_capitals(value: object) -> object:
    """Text as symbols are written: in capitals, without spaces around it. The rest as it is."""
    return value.strip().upper() if isinstance(value, str) else value


Number = Annotated[
    Decimal,
    BeforeValidator(plain_number),
    AfterValidator(_shortest),
    Field(allow_inf_nan=False),
]
Price = Annotated[Number, Field(gt=0, max_digits=18, decimal_places=6), Scales.PRICE]
Quantity = Annotated[Number, Field(gt=0, max_digits=20, decimal_places=8), Scales.SHARES]
Usd = Annotated[Number, Field(gt=0, max_digits=14, decimal_places=2)]
Fraction = Annotated[Number, Field(gt=0, le=1, max_digits=13, decimal_places=12)]
Text = Annotated[str, AfterValidator(_storable)]
Symbol = Annotated[
    str, BeforeValidator(in_capitals), Field(pattern=r"^[A-Z0-9][A-Z0-9._/-]{0,15}$", max_length=16)
]
