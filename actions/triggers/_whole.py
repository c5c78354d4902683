"""Counts that people type: sessions, minutes, shares."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter

from actions.fields import Number

_number: TypeAdapter[Decimal] = TypeAdapter(Number)


def _whole(value: object) -> int:
    number = _number.validate_python(value)
    if number != number.to_integral_value():
        raise ValueError("Use a whole number.")
    return int(number)


Whole = Annotated[int, BeforeValidator(_whole)]
