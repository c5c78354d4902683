"""Moving money and trading by hand, on the pages: done once, refused in words."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from market.hours import Exchange
from market.models import Quote
from portfolios.models import Portfolio, Transaction
from portfolios.once import KeyReused, done_once
from portfolios.services import deposit, make_primary, open_portfolio, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_overview_pages import signed_in, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def ada(feed: Feed, now: datetime) -> User:
    user = UserFactory.create(username="ada")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(1_000), at=now)
    feed.says("AAPL", "110", now)
    return user


@pytest.fixture
def client(ada: User) -> Client:
    return signed_in(ada)


def post(client: Client, page: str, portfolio: Portfolio, /, **fields: Any) -> str:
    """What the page says that follows."""
    path = reverse(page, args=[portfolio.pk])
    return text(client.post(path, {"key": str(uuid4()), **fields}, follow=True))


def lines(portfolio: Portfolio) -> list[tuple[str, Decimal]]:
    found = Transaction.objects.filter(portfolio=portfolio).order_by("sequence")
    return list(found.values_list("kind", "amount"))


@pytest.fixture
def main(ada: User) -> Portfolio:
    return primary_portfolio(user=ada)


def test_money_is_paid_in_and_out_with_its_note(client: Client, main: Portfolio) -> None:
    assert "Deposited $1,250.50." in post(client, "deposit", main, amount="$1,250.50", note="Pay")
    assert "Withdrew $250.50." in post(client, "withdraw", main, amount="250.5")
    assert lines(main)[1:] == [("deposit", Decimal("1250.50")), ("withdrawal", Decimal("-250.50"))]


def test_a_form_that_is_sent_twice_is_carried_out_once(client: Client, main: Portfolio) -> None:
    key = uuid4()
    assert "Deposited $5.00." in post(client, "deposit", main, key=key, amount="5")
    assert "was not done again: Deposited $5.00." in post(
        client, "deposit", main, key=key, amount="5"
    )
    assert len(lines(main)) == 2


def test_a_form_that_comes_back_with_something_else_in_it_is_asked_for_again(
    client: Client, main: Portfolio
) -> None:
    key = uuid4()
    post(client, "deposit", main, key=key, amount="5")
    path = reverse("deposit", args=[main.pk])
    answer = client.post(path, {"key": key, "amount": "6"})
    assert "nothing was done now" in text(answer)
    renewed = answer.context["form"].data["key"]
    assert UUID(renewed) != key
    assert "Deposited $6.00." in post(client, "deposit", main, key=renewed, amount="6")
    assert len(lines(main)) == 3


@pytest.mark.parametrize("amount", ["", "0", "-5", "1_000", "NaN", "five", "0.001", "9" * 20, "٥"])
def test_an_amount_that_is_none_is_refused_at_its_field(
    client: Client, main: Portfolio, amount: str
) -> None:
    for name in ("deposit", "withdraw"):
        assert 'aria-invalid="true"' in post(client, name, main, amount=amount)
    assert len(lines(main)) == 1


def test_what_is_not_there_is_not_withdrawn(client: Client, main: Portfolio) -> None:
    assert "needs $1,000.01" in post(client, "withdraw", main, amount="1000.01")
    assert len(lines(main)) == 1


def test_a_forged_key_does_nothing(client: Client, main: Portfolio) -> None:
    for key in ("", "x", "\0"):
        post(client, "deposit", main, key=key, amount="5")
    assert len(lines(main)) == 1


def test_shares_are_bought_for_an_amount_and_sold_by_number(
    client: Client, main: Portfolio
) -> None:
    words = post(client, "trade", main, side="BUY", symbol="aapl", amount="220")
    assert "Bought 2 AAPL at $110.00 for $220.00. Cash then: $780.00." in words
    words = post(client, "trade", main, side="SELL", symbol="AAPL", quantity="1.5")
    assert "Sold 1.5 AAPL at $110.00 for $165.00." in words


def test_a_trade_that_is_sent_twice_is_made_once(client: Client, main: Portfolio) -> None:
    key = uuid4()
    for _ in range(2):
        words = post(client, "trade", main, key=key, side="BUY", symbol="AAPL", quantity="1")
    assert "was not done again" in words
    assert len(lines(main)) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"side": "BUY", "symbol": "AAPL", "quantity": "10"}, "$1,100.00"),
        ({"side": "SELL", "symbol": "AAPL", "quantity": "1"}, "holds 0"),
        ({"side": "BUY", "symbol": "APPL", "quantity": "1"}, "Did you mean AAPL"),
        ({"side": "BUY", "symbol": "MSFT", "quantity": "1"}, "There is no quote for MSFT"),
        ({"side": "BUY", "symbol": "AAPL"}, "either shares or dollars"),
        ({"side": "BUY", "symbol": "AAPL", "quantity": "1", "amount": "1"}, "not both"),
        ({"side": "HOLD", "symbol": "AAPL", "quantity": "1"}, "HOLD is not one of"),
        ({"side": "BUY", "symbol": "AAPL\0", "quantity": "1"}, "Null characters"),
    ],
)
def test_a_trade_that_cannot_be_made_is_refused_in_words(
    client: Client, main: Portfolio, fields: dict[str, str], words: str
) -> None:
    assert words in post(client, "trade", main, **fields)
    assert len(lines(main)) == 1


def test_nothing_is_traded_on_an_old_price_or_while_the_market_is_closed(
    client: Client, main: Portfolio, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"side": "BUY", "symbol": "AAPL", "quantity": "1"}
    feed.says("AAPL", "110", now - timedelta(hours=1))
    assert "too old to trade on. Nothing was traded." in post(client, "trade", main, **order)
    feed.calendar = Exchange()
    sunday = datetime.fromisoformat("2026-11-22T15:00:00+00:00")
    Quote.objects.update(as_of=sunday)
    monkeypatch.setattr("actions.overview.trade.timezone.now", lambda: sunday)
    assert "The market is closed. Nothing was traded." in post(client, "trade", main, **order)
    assert len(lines(main)) == 1


def test_limits_are_set_and_taken_away(client: Client, main: Portfolio) -> None:
    post(client, "limits", main, order_least="10", order_most="500", day_executions="3")
    main.refresh_from_db()
    assert [main.order_least, main.order_most, main.day_executions] == [10, 500, 3]
    words = post(client, "trade", main, side="BUY", symbol="AAPL", amount="5")
    assert "below the minimum order of $10.00" in words
    assert "nothing could trade" in post(client, "limits", main, order_least="9", order_most="8")
    post(client, "limits", main)
    main.refresh_from_db()
    assert main.order_least is None


def test_a_portfolio_is_opened_named_and_made_the_primary_one(
    client: Client, ada: User, main: Portfolio
) -> None:
    path = reverse("open-portfolio")
    assert "already have" in text(client.post(path, {"name": main.name}))
    assert "Opened Play." in text(client.post(path, {"name": " Play "}, follow=True))
    play = Portfolio.objects.get(name="Play")
    assert "is now called Toys" in post(client, "rename-portfolio", play, name="Toys")
    assert "already have" in post(client, "rename-portfolio", play, name=main.name)
    assert "is your primary portfolio" in post(client, "make-primary", play)
    assert list(Portfolio.objects.filter(user=ada, is_primary=True)) == [play]


def test_a_user_has_one_primary_portfolio_and_others_keep_theirs(ada: User) -> None:
    bobs = primary_portfolio(user=UserFactory.create())
    second = open_portfolio(user=ada, name="Second")
    for _ in range(2):
        make_primary(portfolio=second)
    assert primary_portfolio(user=ada) == second
    bobs.refresh_from_db()
    assert bobs.is_primary


def test_everything_is_paused_in_every_portfolio(client: Client, ada: User) -> None:
    open_portfolio(user=ada, name="Second")
    path = reverse("pause-everything")
    client.post(path, {"paused": "on"})
    assert Portfolio.objects.filter(paused_by_owner=True).count() == 2
    assert client.post(path, {"next": "//evil.example"})["Location"] == reverse("actions")
    assert not Portfolio.objects.filter(paused_by_owner=True).exists()


def test_one_portfolio_is_paused_alone(client: Client, ada: User, main: Portfolio) -> None:
    open_portfolio(user=ada, name="Second")
    assert "The rules of Main are paused." in post(client, "pause-portfolio", main, paused="on")
    assert Portfolio.objects.get(paused_by_owner=True) == main
    assert "go on" in post(client, "pause-portfolio", main)


def test_a_wish_is_carried_out_once_by_its_key(main: Portfolio, now: datetime) -> None:
    key = uuid4()

    def five() -> Any:
        return deposit(portfolio=main, amount=Decimal(5), at=now)

    first = done_once(portfolio=main, key=key, wanted="five", do=five)
    again = done_once(portfolio=main, key=key, wanted="five", do=five)
    assert (first.line.pk, first.before) == (again.line.pk, False)  # type: ignore[union-attr]
    assert again.before  # type: ignore[union-attr]
    with pytest.raises(KeyReused):
        done_once(portfolio=main, key=key, wanted="six", do=five)
    assert len(lines(main)) == 2


@pytest.mark.parametrize(
    ("page", "field"),
    [("deposit", "amount"), ("withdraw", "amount"), ("trade", "quantity"), ("trade", "amount")],
)
@pytest.mark.parametrize("typed", ["1,5", "1,50", "1.234,50", "1 000", "1.5 USD"])
def test_a_number_that_may_mean_two_things_moves_nothing(
    client: Client, main: Portfolio, page: str, field: str, typed: str
) -> None:
    before = lines(main)
    said = post(client, page, main, side="BUY", symbol="AAPL", **{field: typed})
    assert "Use a plain number, such as 150 or 0.5." in said
    assert lines(main) == before


def test_a_number_that_is_too_small_or_too_fine_is_refused_in_plain_words(
    client: Client, main: Portfolio
) -> None:
    assert "Use 0.01 or more." in post(client, "deposit", main, amount="0")
    assert "Use at most 2 decimals." in post(client, "deposit", main, amount="1.234")
    said = post(client, "trade", main, side="BUY", symbol="AAPL", quantity="0")
    assert "Use 0.00000001 or more." in said
    for typed in ("$5", "5 %"):  # 5 shares are neither
        said = post(client, "trade", main, side="BUY", symbol="AAPL", quantity=typed)
        assert "Use a plain number" in said
