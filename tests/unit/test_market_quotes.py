import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.quotes import (
    PRICE_MAX,
    AlertLevels,
    BadBar,
    BadQuote,
    Bar,
    Sample,
    is_fresh,
    max_age,
)

NOW = datetime(2008, 10, 10, 20, tzinfo=UTC)
SAMPLE: dict[str, Any] = {"symbol": "AAPL", "price": Decimal("96.8"), "as_of": NOW}
BAR: dict[str, Any] = {
    "symbol": "AAPL",
    "at": NOW,
    "open": Decimal(86),
    "high": Decimal(100),
    "low": Decimal(85),
    "close": Decimal(97),
    "volume": 79_000_000,
}
NOT_PRICES = [
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
    Decimal(0),
    Decimal("-0.01"),
    Decimal("0.0000004"),  # nothing is left of it at 6 decimals
    Decimal(10) ** 12,
    Decimal("1E+1000"),
    96.8,
    97,
    True,
    "96.80",
    None,
]


@pytest.mark.parametrize("price", NOT_PRICES, ids=repr)
def test_what_is_no_price_is_no_quote(price: object) -> None:
    with pytest.raises(BadQuote, match=r"^Quote of 'AAPL': price "):
        Sample(**SAMPLE | {"price": price})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("symbol", "aapl", "symbol 'aapl' is not"),
        ("symbol", "", "symbol '' is not"),
        ("symbol", "A" * 17, "is not 1 to 16"),
        ("symbol", "AAPL\n", "is not 1 to 16"),
        ("symbol", "A\0", "is not 1 to 16"),
        ("symbol", None, "symbol None is not"),
        ("as_of", datetime(1, 1, 1, tzinfo=UTC), "is beyond the calendar"),
        ("as_of", NOW.replace(tzinfo=None), "as_of 2008-10-10 20:00:00 has no time zone"),
        ("as_of", "2008-10-10", "as_of 2008-10-10 has no time zone"),
        (
            "as_of",
            datetime.max.replace(tzinfo=timezone(-timedelta(hours=9))),
            "beyond the calendar",
        ),
        ("volume", -1, "volume -1 is not between 0 and"),
        ("volume", 2**63, "is not between 0 and"),
        ("volume", 1.0, "volume 1.0 is not a whole number"),
        ("volume", True, "volume True is not a whole number"),
        ("previous_close", Decimal(0), "previous_close 0 is not above 0"),
        ("previous_close", 1.5, "previous_close 1.5 is not a Decimal"),
        ("note", "n" * 101, "is not text of 100 characters"),
        ("note", "\0", "is not text of 100 characters"),
    ],
)
def test_a_quote_says_what_is_wrong_with_it(field: str, value: object, message: str) -> None:
    with pytest.raises(BadQuote, match=message):
        Sample(**SAMPLE | {field: value})


def test_a_quote_names_its_symbol_and_the_value_in_its_error() -> None:
    with pytest.raises(BadQuote) as refused:
        Sample(**SAMPLE | {"price": Decimal(-5)})
    assert str(refused.value) == (
        "Quote of 'AAPL': price -5 is not above 0 and below a trillion, to 6 decimals"
    )


def test_a_quotes_price_has_six_decimals_and_its_instant_is_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    sample = Sample("BRK.B", Decimal("1.23456789"), NOW.astimezone(berlin))
    assert str(sample.price) == "1.234568"
    assert sample.as_of == NOW
    assert sample.as_of.tzinfo is UTC


def test_the_highest_price_is_what_its_column_holds() -> None:
    assert Sample("X", PRICE_MAX, NOW).price == PRICE_MAX


def test_quotes_of_the_same_reading_are_equal() -> None:
    assert Sample(**SAMPLE) == Sample(**SAMPLE | {"price": Decimal("96.8000")})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("symbol", "a", "symbol 'a' is not"),
        ("at", datetime(1, 1, 1, tzinfo=UTC), "timestamp 0001-01-01 00:00:00\\+00:00 is beyond"),
        ("at", NOW.replace(tzinfo=None), "timestamp 2008-10-10 20:00:00 has no time zone"),
        ("open", Decimal("NaN"), "open NaN is not a number"),
        ("open", Decimal("84.99"), "open 84.990000 is not within low 85.000000 and high"),
        ("close", Decimal("100.01"), "close 100.010000 is not within low"),
        ("high", Decimal(84), "high 84.000000 is below low 85.000000"),
        ("low", Decimal(0), "low 0 is not above 0"),
        ("low", 85.0, "low 85.0 is not a Decimal"),
        ("volume", -1, "volume -1 is not between"),
        ("volume", Decimal(1), "is not a whole number"),
    ],
)
def test_a_bar_says_what_is_wrong_with_it(field: str, value: object, message: str) -> None:
    with pytest.raises(BadBar, match=f"^Bar of '[Aa].*{message}"):
        Bar(**BAR | {field: value})


def test_a_bars_session_is_new_yorks_date_at_its_close() -> None:
    assert Bar(**BAR).session.isoformat() == "2008-10-10"
    late = datetime(2008, 10, 11, 0, tzinfo=UTC)
    assert Bar(**BAR | {"at": late}).session.isoformat() == "2008-10-10"


@pytest.mark.parametrize(
    ("tick_seconds", "seconds"), [(0.2, 60), (10, 60), (20, 60), (20.5, 61.5), (30, 90)]
)
def test_a_quote_may_be_a_minute_old_or_three_intervals(
    tick_seconds: float, seconds: float
) -> None:
    assert max_age(tick_seconds) == timedelta(seconds=seconds)


def test_a_quote_of_exactly_the_greatest_age_is_fresh() -> None:
    age = timedelta(seconds=60)
    assert is_fresh(NOW - age, NOW, age)
    assert not is_fresh(NOW - age - timedelta(microseconds=1), NOW, age)
    assert is_fresh(NOW + timedelta(seconds=1), NOW, age)


prices = st.decimals(Decimal("0.000001"), Decimal(1000), places=6)
levels = st.decimals(Decimal(-10), Decimal(2000), places=9)


@given(price=prices, level=levels)
def test_levels_on_the_grid_of_prices_are_reached_by_the_same_prices(
    price: Decimal, level: Decimal
) -> None:
    asked = AlertLevels(below=level, above=level)
    assert (price <= level) == (asked.below is not None and price <= asked.below)
    assert (price >= level) == (asked.above is not None and price >= asked.above)


def test_a_level_that_no_price_can_reach_is_none() -> None:
    beyond = Decimal("1E+40")
    assert AlertLevels(below=Decimal(0), above=beyond, volume=2**63) == AlertLevels()
    assert AlertLevels(below=beyond).below == PRICE_MAX
    assert AlertLevels(below=Decimal("-1E+40")).below is None
    assert AlertLevels(below=Decimal("0.0000009")).below is None


@pytest.mark.parametrize(
    "asked",
    [
        {"below": Decimal("NaN")},
        {"above": Decimal("Infinity")},
        {"below": 1.5},
        {"above": True},
        {"volume": 1.5},
        {"volume": math.inf},
    ],
    ids=repr,
)
def test_a_level_that_is_no_number_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        AlertLevels(**asked)
