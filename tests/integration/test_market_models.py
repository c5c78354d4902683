"""What the market's tables refuse, how they are laid out, and how the admin shows them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from market.models import DailyBar, Instrument, Quote, ReplayRun
from tests.conftest import list_instruments

pytestmark = pytest.mark.django_db

AT = datetime(2008, 10, 10, 20, tzinfo=UTC)
BAR: dict[str, Any] = {
    "instrument_id": "AAPL",
    "session": date(2008, 10, 10),
    "at": AT,
    "open": Decimal(86),
    "high": Decimal(100),
    "low": Decimal(85),
    "close": Decimal(97),
    "volume": 79,
}


@pytest.mark.parametrize("symbol", ["", "aapl", ".A", "A B", "A" * 16 + "\n", "AAPL\n", "Ä"])
def test_a_symbol_that_is_not_well_formed_is_no_instrument(symbol: str) -> None:
    with pytest.raises(DatabaseError, match=r"instrument_symbol_well_formed|too long"):
        Instrument.objects.create(symbol=symbol)


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "BTC/USD", "RDS-A", "0700.HK", "A" * 16])
def test_a_well_formed_symbol_is_its_instruments_identity(symbol: str) -> None:
    Instrument.objects.create(symbol=symbol)
    instrument = Instrument.objects.get(pk=symbol)
    assert str(instrument) == symbol
    assert (instrument.exchange, instrument.currency, instrument.is_active) == ("XNYS", "USD", True)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"price": Decimal(0), "as_of": AT}, "quote_price_positive"),
        ({"price": Decimal(-1), "as_of": AT}, "quote_price_positive"),
        ({"price": Decimal(1)}, "quote_price_with_its_instant"),
        ({"as_of": AT}, "quote_price_with_its_instant"),
        ({"volume": -1}, "quote_volume_not_negative"),
    ],
)
def test_a_quote_that_cannot_be_is_refused(fields: dict[str, Any], constraint: str) -> None:
    list_instruments(["AAPL"])
    with pytest.raises(IntegrityError, match=constraint):
        Quote.objects.create(instrument_id="AAPL", **fields)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"low": Decimal(0)}, "dailybar_prices_in_range"),
        ({"open": Decimal(84)}, "dailybar_prices_in_range"),
        ({"close": Decimal(101)}, "dailybar_prices_in_range"),
        ({"high": Decimal(84)}, "dailybar_prices_in_range"),
        ({"volume": -1}, "dailybar_volume_not_negative"),
    ],
)
def test_a_session_that_cannot_be_is_refused(fields: dict[str, Any], constraint: str) -> None:
    list_instruments(["AAPL"])
    with pytest.raises(IntegrityError, match=constraint):
        DailyBar.objects.create(**BAR | fields)


def test_a_session_is_recorded_once() -> None:
    list_instruments(["AAPL"])
    DailyBar.objects.create(**BAR)
    with pytest.raises(IntegrityError, match="dailybar_unique"):
        DailyBar.objects.create(**BAR)


@pytest.mark.parametrize("seconds", [Decimal(0), Decimal(-1)])
def test_a_replay_needs_time(seconds: Decimal) -> None:
    with pytest.raises(IntegrityError, match="replayrun_session_seconds_positive"):
        ReplayRun.objects.create(
            started_at=AT, first_session=date(2008, 10, 10), session_seconds=seconds
        )


def test_a_ticks_updates_touch_no_index() -> None:
    """The layout that heap-only updates need: room in each page, and the symbol alone indexed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'market_quote'")
        assert cursor.fetchone() == (["fillfactor=50"],)
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'market_quote'")
        columns = {definition.split("btree ")[1] for (definition,) in cursor.fetchall()}
    assert columns == {"(symbol)", "(symbol varchar_pattern_ops)"}


# --- The admin ---


@pytest.fixture
def support(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def rows() -> None:
    list_instruments(["AAPL"])
    Quote.objects.create(instrument_id="AAPL", price=Decimal(97), as_of=AT)
    DailyBar.objects.create(**BAR)
    ReplayRun.objects.create(
        started_at=AT, first_session=date(2008, 10, 10), session_seconds=Decimal(2)
    )


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("model", [Instrument, Quote, DailyBar, ReplayRun])
def test_the_admin_lists_finds_and_shows_each_row(support: Client, model: Any) -> None:
    name = f"admin:market_{model._meta.model_name}"
    assert support.get(reverse(f"{name}_changelist"), {"q": "2008"}).status_code == 200
    listed = support.get(reverse(f"{name}_changelist"))
    assert listed.context["cl"].result_count == 1
    pk = model.objects.get().pk
    assert support.get(reverse(f"{name}_change", args=[pk])).status_code == 200


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("model", [Quote, DailyBar, ReplayRun])
def test_what_the_machine_writes_cannot_be_changed_in_the_admin(
    support: Client, model: Any
) -> None:
    name, pk = f"admin:market_{model._meta.model_name}", model.objects.get().pk
    assert support.get(reverse(f"{name}_add")).status_code == 403
    assert support.post(reverse(f"{name}_change", args=[pk]), {}).status_code == 403
    assert support.post(reverse(f"{name}_delete", args=[pk]), {}).status_code == 403


@pytest.mark.usefixtures("rows")
def test_an_instrument_keeps_its_symbol_in_the_admin(support: Client) -> None:
    change = reverse("admin:market_instrument_change", args=["AAPL"])
    fields = {"symbol": "MSFT", "name": "Apple", "exchange": "XNYS", "currency": "USD"}
    assert support.post(change, fields).status_code == 302
    assert list(Instrument.objects.values_list("symbol", "name", "is_active")) == [
        ("AAPL", "Apple", False)
    ]


def test_the_admin_refuses_a_symbol_that_is_not_well_formed(support: Client) -> None:
    fields = {"symbol": "aapl", "name": "Apple", "exchange": "XNYS", "currency": "USD"}
    with transaction.atomic():
        answer = support.post(reverse("admin:market_instrument_add"), fields)
    assert b"Use 1 to 16 capitals, digits, dots, dashes or slashes." in answer.content
    assert not Instrument.objects.exists()
