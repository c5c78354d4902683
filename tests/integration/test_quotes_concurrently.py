"""Two writers of one symbol's quote take turns, and the second sees what the first has stored."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from pytest_django import Settings

from market.models import FeedIncident, Quote
from market.quotes import Sample
from market.services import accept_quotes, follow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(seconds=60)


def accept(price: str, as_of: datetime, now: datetime) -> None:
    with transaction.atomic():
        accept_quotes(samples=[Sample("AAPL", Decimal(price), as_of)], now=now, max_age=MINUTE)


@pytest.mark.parametrize(
    ("price", "seconds", "stored", "held"),
    [
        ("101", 1, "130", False),  # older than what the first writer stored meanwhile
        ("135", 3, "135", False),  # near the first writer's price, far from the one before
        ("99", 3, "130", True),  # near the price before, far from the first writer's
    ],
)
def test_the_second_writer_compares_with_what_the_first_one_stored(
    settings: Settings, now: datetime, price: str, seconds: int, stored: str, held: bool
) -> None:
    settings.MARKET_PROVIDER = "twelvedata"
    follow(symbols=["AAPL"])
    accept("100", now, now)
    accept("130", now + SECOND / 2, now)  # put aside, to be confirmed
    begun = threading.Event()

    def second() -> None:
        try:
            begun.set()
            accept(price, now + seconds * SECOND, now + 3 * SECOND)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            accept("130", now + 2 * SECOND, now + 3 * SECOND)
            waiting = other.submit(second)
            begun.wait()
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        waiting.result(timeout=60)
    assert Quote.objects.get().price == Decimal(stored)
    assert FeedIncident.objects.filter(settled_at__isnull=True).exists() == held


def test_outside_a_transaction_nothing_is_accepted_and_it_is_said_why(now: datetime) -> None:
    follow(symbols=["AAPL"])
    sample = Sample("AAPL", Decimal(150), now)
    with pytest.raises(TransactionManagementError, match="accepted in a transaction"):
        accept_quotes(samples=[sample], now=now, max_age=MINUTE)
    assert Quote.objects.get().price is None
