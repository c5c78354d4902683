from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portfolios import services
from portfolios.ledger import Side
from portfolios.models import Portfolio
from tests.factories import InstrumentFactory, PortfolioFactory, UserFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
KINDS = ("portfolio", "holding", "transaction")


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(UserFactory.create(username="support", is_staff=True, is_superuser=True))
    return client


def held_by(username: str, symbol: str) -> Portfolio:
    portfolio: Portfolio = PortfolioFactory.create(
        user=UserFactory.create(username=username), deposit=100
    )
    services.trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol=InstrumentFactory.create(symbol=symbol).symbol,
        quantity=Decimal(1),
        price=Decimal(5),
        at=AT,
    )
    return portfolio


def listed(support: Client, kind: str, search: str) -> set[str]:
    """Whose rows a search finds."""
    page = support.get(reverse(f"admin:portfolios_{kind}_changelist"), {"q": search})
    assert page.status_code == 200
    rows = page.context["cl"].result_list
    return {(row if isinstance(row, Portfolio) else row.portfolio).user.username for row in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_found_by_person_symbol_and_id(support: Client, kind: str) -> None:
    ada = held_by("ada", "AAPL")
    held_by("bob", "MSFT")
    assert listed(support, kind, "") == {"ada", "bob"}
    for search in ("ada", "ada@example.com", "AAPL", "aapl", str(ada.id), str(ada.user.id)):
        assert listed(support, kind, search) == {"ada"}, search
    assert listed(support, kind, "nobody") == set()


def test_a_transaction_is_found_by_its_id(support: Client) -> None:
    held_by("bob", "MSFT")
    line = held_by("ada", "AAPL").transactions.first()
    assert line is not None
    assert listed(support, "transaction", f" {line.id} ") == {"ada"}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_can_be_added_changed_or_deleted(support: Client, kind: str) -> None:
    portfolio = held_by("ada", "AAPL")
    keys = {
        "portfolio": portfolio.pk,
        "holding": portfolio.holdings.get().pk,
        "transaction": portfolio.transactions.latest("sequence").pk,
    }
    change = reverse(f"admin:portfolios_{kind}_change", args=[keys[kind]])
    assert support.get(change).status_code == 200
    assert support.post(change, {"cash": "1000000"}).status_code == 403
    delete = reverse(f"admin:portfolios_{kind}_delete", args=[keys[kind]])
    assert support.post(delete, {"post": "yes"}).status_code == 403
    assert support.get(reverse(f"admin:portfolios_{kind}_add")).status_code == 403


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_takes_the_same_statements_however_long(support: Client, kind: str) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            listed(support, kind, "")
        return len(captured)

    held_by("user-0", "AAPL")
    statements()  # content types are looked up once
    few = statements()
    for number in range(1, 8):
        held_by(f"user-{number}", f"SYM{number}")
    assert statements() == few
