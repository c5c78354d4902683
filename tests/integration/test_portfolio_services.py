import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from portfolios import services
from portfolios.ledger import Order, Position, Refusal, RefusalCode, Side, Snapshot
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.recording import Line
from portfolios.selectors import holdings_of, primary_portfolio_of
from tests.factories import InstrumentFactory, PortfolioFactory, UserFactory
from tests.ledger import record_trades

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
D = Decimal


@pytest.fixture
def portfolio() -> Portfolio:
    for symbol in ("AAPL", "MSFT"):
        InstrumentFactory.create(symbol=symbol)
    return PortfolioFactory.create(deposit=10_000)


def buy(quantity: int, price: int, symbol: str = "AAPL") -> Order:
    return Order(Side.BUY, symbol, D(quantity), D(price))


def sell(quantity: int, price: int, symbol: str = "AAPL") -> Order:
    return Order(Side.SELL, symbol, D(quantity), D(price))


def record(portfolio: Portfolio, *orders: Order, **more: Any) -> list[Line] | Refusal:
    locked = services.lock_portfolio(portfolio_id=portfolio.id)
    return record_trades(locked=locked, orders=orders, at=AT, **more)


def trade(portfolio: Portfolio, side: Side, quantity: int, price: int) -> Transaction | Refusal:
    return services.trade(
        portfolio=portfolio,
        side=side,
        symbol="AAPL",
        quantity=D(quantity),
        price=D(price),
        at=AT,
    )


def held(portfolio: Portfolio) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        holding.instrument_id: (holding.quantity, holding.cost_basis)
        for holding in holdings_of(portfolio=portfolio)
    }


def test_the_primary_portfolio_is_opened_once() -> None:
    user = UserFactory.create()
    assert primary_portfolio_of(user=user) is None
    opened = services.primary_portfolio(user=user)
    assert (opened.name, opened.cash, opened.is_primary) == ("Main", D(0), True)
    assert services.primary_portfolio(user=user) == opened == primary_portfolio_of(user=user)


def test_further_portfolios_have_names_of_their_own() -> None:
    user = UserFactory.create()
    opened = services.open_portfolio(user=user, name="  Savings ")
    assert (opened.name, opened.is_primary) == ("Savings", False)
    for name in ("Savings", "Main", " ", "x" * 101):
        with pytest.raises(ValidationError):
            services.open_portfolio(user=user, name=name)
    assert services.open_portfolio(user=UserFactory.create(), name="Savings") != opened


def test_the_ledger_tells_the_whole_story(portfolio: Portfolio) -> None:
    trade(portfolio, Side.BUY, 10, 100)
    trade(portfolio, Side.SELL, 4, 150)
    services.withdraw(portfolio=portfolio, amount=D(600), at=AT, note="rent")
    lines = Transaction.objects.filter(portfolio=portfolio).order_by("sequence")
    assert list(
        lines.values_list("sequence", "kind", "instrument_id", "quantity", "amount", "cash_after")
    ) == [
        (1, "deposit", None, None, D(10_000), D(10_000)),
        (2, "buy", "AAPL", D(10), D(-1000), D(9000)),
        (3, "sell", "AAPL", D(-4), D(600), D(9600)),
        (4, "withdrawal", None, None, D(-600), D(9000)),
    ]
    assert [line.note for line in lines] == ["", "", "", "rent"]
    portfolio.refresh_from_db()
    assert (portfolio.cash, portfolio.transactions_count) == (D(9000), 4)
    assert held(portfolio) == {"AAPL": (D(6), D(600))}


def test_what_is_sold_to_the_last_share_leaves_no_row(portfolio: Portfolio) -> None:
    record(portfolio, buy(10, 100), buy(1, 5, "MSFT"))
    written = record(portfolio, sell(10, 90))
    assert not isinstance(written, Refusal)
    assert (written[0].entry.quantity_after, written[0].entry.cost_basis_after) == (D(0), D(0))
    assert held(portfolio) == {"MSFT": (D(1), D(5))}


def test_a_refusal_writes_nothing(portfolio: Portfolio) -> None:
    for refused in (
        trade(portfolio, Side.BUY, 101, 100),
        trade(portfolio, Side.SELL, 1, 100),
        services.withdraw(portfolio=portfolio, amount=D(10_001), at=AT),
        services.deposit(portfolio=portfolio, amount=D(0), at=AT),
        record(portfolio, buy(1, 100), buy(1000, 100)),
    ):
        assert isinstance(refused, Refusal)
    portfolio.refresh_from_db()
    assert (portfolio.cash, portfolio.transactions_count) == (D(10_000), 1)
    assert held(portfolio) == {}
    assert Transaction.objects.count() == 1


def test_a_symbol_that_is_not_known_is_refused(portfolio: Portfolio) -> None:
    refused = services.trade(
        portfolio=portfolio, side=Side.BUY, symbol="NOPE", quantity=D(1), price=D(1), at=AT
    )
    assert refused == Refusal(
        RefusalCode.UNKNOWN_SYMBOL, "NOPE is not a symbol that is traded here."
    )


