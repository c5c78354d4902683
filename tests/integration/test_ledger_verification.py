import re
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolios import ledger, services
from portfolios.ledger import Entry, Kind, Order, Position, Side
from portfolios.models import Portfolio
from portfolios.selectors import Discrepancy, discrepancies, holdings_of
from tests.factories import InstrumentFactory, PortfolioFactory
from tests.ledger import record_trades

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
D = Decimal


def traded(portfolio: Portfolio, side: Side, quantity: str, price: str, symbol: str) -> None:
    services.trade(
        portfolio=portfolio,
        side=side,
        symbol=symbol,
        quantity=D(quantity),
        price=D(price),
        at=AT,
    )


@pytest.fixture
def portfolio() -> Portfolio:
    """1 deposit 10,000; 2 buy 3 AAPL; 3 buy 2 MSFT; 4 sell 1 AAPL; 5 sell 2 MSFT; 6 buy 1 AAPL."""
    for symbol in ("AAPL", "MSFT", "SPY"):
        InstrumentFactory.create(symbol=symbol)
    portfolio = PortfolioFactory.create(deposit=10_000)
    traded(portfolio, Side.BUY, "3", "33.333333", "AAPL")
    traded(portfolio, Side.BUY, "2", "50", "MSFT")
    traded(portfolio, Side.SELL, "1", "40", "AAPL")
    traded(portfolio, Side.SELL, "2", "60", "MSFT")
    traded(portfolio, Side.BUY, "1", "10", "AAPL")
    other = PortfolioFactory.create(deposit=500)
    traded(other, Side.BUY, "1", "100", "SPY")
    return portfolio


def tamper(statement: str, *, ledger: bool = False) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if ledger:
            cursor.execute("ALTER TABLE portfolios_transaction DISABLE TRIGGER append_only")
        cursor.execute(statement)
        if ledger:
            cursor.execute("ALTER TABLE portfolios_transaction ENABLE TRIGGER append_only")


def found() -> list[tuple[str, Decimal, Decimal]]:
    return [(one.what, one.stored, one.recomputed) for one in discrepancies()]


def test_a_ledger_that_holds_says_so(portfolio: Portfolio) -> None:
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue() == "ledger holds: 2 portfolios, 8 transactions\n"


def test_a_difference_is_named_and_ends_with_exit_code_1(portfolio: Portfolio) -> None:
    tamper("UPDATE portfolios_portfolio SET cash = cash + 1 WHERE transactions_count = 6")
    out = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("verify_ledger", stdout=out)
    assert failed.value.returncode == 1
    assert out.getvalue() == (
        f"portfolio {portfolio.id}: cash: stored 9951.00, recomputed 9950.00\n"
    )
    assert discrepancies() == [Discrepancy(portfolio.id, "cash", D("9951.00"), D("9950.00"))]


@pytest.mark.parametrize(
    ("statement", "differences"),
    [
        (
            "UPDATE portfolios_holding SET quantity = 4 WHERE symbol = 'AAPL'",
            [("quantity of AAPL", D(4), D(3))],
        ),
        (
            "UPDATE portfolios_holding SET cost_basis = 1 WHERE symbol = 'AAPL'",
            [("cost basis of AAPL", D(1), D("76.67"))],
        ),
        (
            "DELETE FROM portfolios_holding WHERE symbol = 'AAPL'",
            [("quantity of AAPL", D(0), D(3)), ("cost basis of AAPL", D(0), D("76.67"))],
        ),
        (
            "INSERT INTO portfolios_holding (portfolio_id, symbol, quantity, cost_basis) "
            "SELECT portfolio_id, 'SPY', 5, 7 FROM portfolios_holding WHERE symbol = 'AAPL'",
            [("quantity of SPY", D(5), D(0)), ("cost basis of SPY", D(7), D(0))],
        ),
        (
            "UPDATE portfolios_portfolio SET transactions_count = 9 WHERE transactions_count = 6",
            [("number of transactions", D(9), D(6))],
        ),
    ],
)
def test_a_balance_that_was_changed_by_hand_is_found(
    portfolio: Portfolio, statement: str, differences: list[tuple[str, Decimal, Decimal]]
) -> None:
    tamper(statement)
    assert found() == differences


