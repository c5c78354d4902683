"""What the database itself refuses, whoever asks."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from portfolios import services
from portfolios.ledger import Side
from portfolios.models import Holding, Portfolio, Transaction
from tests.factories import InstrumentFactory, PortfolioFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
BUY = {
    "kind": "buy",
    "instrument_id": "AAPL",
    "quantity": Decimal(2),
    "price": Decimal("1.005"),
    "amount": Decimal("-2.01"),
    "quantity_after": Decimal(2),
    "cost_basis_after": Decimal("2.01"),
}
SELL = BUY | {"kind": "sell", "quantity": Decimal(-2), "amount": Decimal("2.01")}
SPLIT = BUY | {"kind": "split", "price": None, "amount": Decimal(0), "reference": uuid4()}


@pytest.fixture
def portfolio() -> Portfolio:
    InstrumentFactory.create(symbol="AAPL")
    return PortfolioFactory.create(deposit=100)


def line(portfolio: Portfolio, **values: Any) -> Transaction:
    defaults = {"sequence": 2, "cash_after": Decimal(0), "at": AT}
    return Transaction.objects.create(portfolio=portfolio, **(defaults | values))


@pytest.mark.parametrize("values", [BUY, SELL, SPLIT, {"kind": "deposit", "amount": Decimal(1)}])
def test_well_formed_lines_are_accepted(portfolio: Portfolio, values: dict[str, Any]) -> None:
    line(portfolio, **values)


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("transaction_sequence_unique", BUY | {"sequence": 1}),
        ("transaction_sequence_from_one", BUY | {"sequence": 0}),
        ("transaction_columns_follow_kind", BUY | {"kind": "gift"}),
        ("transaction_signs_follow_kind", {"kind": "deposit", "amount": Decimal(0)}),
        ("transaction_signs_follow_kind", {"kind": "deposit", "amount": Decimal(-1)}),
        ("transaction_signs_follow_kind", {"kind": "withdrawal", "amount": Decimal(1)}),
        ("transaction_signs_follow_kind", BUY | {"kind": "sell"}),
        ("transaction_signs_follow_kind", SELL | {"kind": "buy"}),
        ("transaction_signs_follow_kind", SPLIT | {"amount": Decimal(1)}),
        *(
            ("transaction_columns_follow_kind", SPLIT | {column: None})
            for column in (
                "instrument_id",
                "quantity",
                "quantity_after",
                "cost_basis_after",
                "reference",
            )
        ),
        ("transaction_columns_follow_kind", SPLIT | {"price": Decimal("0.000001")}),
        (
            "transaction_columns_follow_kind",
            {"kind": "deposit", "amount": Decimal(1), "instrument_id": "AAPL"},
        ),
        (
            "transaction_columns_follow_kind",
            {"kind": "deposit", "amount": Decimal(1), "price": Decimal(1)},
        ),
        *(
            ("transaction_columns_follow_kind", BUY | {column: None})
            for column in (
                "instrument_id",
                "quantity",
                "price",
                "quantity_after",
                "cost_basis_after",
            )
        ),
        ("transaction_amount_is_quantity_times_price", BUY | {"amount": Decimal("-2.00")}),
        ("transaction_amount_is_quantity_times_price", SELL | {"amount": Decimal("2.00")}),
        ("transaction_nothing_negative", BUY | {"cash_after": Decimal("-0.01")}),
        ("transaction_nothing_negative", BUY | {"quantity_after": Decimal(-1)}),
        ("transaction_nothing_negative", BUY | {"cost_basis_after": Decimal(-1)}),
        (
            "transaction_nothing_negative",
            SELL | {"quantity": Decimal(-2), "price": Decimal(0), "amount": Decimal(0)},
        ),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(
    portfolio: Portfolio, constraint: str, values: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        line(portfolio, **values)


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("holding_quantity_positive", {"quantity": 0, "cost_basis": 0}),
        ("holding_quantity_positive", {"quantity": -1, "cost_basis": 0}),
        ("holding_cost_basis_not_negative", {"quantity": 1, "cost_basis": -1}),
    ],
)
def test_a_holding_of_nothing_is_refused(
    portfolio: Portfolio, constraint: str, values: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        Holding.objects.create(portfolio=portfolio, instrument_id="AAPL", **values)


def test_cash_is_never_negative(portfolio: Portfolio) -> None:
    with pytest.raises(IntegrityError, match="portfolio_cash_not_negative"):
        Portfolio.objects.filter(id=portfolio.id).update(cash=Decimal("-0.01"))


def test_a_user_has_one_primary_portfolio_and_no_name_twice(portfolio: Portfolio) -> None:
    with pytest.raises(IntegrityError, match="portfolio_one_primary"), transaction.atomic():
        PortfolioFactory.create(user=portfolio.user, name="Other")
    with pytest.raises(IntegrityError, match="portfolio_name_unique"), transaction.atomic():
        PortfolioFactory.create(user=portfolio.user, is_primary=False)
    with pytest.raises(IntegrityError, match="portfolio_name_given"), transaction.atomic():
        PortfolioFactory.create(user=portfolio.user, is_primary=False, name="")
    PortfolioFactory.create(user=portfolio.user, is_primary=False, name="Other")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE portfolios_transaction SET note = 'nicer'",
        "UPDATE portfolios_transaction SET id = gen_random_uuid()",
        "DELETE FROM portfolios_transaction",
    ],
)
def test_the_ledger_is_append_only(portfolio: Portfolio, statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match=r"append-only: (update|delete) of transaction"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert portfolio.transactions.get().note == ""


def test_the_ledger_can_be_emptied_as_a_whole_between_tests(portfolio: Portfolio) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE portfolios_transaction CASCADE")
    assert not Transaction.objects.exists()


def test_whoever_has_a_ledger_cannot_be_deleted(portfolio: Portfolio) -> None:
    services.trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(1),
        price=Decimal(1),
        at=AT,
    )
    for kept in (portfolio, portfolio.user, holding_of(portfolio).instrument):
        with pytest.raises(ProtectedError):
            kept.delete()


def holding_of(portfolio: Portfolio) -> Holding:
    return portfolio.holdings.get()


def test_a_line_is_entered_into_no_index_that_nobody_asks() -> None:
    """Django would make a second one of a symbol, for LIKE."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes"
            " WHERE tablename IN ('portfolios_transaction', 'portfolios_holding')"
        )
        assert sorted(name for (name,) in cursor.fetchall()) == [
            "holding_symbol",
            "holding_unique",
            "portfolios_holding_pkey",
            "portfolios_transaction_pkey",
            "transaction_at",
            "transaction_reference",
            "transaction_sequence_unique",
            "transaction_symbol",
        ]
