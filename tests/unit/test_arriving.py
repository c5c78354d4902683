"""Of the prices that arrive in one second, the last one counts; none is taken twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from market.arriving import Arriving
from market.quotes import Sample

NOON = datetime(2026, 11, 17, 17, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def aapl(price: str, at: datetime = NOON) -> Sample:
    return Sample(symbol="AAPL", price=Decimal(price), as_of=at)


def taken(arriving: Arriving, *, accepted: bool = True) -> list[tuple[str, timedelta]]:
    samples = arriving.take()
    if accepted:
        arriving.accepted(samples)
    return [
        (f"{sample.price:f}".rstrip("0").rstrip("."), sample.as_of - NOON) for sample in samples
    ]


def test_of_several_prices_the_newest_waits_and_is_taken_once() -> None:
    arriving = Arriving()
    assert not arriving
    arriving.add(aapl("1"))
    arriving.add(aapl("2"))
    assert arriving
    assert taken(arriving) == [("2", timedelta(0))]
    assert not arriving


def test_a_later_price_of_the_same_second_is_newer_than_the_one_that_was_accepted() -> None:
    arriving = Arriving()
    for price, later in (("1", 0), ("2", 1), ("3", 2)):
        arriving.add(aapl(price))
        assert taken(arriving) == [(price, later * MICROSECOND)]
    arriving.add(aapl("4"))
    arriving.add(aapl("5"))
    assert taken(arriving) == [("5", 3 * MICROSECOND)]
    arriving.add(aapl("6", NOON + SECOND))
    assert taken(arriving) == [("6", SECOND)]


def test_a_price_that_was_not_accepted_is_not_confirmed_by_one_of_its_own_second() -> None:
    arriving = Arriving()
    arriving.add(aapl("100"))
    taken(arriving)
    arriving.add(aapl("10"))
    (held,) = taken(arriving, accepted=False)
    arriving.add(aapl("11"))
    (again,) = taken(arriving, accepted=False)
    assert held[1] == again[1], "no newer, so it confirms nothing"
    arriving.add(aapl("11", NOON + SECOND))
    assert taken(arriving) == [("11", SECOND)]


def test_an_older_price_and_the_same_one_again_are_no_news() -> None:
    arriving = Arriving()
    arriving.add(aapl("1"))
    taken(arriving)
    arriving.add(aapl("1"))
    arriving.add(aapl("2", NOON - SECOND))
    assert not arriving
