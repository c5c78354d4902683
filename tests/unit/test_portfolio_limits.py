"""What a portfolio lets its rules trade: the size of an order, and how much in a day."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from portfolios import ledger
from portfolios.ledger import Entry, Order, Position, Refusal, RefusalCode, Side, Snapshot
from portfolios.limits import Day, Limits, beyond, day_of, next_day, spent

D = Decimal
HELD = Snapshot(D(10_000), {"AAPL": Position(D("0.001"), D(1)), "IBM": Position(D(10), D(1))})


def entries(*orders: Order) -> list[Entry]:
    applied = ledger.apply_all(HELD, orders)
    assert not isinstance(applied, Refusal)
    return applied[0]


def buy(quantity: str, price: str) -> Order:
    return Order(Side.BUY, "IBM", D(quantity), D(price))


def sell(quantity: str, price: str, symbol: str = "IBM") -> Order:
    return Order(Side.SELL, symbol, D(quantity), D(price))


def code(refusal: Refusal | None) -> RefusalCode | None:
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        (buy("1", "0.99"), RefusalCode.BELOW_MINIMUM),
        (buy("1", "1"), None),
        (buy("1", "500"), None),
        (buy("1", "500.01"), RefusalCode.ABOVE_MAXIMUM),
        (sell("0.001", "100"), RefusalCode.BELOW_MINIMUM),
        (sell("0.001", "100", "AAPL"), None),  # the last of it
        (sell("10", "50.01"), RefusalCode.ABOVE_MAXIMUM),
    ],
)
def test_an_order_is_neither_too_small_nor_too_large(
    order: Order, refused: RefusalCode | None
) -> None:
    limits = Limits(order_least=D(1), order_most=D(500))
    assert code(beyond(entries(order), limits)) == refused


def test_a_refusal_tells_the_numbers() -> None:
    refusal = beyond(entries(buy("1", "0.50")), Limits(order_least=D(1)))
    assert refusal is not None
    assert refusal.message == "The order for IBM is $0.50, below the minimum order of $1.00."


def test_more_than_a_day_allows_is_refused_for_good() -> None:
    orders = entries(buy("6", "100"), sell("5", "100"))
    assert code(beyond(orders, Limits(day_usd=D(1100)))) is None
    assert code(beyond(orders, Limits(day_usd=D("1099.99")))) is RefusalCode.ABOVE_DAY


def test_a_day_that_is_spent_makes_orders_wait() -> None:
    limits = Limits(day_executions=2, day_usd=D(1000))
    day = Day(date(2026, 11, 17))
    one = entries(buy("4", "100"))
    assert spent(one, day, limits) is None
    day = day.after(one)
    assert day == Day(date(2026, 11, 17), 1, D(400))
    assert spent(entries(buy("6", "100")), day, limits) is None
    assert spent(entries(buy("6", "100.01")), day, limits) == (
        "Rules have traded $400.00 in this portfolio today, and may trade $1,000.00 a day: "
        "$600.06 more is too much."
    )
    day = day.after(entries(sell("1", "100")))
    assert spent(one, day, limits) == "The portfolio's 2 executions of this day are used up."
    assert spent([], day, limits) is None, "what trades nothing may go on"


def test_of_two_limits_the_tighter_holds() -> None:
    mine = Limits(order_least=D(5), order_most=D(100), day_executions=3)
    site = Limits(order_least=D(1), order_most=D(50), day_usd=D(1000))
    both = Limits(order_least=D(5), order_most=D(50), day_executions=3, day_usd=D(1000))
    assert mine.tightened(by=site) == site.tightened(by=mine) == both


@pytest.mark.parametrize("value", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_a_limit_is_above_zero(value: Decimal) -> None:
    with pytest.raises(ValueError, match="order_most must be above 0"):
        Limits(order_most=value)


def test_a_day_is_new_yorks_also_when_the_clocks_change() -> None:
    evening = datetime(2026, 11, 1, 3, 59, tzinfo=UTC)  # still October there
    assert day_of(evening) == date(2026, 10, 31)
    assert next_day(evening) == datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    assert next_day(datetime(2026, 11, 1, 12, tzinfo=UTC)) == datetime(2026, 11, 2, 5, tzinfo=UTC)
