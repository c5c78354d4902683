"""What portfolios were worth at each close: from the ledger and the bars, as far as is known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from market.hours import Exchange
from market.quotes import Bar
from portfolios.ledger import Side
from portfolios.models import Portfolio, Transaction
from portfolios.services import (
    deposit,
    open_portfolio,
    primary_portfolio,
    record_split,
    trade,
    withdraw,
)
from portfolios.valuation import Past, day_began, moves_until, past_values
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

CLOSES = [datetime(2026, 11, day, 21, 0, tzinfo=UTC) for day in (9, 10, 11, 12, 13)]
HOUR = timedelta(hours=1)


@pytest.fixture
def ada(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def main(ada: User) -> Portfolio:
    return primary_portfolio(user=ada)


def bars(symbol: str, *closes: str | None) -> list[Bar]:
    """A bar at each of CLOSES; None: it did not trade."""
    found = []
    for at, close in zip(CLOSES, closes, strict=True):
        if close:
            price = Decimal(close)
            found.append(Bar(symbol, at, price, price, price, price, 100))
    return found


def past(user: User, *series: Sequence[Bar]) -> Past:
    ids = list(Portfolio.objects.filter(user=user).values_list("id", flat=True))
    moves = moves_until(portfolio_ids=ids, closes=CLOSES)
    return past_values(moves=moves, bars={each[0].symbol: each for each in series})


def values(found: Past) -> list[Decimal]:
    return [value for _, value in found.values]


def order(portfolio: Portfolio, side: Side, symbol: str, n: int, price: int, at: datetime) -> None:
    done = trade(
        portfolio=portfolio,
        side=side,
        symbol=symbol,
        quantity=Decimal(n),
        price=Decimal(price),
        at=at,
    )
    assert isinstance(done, Transaction)


def test_each_close_counts_what_was_there_then_at_its_price(ada: User, main: Portfolio) -> None:
    deposit(portfolio=main, amount=Decimal(1000), at=CLOSES[1] - HOUR)
    order(main, Side.BUY, "AAPL", 5, 100, CLOSES[2] - HOUR)
    order(main, Side.SELL, "AAPL", 5, 130, CLOSES[3] + HOUR)
    withdraw(portfolio=main, amount=Decimal(100), at=CLOSES[4] + HOUR)
    found = past(ada, bars("AAPL", "90", "95", "110", "120", "125"))
    assert [at for at, _ in found.values] == CLOSES[1:], "from the first that was moved"
    assert values(found) == [1000, 1050, 1100, 1150]
    assert found.unknown == {}


def test_what_was_moved_before_the_first_close_is_there_from_the_first(
    ada: User, main: Portfolio
) -> None:
    deposit(portfolio=main, amount=Decimal(10), at=CLOSES[0] - timedelta(days=900))
    assert values(past(ada)) == [10] * 5


def test_all_portfolios_count_together(ada: User, main: Portfolio) -> None:
    other = open_portfolio(user=ada, name="Other")
    for portfolio in (main, other):
        deposit(portfolio=portfolio, amount=Decimal(100), at=CLOSES[0] - HOUR)
        order(portfolio, Side.BUY, "AAPL", 1, 50, CLOSES[0] - HOUR)
    assert values(past(ada, bars("AAPL", "60", "60", "60", "60", "70")))[-1] == 240


def test_a_close_at_which_no_price_is_known_is_left_out_and_counted(
    ada: User, main: Portfolio
) -> None:
    deposit(portfolio=main, amount=Decimal(1000), at=CLOSES[0] - HOUR)
    order(main, Side.BUY, "AAPL", 1, 100, CLOSES[1] - HOUR)
    found = past(ada, bars("AAPL", None, None, "110", None, "120"))
    assert [at for at, _ in found.values] == [CLOSES[0], *CLOSES[2:]]
    assert values(found) == [1000, 1010, 1010, 1020], "no trade: the close before"
    assert found.unknown == {"AAPL": 1}


def test_a_split_changes_no_value_where_bars_are_adjusted_for_it(
    ada: User, main: Portfolio
) -> None:
    deposit(portfolio=main, amount=Decimal(800), at=CLOSES[0] - HOUR)
    order(main, Side.BUY, "AAPL", 2, 400, CLOSES[0] - HOUR)
    record_split(symbol="AAPL", factor=Fraction(4), at=CLOSES[2] - HOUR)
    order(main, Side.SELL, "AAPL", 4, 100, CLOSES[3] - HOUR)
    found = past(ada, bars("AAPL", "100", "101", "102", "103", "104"))
    assert values(found) == [800, 808, 816, 812, 816]


def test_of_nobody_nothing_is_told(ada: User) -> None:
    assert past(ada).values == []


def test_it_takes_two_statements_however_much_was_moved(
    ada: User, main: Portfolio, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    deposit(portfolio=main, amount=Decimal(1000), at=CLOSES[0] - HOUR)
    for _ in range(20):
        order(main, Side.BUY, "AAPL", 1, 1, CLOSES[1] - HOUR)
    series = {"AAPL": bars("AAPL", "1", "1", "1", "1", "1")}
    with django_assert_num_queries(2):
        past_values(moves=moves_until(portfolio_ids=[main.pk], closes=CLOSES), bars=series)


def test_a_day_begins_with_the_close_before_its_session() -> None:
    market = Exchange()
    friday = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    monday = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert day_began(market, monday) == friday
    assert day_began(market, monday + timedelta(hours=10)) == friday, "until the next one opens"
    assert day_began(market, monday - HOUR) == friday - timedelta(days=1)
