"""A split goes through the holdings of everybody, once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from portfolios import services
from portfolios.ledger import Order, Refusal, Side
from portfolios.models import Portfolio, Split, Transaction
from portfolios.selectors import discrepancies, holdings_of
from portfolios.services import record_split
from tests.factories import InstrumentFactory, PortfolioFactory
from tests.integration.test_ledger_verification import found, tamper
from tests.integration.test_portfolio_concurrency import at_once
from tests.ledger import record_trades

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SEVEN = Fraction(7)
D = Decimal


def holder(shares: str, symbol: str = "AAPL") -> Portfolio:
    InstrumentFactory.create(symbol=symbol)
    portfolio = PortfolioFactory.create(deposit=10_000)
    traded(portfolio, Order(Side.BUY, symbol, D(shares), D(100)))
    return portfolio


@transaction.atomic
def traded(portfolio: Portfolio, *orders: Order) -> None:
    """As rules and people trade, whatever the least size of an order."""
    book = services.lock_portfolio(portfolio_id=portfolio.pk)
    recorded = record_trades(locked=book, orders=orders, at=AT)
    assert not isinstance(recorded, Refusal), recorded.message


def held(portfolio: Portfolio) -> list[tuple[str, Decimal, Decimal]]:
    rows = holdings_of(portfolio=portfolio)
    return list(rows.values_list("instrument_id", "quantity", "cost_basis"))


def test_all_holders_have_their_shares_split_and_nobody_else() -> None:
    one, other, stranger = holder("3"), holder("0.5"), holder("3", "IBM")
    split = record_split(symbol="AAPL", factor=SEVEN, at=AT)
    assert isinstance(split, Split)
    assert held(one) == [("AAPL", D(21), D("300.00"))]
    assert held(other) == [("AAPL", D("3.5"), D("50.00"))]
    assert held(stranger) == [("IBM", D(3), D("300.00"))]
    line = Transaction.objects.get(portfolio=one, kind="split")
    assert (line.quantity, line.amount, line.price) == (D(18), D(0), None)
    assert line.cash_after == 9700
    assert (line.reference, line.at, line.note) == (split.pk, AT, "Split 7-for-1.")
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue() == "ledger holds: 3 portfolios, 8 transactions\n"


def test_rules_that_follow_a_portfolio_hear_of_it() -> None:
    portfolio = holder("3")
    services.take_changed()
    record_split(symbol="AAPL", factor=SEVEN, at=AT)
    assert services.take_changed() == [portfolio.pk]


def test_a_reverse_split_cuts_fractions_and_what_is_nothing_is_gone() -> None:
    some, dust = holder("10"), holder("0.0001")
    traded(dust, Order(Side.SELL, "AAPL", D("0.00009993"), D(100)))
    record_split(symbol="AAPL", factor=Fraction(1, 8), at=AT)
    assert held(some) == [("AAPL", D("1.25"), D("1000.00"))]
    assert held(dust) == []
    assert discrepancies() == []
    # What is bought and sold later follows from there.
    traded(some, Order(Side.BUY, "AAPL", D(1), D(800)), Order(Side.SELL, "AAPL", D(2), D(800)))
    assert held(some) == [("AAPL", D("0.25"), D("200.00"))]
    assert discrepancies() == []


def test_the_same_split_is_recorded_once_a_day_and_another_is_refused() -> None:
    portfolio = holder("3")
    assert isinstance(record_split(symbol="AAPL", factor=SEVEN, at=AT), Split)
    assert record_split(symbol="AAPL", factor=SEVEN, at=AT + timedelta(hours=3)) is None
    with pytest.raises(ValidationError, match="AAPL 7-for-1 on 2026-03-02 is recorded already"):
        record_split(symbol="AAPL", factor=Fraction(2), at=AT)
    assert held(portfolio) == [("AAPL", D(21), D("300.00"))]
    assert isinstance(record_split(symbol="AAPL", factor=Fraction(2), at=AT + DAY), Split)
    assert held(portfolio) == [("AAPL", D(42), D("300.00"))]


def test_what_cannot_be_split_leaves_nothing_behind() -> None:
    ordinary, huge = holder("3"), holder("1")
    services.deposit(portfolio=huge, amount=D("900000000000000000"), at=AT - DAY)
    traded(huge, Order(Side.BUY, "AAPL", D("50000000000000000000"), D("0.01")))
    refused = record_split(symbol="AAPL", factor=SEVEN, at=AT)
    assert isinstance(refused, Refusal)
    assert refused.code == "too_large"
    assert held(ordinary) == [("AAPL", D(3), D("300.00"))]
    assert not Split.objects.exists()
    for symbol, factor, error in (
        ("NONE", SEVEN, ValidationError),
        ("AAPL", Fraction(1), ValueError),
        ("AAPL", 7, TypeError),
    ):
        with pytest.raises(error):
            record_split(symbol=symbol, factor=factor, at=AT)  # type: ignore[arg-type]
    assert discrepancies() == []


def test_a_split_nobody_is_concerned_by_is_recorded() -> None:
    InstrumentFactory.create(symbol="AAPL")
    assert isinstance(record_split(symbol="AAPL", factor=SEVEN, at=AT), Split)
    assert not Transaction.objects.exists()


def test_the_statements_do_not_grow_with_the_holders() -> None:
    def statements(holders: int, at: datetime) -> int:
        for _ in range(holders):
            holder("1")
        with CaptureQueriesContext(connection) as queries:
            record_split(symbol="AAPL", factor=SEVEN, at=at)
        return len(queries)

    assert statements(1, AT) == statements(5, AT + DAY)


@pytest.mark.django_db(transaction=True)
def test_a_split_beside_sales_and_beside_itself_loses_no_share() -> None:
    portfolio = holder("10")

    def sell() -> object:
        return services.trade(
            portfolio=portfolio, side=Side.SELL, symbol="AAPL", quantity=D(5), price=D(1), at=AT
        )

    def split() -> object:
        return record_split(symbol="AAPL", factor=SEVEN, at=AT)

    at_once(split, sell, split, sell)
    # The order of the sales and the split decides what is left of 10: each is possible.
    left = {holding.quantity for holding in holdings_of(portfolio=portfolio)}
    assert left in ({D(60)}, {D(30)}, set())
    assert Transaction.objects.filter(kind="split").count() <= 1
    assert Split.objects.count() == 1
    assert discrepancies() == []


def test_a_split_that_was_tampered_with_is_found() -> None:
    portfolio = holder("3")
    record_split(symbol="AAPL", factor=SEVEN, at=AT)
    with transaction.atomic():
        tamper("UPDATE portfolios_split SET new_shares = 6")
        assert found() == [("quantity of AAPL after the split of transaction 3", D(21), D(18))]
        transaction.set_rollback(True)
    with transaction.atomic():
        tamper("DELETE FROM portfolios_split")
        assert found() == [("quantity of AAPL after the split of transaction 3", D(21), D(3))]
        transaction.set_rollback(True)
    tamper("UPDATE portfolios_transaction SET cost_basis_after = 1 WHERE sequence = 3", ledger=True)
    assert found() == [
        ("cost basis of AAPL after transaction 3", D(1), D(300)),
        ("cost basis of AAPL", D(300), D(1)),
    ]
    assert held(portfolio) == [("AAPL", D(21), D(300))]


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("split_factor_splits", {"new_shares": 1}),
        ("split_factor_splits", {"new_shares": 0}),
        ("split_factor_splits", {"old_shares": 0}),
        ("split_once_a_day", {}),
    ],
)
def test_a_split_that_is_none_is_refused(constraint: str, changes: dict[str, int]) -> None:
    InstrumentFactory.create(symbol="AAPL")
    fields = {"instrument_id": "AAPL", "on": AT.date(), "new_shares": 7, "old_shares": 1}
    if not changes:
        Split.objects.create(**fields)
    with pytest.raises(IntegrityError, match=constraint):
        Split.objects.create(**(fields | changes))
