"""Threads with connections of their own: what really happens when two come at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection, transaction

from portfolios import services
from portfolios.ledger import Order, Refusal, Side
from portfolios.models import Portfolio, Transaction
from portfolios.recording import Line
from portfolios.selectors import discrepancies, holdings_of
from tests.factories import InstrumentFactory, PortfolioFactory, UserFactory
from tests.ledger import record_trades

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)


def at_once[T](*tasks: Callable[[], T]) -> list[T]:
    """What each task returns, all of them begun at the same moment."""
    barrier = Barrier(len(tasks))

    def run(task: Callable[[], T]) -> T:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=120)
            return task()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def order(side: Side, quantity: int) -> Order:
    return Order(side, "AAPL", Decimal(quantity), Decimal(10))


def recorded(portfolio: Portfolio, *orders: Order) -> list[Line] | Refusal:
    with transaction.atomic():
        locked = services.lock_portfolio(portfolio_id=portfolio.id)
        return record_trades(locked=locked, orders=orders, at=AT)


def test_of_two_who_sell_the_same_shares_one_succeeds() -> None:
    InstrumentFactory.create(symbol="AAPL")
    portfolio = PortfolioFactory.create(deposit=1000)
    recorded(portfolio, order(Side.BUY, 5))
    results = at_once(*[lambda: recorded(portfolio, order(Side.SELL, 5))] * 2)
    [refusal] = [result for result in results if isinstance(result, Refusal)]
    assert refusal.code == "insufficient_shares"
    portfolio.refresh_from_db()
    assert portfolio.cash == 1000
    assert not holdings_of(portfolio=portfolio).exists()
    assert discrepancies() == []


def test_cash_is_spent_once_however_many_try() -> None:
    InstrumentFactory.create(symbol="AAPL")
    portfolio = PortfolioFactory.create(deposit=1000)
    results = at_once(*[lambda: recorded(portfolio, order(Side.BUY, 30))] * 8)
    assert sum(not isinstance(result, Refusal) for result in results) == 3
    sequences = Transaction.objects.filter(portfolio=portfolio).order_by("sequence")
    assert list(sequences.values_list("sequence", flat=True)) == [1, 2, 3, 4]
    assert discrepancies() == []


def test_two_first_visits_open_one_primary_portfolio() -> None:
    user = UserFactory.create()
    opened = at_once(*[lambda: services.primary_portfolio(user=user).id] * 4)
    assert len(set(opened)) == Portfolio.objects.filter(user=user).count() == 1


def test_those_who_lock_in_opposite_order_never_wait_for_each_other() -> None:
    ids = [PortfolioFactory.create().id for _ in range(6)]

    def lock_often(portfolio_ids: list[UUID]) -> None:
        for _ in range(20):
            with transaction.atomic():
                services.locked(portfolio_ids=portfolio_ids)

    at_once(lambda: lock_often(ids), lambda: lock_often(ids[::-1]))


def test_rows_that_only_refer_to_a_locked_portfolio_can_be_written() -> None:
    portfolio = PortfolioFactory.create()

    def referred() -> bool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            # What PostgreSQL does for a foreign key's sake.
            cursor.execute(
                "SELECT 1 FROM portfolios_portfolio WHERE id = %s FOR KEY SHARE", [portfolio.id]
            )
            return bool(cursor.fetchone())

    with transaction.atomic():
        services.lock_portfolio(portfolio_id=portfolio.id)
        assert at_once(referred) == [True]
