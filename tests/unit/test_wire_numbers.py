"""Numbers as feeds send them: one that only its exponent makes large is refused at once."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest

from market.providers.twelvedata_stream import read as heard
from market.providers.web import (
    factor,
    instant,
    json_of,
    number,
    optional,
    positive,
    shares,
)

HUGE = [Decimal("1e999999999"), Decimal("-1e999999999"), Decimal("1e-999999999")]


@pytest.mark.parametrize("read", [number, instant, shares], ids=lambda read: read.__name__)
@pytest.mark.parametrize("value", HUGE, ids=str)
def test_a_number_of_a_billion_digits_is_none(
    read: Callable[[object], object], value: Decimal
) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        read(value)


@pytest.mark.parametrize("value", HUGE, ids=str)
def test_no_split_is_of_a_billion_digits(value: Decimal) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        factor(value, Decimal(1))


@pytest.mark.parametrize("value", ["0", "-1", "0.0000001", "999999999999.9999999", "1e12"])
def test_a_close_before_that_cannot_be_kept_costs_no_price(value: str) -> None:
    assert optional(positive, value) is None
    assert optional(positive, "0.000001") == Decimal("0.000001")


def test_a_number_that_can_be_is_read_as_it_was_written() -> None:
    assert number(Decimal("0E-30")) == 0
    assert number(Decimal("1.5e3")) == number("1.5e3") == 1500
    assert factor(Decimal("7.0"), 1) == Fraction(7)


@pytest.mark.parametrize("price", ["1e99999999999999999999", "-2.5E-99999999999999999999"])
def test_an_exponent_beyond_any_spoils_its_own_number_alone(price: str) -> None:
    good, bad = json_of(b'{"good": 150.25, "bad": %b}' % price.encode()).values()
    assert good == Decimal("150.25")
    with pytest.raises(ValueError, match="is not a number"):
        number(bad)


def test_a_streamed_price_with_an_exponent_beyond_any_is_a_bad_price() -> None:
    said = b'{"event":"price","symbol":"AAPL","timestamp":1795014000,"price":1e%b}' % (b"9" * 20)
    (complaint,) = heard(said).complaints
    assert (complaint.symbol, complaint.kind) == ("AAPL", "stream: bad price")
