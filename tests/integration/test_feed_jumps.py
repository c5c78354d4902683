"""A live price that jumps, or is of another time, is held, refused or shown with its age."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from actions.engine import run_tick
from actions.models import Action
from market.models import FeedIncident
from tests.feed_server import (
    FeedServer,
    quote,
    quotes,
)
from tests.integration.test_feed_faults import MINUTE, TEN, executed, good, prices, rules

__all__ = ["rules"]  # a fixture

pytestmark = pytest.mark.django_db


def test_a_price_that_jumps_is_held_fires_nothing_and_fires_once_it_is_confirmed(
    live: FeedServer, rules: list[Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    live.says(good(now + TEN, aapl="150.00"))
    assert run_tick(now=now + TEN).fired == 0
    assert prices()["AAPL"] == 230
    held = FeedIncident.objects.get()
    assert (held.kind, held.verdict, held.price) == ("jump", "held", Decimal(150))
    assert held.reason.startswith("150 is 34.8 % away from 230")

    same = run_tick(now=now + 2 * TEN)  # the same reading again confirms nothing
    assert (same.fired, prices()["AAPL"]) == (0, Decimal(230))

    live.says(good(now + 3 * TEN, aapl="151.00"))
    assert run_tick(now=now + 3 * TEN).fired == 1
    assert prices()["AAPL"] == 151
    held.refresh_from_db()
    assert (held.outcome, held.settled_at) == ("confirmed", now + 3 * TEN)


def test_a_jump_that_is_not_confirmed_is_forgotten_and_never_fired(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    for n, price in enumerate(["2.30", "230.10", "2300.00", "15.00", "229.90"], start=1):
        live.says(good(now + n * TEN, aapl=price))
        assert run_tick(now=now + n * TEN).fired == 0
    assert prices()["AAPL"] == Decimal("229.9")
    assert list(FeedIncident.objects.order_by("first_at").values_list("times", "outcome")) == [
        (1, "ended"),
        (2, "ended"),
    ]


@pytest.mark.parametrize(
    ("price", "fires"), [("184.00", True), ("183.999999", False), ("276.00", False)]
)
def test_a_price_exactly_at_the_limit_is_no_jump(
    live: FeedServer, rules: list[Action], now: datetime, price: str, fires: bool
) -> None:
    live.says(good(now + TEN, aapl=price))
    assert run_tick(now=now + TEN).fired == fires
    assert FeedIncident.objects.exists() == (price == "183.999999")


def test_a_quote_from_the_future_is_refused(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    live.says(
        quotes(
            {
                "AAPL": quote("AAPL", now + MINUTE, "200"),
                "MSFT": quote("MSFT", now + TEN, "405"),
            }
        )
    )
    assert run_tick(now=now + TEN).fired == 1
    assert executed() == {"MSFT"}
    assert FeedIncident.objects.get().kind == "from the future"


def test_a_quote_that_is_old_is_shown_with_its_age_and_fires_nothing(
    live: FeedServer, rules: list[Action], now: datetime
) -> None:
    at = now + timedelta(minutes=10)
    live.says(
        quotes(
            {
                "AAPL": quote("AAPL", now + timedelta(minutes=5), "200"),
                "MSFT": quote("MSFT", at, "405"),
            }
        )
    )
    assert run_tick(now=at).fired == 1
    assert executed() == {"MSFT"}
    assert prices()["AAPL"] == 200