@pytest.mark.parametrize("name", ["\u200b", "\u200d", "two\nlines", "\u202eniaM", "a\x1b[31m"])
def test_a_portfolio_has_a_name_that_can_be_seen(name: str) -> None:
    user = UserFactory.create()
    with pytest.raises(ValidationError, match="visible characters"):
        services.open_portfolio(user=user, name=name)
    assert services.open_portfolio(user=user, name="Família 👨\u200d👩\u200d👧").name.startswith(
        "Família"
    )


def test_trades_name_what_caused_them(portfolio: Portfolio) -> None:
    cause = uuid.uuid4()
    record(portfolio, buy(1, 10), sell(1, 11), reference=cause, note="Stop loss")
    lines = Transaction.objects.filter(reference=cause)
    assert [(line.sequence, line.note, line.at) for line in lines.order_by("sequence")] == [
        (2, "Stop loss", AT),
        (3, "Stop loss", AT),
    ]


def test_a_second_batch_in_the_same_transaction_sees_the_first(portfolio: Portfolio) -> None:
    locked = services.lock_portfolio(portfolio_id=portfolio.id)
    assert locked.snapshot == Snapshot(D(10_000), {})
    record_trades(locked=locked, orders=[buy(100, 100)], at=AT)
    refused = record_trades(locked=locked, orders=[buy(1, 1)], at=AT)
    assert isinstance(refused, Refusal)
    record_trades(locked=locked, orders=[sell(50, 120)], at=AT + timedelta(seconds=1))
    assert locked.snapshot == Snapshot(D(6000), {"AAPL": Position(D(50), D(5000))})
    assert locked.snapshot.cash == D(6000)
    again = services.lock_portfolio(portfolio_id=portfolio.id)
    assert again.snapshot == locked.snapshot
    assert again.transactions_count == 3


def test_no_orders_write_nothing(portfolio: Portfolio, django_assert_num_queries: Any) -> None:
    locked = services.lock_portfolio(portfolio_id=portfolio.id)
    with django_assert_num_queries(0):
        assert record_trades(locked=locked, orders=[], at=AT) == []


@pytest.mark.parametrize("orders", [1, 5, 40])
def test_the_statements_do_not_grow_with_the_orders(orders: int) -> None:
    symbols = [InstrumentFactory.create().symbol for _ in range(orders)]
    sold = [InstrumentFactory.create().symbol for _ in range(orders)]
    portfolio = PortfolioFactory.create(deposit=10_000)
    record(portfolio, *(buy(1, 2, symbol) for symbol in sold))
    with CaptureQueriesContext(connection) as locking:
        locked = services.lock_portfolio(portfolio_id=portfolio.id)
    with CaptureQueriesContext(connection) as recording:
        record_trades(
            locked=locked,
            orders=[sell(1, 3, symbol) for symbol in sold]
            + [buy(1, 4, symbol) for symbol in symbols],
            at=AT,
        )
    assert (len(locking), len(recording)) == (2, 2)


def test_many_portfolios_are_locked_in_two_statements(django_assert_num_queries: Any) -> None:
    portfolios = [PortfolioFactory.create(deposit=number) for number in (1, 2, 3)]
    with django_assert_num_queries(2):
        locked = services.locked(portfolio_ids=[one.id for one in reversed(portfolios)])
    assert [locked[one.id].snapshot.cash for one in portfolios] == [1, 2, 3]
    assert list(locked) == sorted(locked)


def test_a_portfolio_that_is_not_there_is_named(portfolio: Portfolio) -> None:
    missing = uuid.uuid4()
    with pytest.raises(Portfolio.DoesNotExist, match=str(missing)):
        services.locked(portfolio_ids=[portfolio.id, missing])


def test_a_forgotten_lock_is_an_error_and_no_wrong_balance(portfolio: Portfolio) -> None:
    stale = services.lock_portfolio(portfolio_id=portfolio.id)
    record(portfolio, buy(1, 100))
    with (
        pytest.raises(IntegrityError, match="transaction_sequence_unique"),
        transaction.atomic(),
    ):
        record_trades(locked=stale, orders=[buy(1, 100)], at=AT)
    assert held(portfolio) == {"AAPL": (D(1), D(100))}


def test_floats_do_not_get_in(portfolio: Portfolio) -> None:
    bad: Any = 0.1
    with pytest.raises(TypeError):
        services.deposit(portfolio=portfolio, amount=bad, at=AT)
    with pytest.raises(TypeError):
        services.trade(
            portfolio=portfolio, side=Side.BUY, symbol="AAPL", quantity=bad, price=D(1), at=AT
        )


@pytest.mark.django_db(transaction=True)
def test_locking_and_writing_need_a_transaction(portfolio: Portfolio) -> None:
    with pytest.raises(TransactionManagementError):
        services.lock_portfolio(portfolio_id=portfolio.id)
    with transaction.atomic():
        locked = services.lock_portfolio(portfolio_id=portfolio.id)
    with pytest.raises(TransactionManagementError):
        record_trades(locked=locked, orders=[buy(1, 1)], at=AT)
    assert not Holding.objects.exists()
