"""Rules that compare with minutes or hours ago, or with what shares cost, through the engine."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from actions import engine
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from actions.settle import settle
from market.history import prune_history, recent_samples
from market.models import PastQuote, Quote
from portfolios.ledger import Side
from portfolios.services import deposit, primary_portfolio, take_changed, trade
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


def notify(owner: User, now: datetime, trigger_type: str, **params: str) -> Action:
    draft = Draft(
        action_type="NOTIFY", symbol="AAPL", trigger_type=trigger_type, trigger_params=params
    )
    return create_action(user=owner, draft=draft, now=now)


def test_a_fall_within_half_an_hour_fires_and_a_slow_one_does_not(
    owner: User, feed: Feed, now: datetime
) -> None:
    notify(owner, now, "change_pct", change="3", direction="down", window="30m")
    price = Decimal(100)
    for minute in range(90):  # 0.05 a minute: 1.5 % in half an hour
        price -= Decimal("0.05")
        feed.says("AAPL", price, now + minute * MINUTE)
        assert run_tick(now=now + minute * MINUTE).fired == 0, minute
    # 3 % below the price of half an hour ago, to the cent.
    ago = recent_samples(symbols=["AAPL"], since=now + 60 * MINUTE)["AAPL"][0]
    assert ago.as_of == now + 60 * MINUTE
    for price, fired in ((ago.price * 97 / 100 + Decimal("0.01"), 0), (ago.price * 97 / 100, 1)):
        feed.says("AAPL", price, now + 90 * MINUTE + fired * timedelta(seconds=10))
        at = now + 90 * MINUTE + fired * timedelta(seconds=10)
        assert run_tick(now=at).fired == fired


def test_prices_are_kept_only_where_somebody_looks_back_and_no_longer(
    owner: User, feed: Feed, now: datetime
) -> None:
    notify(owner, now, "price_below", threshold="1")
    feed.says("AAPL", "100", now)
    run_tick(now=now)
    assert not PastQuote.objects.exists()
    notify(owner, now, "change_pct", change="3", window="2m")
    notify(owner, now, "change_pct", change="3", window="10m")
    assert Quote.objects.get().keep_seconds == 600
    for minute in range(1, 31):
        feed.says("AAPL", str(100 + minute % 2), now + minute * MINUTE)
        run_tick(now=now + minute * MINUTE)
    assert PastQuote.objects.count() == 31
    assert prune_history(now=now + 30 * MINUTE) == 20
    oldest = PastQuote.objects.order_by("as_of").values_list("as_of", flat=True)[0]
    assert oldest == now + 20 * MINUTE, "the one at which the longest span begins is still there"


def test_a_rule_on_the_average_cost_is_looked_at_again_when_the_cost_changes(
    owner: User, feed: Feed, now: datetime
) -> None:
    portfolio = primary_portfolio(user=owner)

    def buy(price: str, at: datetime) -> None:
        trade(
            portfolio=portfolio,
            side=Side.BUY,
            symbol="AAPL",
            quantity=Decimal(10),
            price=Decimal(price),
            at=at,
        )

    notify(owner, now, "from_cost", percent="10", direction="down")
    buy("100", now)
    feed.says("AAPL", "91", now)
    assert run_tick(now=now).fired == 0  # 9 % below 100
    feed.says("AAPL", "91", now + MINUTE)
    assert run_tick(now=now + MINUTE).woken == 0, "it sleeps"
    buy("104", now + MINUTE)  # the average is 102 now, and 91 is 10.8 % below
    report = run_tick(now=now + MINUTE)
    assert (report.woken, report.fired) == (1, 1)
    assert ActionExecution.objects.get().details["quotes"]["AAPL"]["price"] == "91.000000"


def test_a_cost_that_changes_while_the_rule_is_looked_at_is_not_missed(
    owner: User, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio = primary_portfolio(user=owner)
    buy = partial(
        trade, portfolio=portfolio, side=Side.BUY, symbol="AAPL", quantity=Decimal(10), at=now
    )
    notify(owner, now, "from_cost", percent="10", direction="down")
    buy(price=Decimal(100))

    def late(**look: Any) -> None:
        """It was seen at $100; before that is written down, it costs more, and a tick sees it."""
        monkeypatch.setattr(engine, "settle", settle)
        buy(price=Decimal(104))
        engine.take_in([], now + 2 * SECOND)
        settle(**look)

    feed.says("AAPL", "95", now)
    assert run_tick(now=now).fired == 0
    deposit(portfolio=portfolio, amount=Decimal(1), at=now)  # has it looked at once more
    monkeypatch.setattr(engine, "settle", late)
    feed.says("AAPL", "91", now + SECOND)
    assert run_tick(now=now + SECOND).fired == 0
    assert run_tick(now=now + 3 * SECOND).fired == 1
    assert take_changed() == []


def test_a_change_of_a_portfolio_is_told_once(owner: User, now: datetime) -> None:
    portfolio = primary_portfolio(user=owner)
    assert take_changed() == [portfolio.pk]
    assert take_changed() == []
    deposit(portfolio=portfolio, amount=Decimal(1), at=now)
    deposit(portfolio=portfolio, amount=Decimal(1), at=now)
    assert take_changed() == [portfolio.pk]
