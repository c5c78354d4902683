"""Dollars, shares and prices: how many decimals each keeps, and how each is written.

All are Decimal. A float is refused with TypeError, NaN and the infinities with ValueError, so that
an inexact or meaningless number never reaches a sum.
"""

import re
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from functools import lru_cache

CENT = Decimal("0.01")
QUANTITY_STEP = Decimal("0.00000001")
PRICE_STEP = Decimal("0.000001")

# What the database's columns hold: numeric(20, 2), numeric(28, 8) and numeric(18, 6).
MAX_USD = Decimal("999999999999999999.99")
MAX_QUANTITY = Decimal("99999999999999999999.99999999")
MAX_PRICE = Decimal("999999999999.999999")

# Python's 28 digits would round a large product once before it is rounded to cents, and so
# sometimes twice in the same direction. 120 hold every product of three of the above exactly.
EXACT = Context(
    prec=120, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow]
)

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_LONGEST = 60  # characters

# The same few numbers are written again and again, and hashing one is a tenth of writing it. Prices
# that move are new each time: more room would only fill for longer, and win nothing.
_kept = lru_cache(maxsize=1024)


def plain_number(value: object) -> object:
    """`value` itself, a number or one as text. Raises ValueError for anything else.

    JSON's true is Python's 1, and Python reads 1_000 and digits of other scripts: a person who
    sends one of these meant something else.
    """
    plain = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if isinstance(value, str):
        plain = len(value) <= _LONGEST and bool(_PLAIN.fullmatch(value.strip()))
    if isinstance(value, Decimal) and value.is_finite():
        plain = abs(value.adjusted()) <= _LONGEST  # 1e999999 written out is a million digits
    if not plain:
        raise ValueError("Use a plain number, such as 150 or 0.5.")
    return value


def bare(text: str, *, signs: str = "$%") -> str:
    """A number without what people put around it: "$1,500.00" is 1500.00, "5 %" is 5.

    A sign that is none of `signs` stays, and so does a comma that does not part thousands: who
    types "1,5" means 1.5, and not 15.
    """
    text = text.strip()
    if "$" in signs:
        text = text.removeprefix("$")
    if "%" in signs:
        text = text.removesuffix("%")
    text = text.strip()
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def usd(amount: Decimal) -> Decimal:
    """`amount` in dollars, rounded half up (away from zero) to whole cents."""
    return _to_step(amount, CENT, ROUND_HALF_UP)


def price(amount: Decimal) -> Decimal:
    """A price in dollars a share, rounded half up to 6 decimals."""
    return _to_step(amount, PRICE_STEP, ROUND_HALF_UP)


def quantity(shares: Decimal) -> Decimal:
    """A number of shares, cut to 8 decimals: rounding up could sell more than is held."""
    return _to_step(shares, QUANTITY_STEP, ROUND_DOWN)


def times(shares: Decimal, price: Decimal) -> Decimal:
    """Shares x dollars a share, in dollars rounded half up to whole cents, once."""
    return usd(EXACT.multiply(checked(shares), checked(price)))


def storable(number: Decimal, *, step: Decimal, maximum: Decimal) -> bool:
    """Whether `number` is above 0, at most `maximum` and a whole multiple of `step`.

    False for NaN and the infinities; raises TypeError for what is no Decimal.
    """
    if not decimal_only(number).is_finite() or not 0 < number <= maximum:
        return False
    return EXACT.remainder(number, step) == 0


def format_usd(amount: Decimal) -> str:
    """$1,234.50, or -$3.00 below zero; to the cent."""
    return _usd_text(checked(amount))


def format_price(amount: Decimal) -> str:
    """$150.25: at least 2 decimals, and up to 6 where the price has them, as in $0.0125."""
    return _price_text(checked(amount))


def format_quantity(shares: Decimal) -> str:
    """10, 0.125 or 1,250.5: no trailing zeros, never an exponent."""
    return _quantity_text(checked(shares))


@_kept
def _usd_text(amount: Decimal) -> str:
    cents = usd(amount)
    return f"{'-' if cents < 0 else ''}${abs(cents):,.2f}"


@_kept
def _price_text(amount: Decimal) -> str:
    whole, _, decimals = f"{price(amount):,f}".partition(".")
    return f"${whole}.{decimals.rstrip('0'):0<2}"


@_kept
def _quantity_text(shares: Decimal) -> str:
    return f"{EXACT.normalize(quantity(shares)):,f}"


def checked(number: Decimal) -> Decimal:
    """`number` itself. Raises TypeError unless it is a Decimal, ValueError unless finite."""
    if isinstance(number, Decimal) and number.is_finite():
        return number
    raise ValueError(f"{decimal_only(number)} is not a finite number.")


def decimal_only(number: Decimal) -> Decimal:
    """`number` itself. Raises TypeError unless it is a Decimal."""
    if not isinstance(number, Decimal):
        raise TypeError(f"{number!r} is a {type(number).__name__}, where a Decimal is needed.")
    return number


def _to_step(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    rounded = checked(number).quantize(step, rounding=rounding, context=EXACT)
    return rounded.copy_abs() if rounded.is_zero() else rounded  # never a negative zero