@pytest.mark.parametrize(
    ("statement", "differences"),
    [
        (
            "UPDATE portfolios_transaction SET cash_after = 1 WHERE sequence = 4",
            [("cash after transaction 4", D(1), D("9840.00"))],
        ),
        (
            "UPDATE portfolios_transaction SET quantity_after = 7 WHERE sequence = 4",
            [
                ("quantity of AAPL after transaction 4", D(7), D(2)),
            ],
        ),
        (
            "UPDATE portfolios_transaction SET cost_basis_after = 66.66 WHERE sequence = 4",
            [("cost basis of AAPL after transaction 4", D("66.66"), D("66.67"))],
        ),
        (
            "UPDATE portfolios_transaction SET cost_basis_after = 70 WHERE sequence = 6",
            [
                ("cost basis of AAPL after transaction 6", D(70), D("76.67")),
                ("cost basis of AAPL", D("76.67"), D(70)),
            ],
        ),
        (
            "UPDATE portfolios_transaction SET price = 41, amount = 41 WHERE sequence = 4",
            [
                ("cash", D("9950.00"), D("9951.00")),
                ("cash after transaction 4", D("9840.00"), D("9841.00")),
            ],
        ),
        (
            "UPDATE portfolios_transaction SET sequence = 8 WHERE sequence = 6",
            [("sequence of transaction 8", D(8), D(6))],
        ),
        (
            "DELETE FROM portfolios_transaction WHERE sequence = 5",
            [
                ("cash", D("9950.00"), D("9830.00")),
                ("number of transactions", D(6), D(5)),
                ("sequence of transaction 6", D(6), D(5)),
                ("cash after transaction 6", D("9950.00"), D("9830.00")),
                ("quantity of MSFT", D(0), D(2)),
                ("cost basis of MSFT", D(0), D(100)),
            ],
        ),
    ],
)
def test_a_line_that_was_changed_by_hand_is_found(
    portfolio: Portfolio, statement: str, differences: list[tuple[str, Decimal, Decimal]]
) -> None:
    tamper(statement, ledger=True)
    assert found() == differences


def test_a_portfolio_whose_lines_are_all_gone_is_found(portfolio: Portfolio) -> None:
    tamper("TRUNCATE portfolios_transaction CASCADE")
    whats = {re.sub(r"\w+$", "SYMBOL", what) if " of " in what else what for what, *_ in found()}
    assert whats == {"cash", "number of SYMBOL", "quantity of SYMBOL", "cost basis of SYMBOL"}


def test_the_largest_sums_are_recomputed_to_the_cent(portfolio: Portfolio) -> None:
    rich = PortfolioFactory.create(deposit=D("999999999999999999.99"))
    traded(rich, Side.BUY, "700001", "999999999999.99", "AAPL")
    traded(rich, Side.SELL, "233333.33333333", "0.01", "AAPL")
    [holding] = holdings_of(portfolio=rich)
    # Worked out with fractions. PostgreSQL's own division would keep 16 digits of it.
    assert holding.cost_basis == D("466667666666665333.32")
    assert discrepancies() == []


trades = st.tuples(
    st.sampled_from(Side),
    st.sampled_from(["AAPL", "MSFT"]),
    st.decimals("0.00000001", 90, places=8),
    st.decimals("0.000001", 2000, places=6),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(trades, min_size=1, max_size=15))
def test_postgresql_and_python_agree_on_every_ledger(
    db: None, sequence: list[tuple[Side, str, Decimal, Decimal]]
) -> None:
    for symbol in ("AAPL", "MSFT"):
        InstrumentFactory.create(symbol=symbol)
    portfolio = PortfolioFactory.create(deposit=100_000)
    locked = services.lock_portfolio(portfolio_id=portfolio.id)
    for side, symbol, quantity, price in sequence:
        order = Order(side, symbol, quantity, price)
        record_trades(locked=locked, orders=[order], at=AT)
    assert discrepancies() == []
    replayed = ledger.replay(
        Entry(
            kind=Kind(line.kind),
            amount=line.amount,
            cash_after=D(0),
            symbol=line.instrument_id,
            quantity=line.quantity,
        )
        for line in portfolio.transactions.order_by("sequence")
    )
    assert replayed.cash == locked.snapshot.cash
    assert replayed.positions == {
        holding.instrument_id: Position(holding.quantity, holding.cost_basis)
        for holding in holdings_of(portfolio=portfolio)
    }
