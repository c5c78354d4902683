"""The meter shows where the price is between the levels at which a rule wakes."""

from decimal import Decimal

import pytest

from actions.meter import Meter, distance_words, meter
from actions.rules import Band
from actions.why import Distance


def drawn(price: str, *, below: str | None = None, above: str | None = None) -> Meter:
    band = Band(below=Decimal(below) if below else None, above=Decimal(above) if above else None)
    levels = [level for level in (band.below, band.above) if level is not None]
    level = min(levels, key=lambda level: abs(level - Decimal(price)))
    return meter(band=band, distance=Distance("AAPL", Decimal(price), level))


def test_a_level_below_stands_at_the_left_end_and_one_above_at_the_right() -> None:
    falls, rises = drawn("155", below="150"), drawn("145", above="150")
    assert (falls.level, falls.ends) == (2.0, (2.0,))
    assert (rises.level, rises.ends) == (98.0, (98.0,))
    assert falls.level < falls.price
    assert rises.price < rises.level


@pytest.mark.parametrize("side", ["below", "above"])
def test_the_nearer_the_price_the_nearer_the_mark(side: str) -> None:
    prices = (
        ("300", "200", "160", "151", "150.10")
        if side == "below"
        else ("10", "100", "140", "149", "149.90")
    )
    gaps = [abs((one := drawn(price, **{side: "150"})).price - one.level) for price in prices]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) == len(gaps)
    assert all(0 < gap < 96 for gap in gaps)


def test_between_two_levels_the_price_stands_in_proportion() -> None:
    assert drawn("150", below="100", above="200").price == 50.0
    assert drawn("100", below="100", above="200").price == 2.0
    assert drawn("200", below="100", above="200").price == 98.0
    assert drawn("120", below="100", above="200").ends == (2.0, 98.0)


@pytest.mark.parametrize(
    ("price", "state"), [("160", "far"), ("151", "near"), ("150", "there"), ("140", "there")]
)
def test_it_says_whether_the_price_is_near_or_there(price: str, state: str) -> None:
    assert drawn(price, below="150").state == state


def test_a_price_beyond_the_level_stands_at_it() -> None:
    assert drawn("140", below="150").price == 2.0
    assert drawn("160", above="150").price == 98.0


def test_the_way_is_drawn_from_left_to_right() -> None:
    for one in (drawn("155", below="150"), drawn("145", above="150")):
        left, right = one.way
        assert left < right
        assert {left, right} == {one.price, one.level}


@pytest.mark.parametrize(
    ("price", "level", "words"),
    [
        ("26", "25", "3.8 % away"),
        ("25", "26", "4.0 % away"),
        ("100", "1250", "1,150.0 % away"),
        ("150.10", "150", "$0.10 to go"),
        ("150", "150", "there"),
    ],
)
def test_the_distance_is_told_in_the_unit_that_tells_most(
    price: str, level: str, words: str
) -> None:
    assert distance_words(Distance("MSFT", Decimal(price), Decimal(level))) == words


def test_who_does_not_see_it_reads_it() -> None:
    assert drawn("26", below="25").label == (
        "AAPL is at $26.00; the rule wakes at or below $25.00: 3.8 % away."
    )
    assert "at or above $150.00" in drawn("145", above="150").label
