from decimal import Decimal
from typing import Any

import pytest

from portfolios import money


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("1.005", "1.01"),
        ("1.0049999999999999999999999999999999999", "1.00"),
        ("-1.005", "-1.01"),
        ("2", "2.00"),
        ("-0.001", "0.00"),
    ],
)
def test_dollars_are_rounded_half_up_to_cents(amount: str, cents: str) -> None:
    assert str(money.usd(Decimal(amount))) == cents


def test_shares_are_cut_and_prices_rounded() -> None:
    assert money.quantity(Decimal("0.123456789")) == Decimal("0.12345678")
    assert money.price(Decimal("0.1234565")) == Decimal("0.123457")


def test_a_product_is_rounded_once() -> None:
    # Python's default 28 digits make ...0.005 of this product, and so a cent too much.
    shares, price = Decimal("99999999999.99999995"), Decimal("999999999999.999999")
    exact = money.EXACT.multiply(shares, price)
    assert money.times(shares, price) == exact.quantize(money.CENT, context=money.EXACT)
    assert money.times(Decimal("0.5"), Decimal("0.01")) == Decimal("0.01")


@pytest.mark.parametrize("convert", [money.usd, money.quantity, money.price, money.format_usd])
@pytest.mark.parametrize(
    ("number", "error"),
    [
        (1.5, TypeError),
        (1, TypeError),
        ("1.5", TypeError),
        (None, TypeError),
        (Decimal("NaN"), ValueError),
        (Decimal("sNaN"), ValueError),
        (Decimal("Infinity"), ValueError),
    ],
)
def test_what_is_no_finite_decimal_is_refused(
    convert: Any, number: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        convert(number)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1234.5", "$1,234.50"),
        ("-3", "-$3.00"),
        ("0", "$0.00"),
        ("-0.004", "$0.00"),
        ("999999999999999999.99", "$999,999,999,999,999,999.99"),
    ],
)
def test_dollars_in_words(amount: str, words: str) -> None:
    assert money.format_usd(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("price", "words"),
    [("150.25", "$150.25"), ("0.0125", "$0.0125"), ("1200", "$1,200.00"), ("7.100000", "$7.10")],
)
def test_prices_in_words(price: str, words: str) -> None:
    assert money.format_price(Decimal(price)) == words


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ("10", "10"),
        ("10.00000000", "10"),
        ("0.12500000", "0.125"),
        ("1E+3", "1,000"),
        ("0", "0"),
        ("0.00000001", "0.00000001"),
    ],
)
def test_shares_in_words(shares: str, words: str) -> None:
    assert money.format_quantity(Decimal(shares)) == words


@pytest.mark.parametrize(
    ("number", "fine"),
    [
        ("0.01", True),
        ("100", True),
        ("0.001", False),
        ("0", False),
        ("-1", False),
        ("100.01", False),
        ("NaN", False),
        ("Infinity", False),
        ("1E+999999", False),
        ("1E-999999", False),
    ],
)
def test_storable_is_above_zero_on_a_step_and_within_the_maximum(number: str, fine: bool) -> None:
    storable = money.storable(Decimal(number), step=money.CENT, maximum=Decimal(100))
    assert storable is fine


def test_a_sign_that_is_not_asked_for_stays() -> None:
    assert money.bare("$5", signs="%") == "$5"
    assert money.bare("5 %", signs="$") == "5 %"
    assert money.bare("$1,500", signs="$") == "1500"


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (" $1,500.00 ", "1500.00"),
        ("12,345,678", "12345678"),
        ("$ 25", "25"),
        ("5 %", "5"),
        ("-1,000", "-1000"),
        # A comma that parts no thousands is no ornament: 1,5 is not 15.
        ("1,5", "1,5"),
        ("1,50", "1,50"),
        ("1.234,50", "1.234,50"),
        ("1000,000", "1000,000"),
        ("150 USD", "150 USD"),
    ],
)
def test_a_number_loses_its_ornaments_and_nothing_else(typed: str, number: str) -> None:
    assert money.bare(typed) == number
