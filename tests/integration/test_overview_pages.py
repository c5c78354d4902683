"""What the pages say of what somebody has, and how much it costs to say it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from market.models import Instrument, Look, Quote
from market.quotes import Bar
from market.services import follow
from portfolios.ledger import Side
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.services import deposit, open_portfolio, primary_portfolio, trade
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MOST_QUERIES = 12


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def ada(feed: Feed, now: datetime) -> User:
    """Holds 10 AAPL, bought at $100, of which the price is $110 now and was $105 at the close."""
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(5_000), at=now - timedelta(days=40))
    bought = trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(10),
        price=Decimal(100),
        at=now - timedelta(days=40),
    )
    assert isinstance(bought, Transaction)
    follow(symbols=["AAPL"])
    feed.says("AAPL", "110", now, previous_close=Decimal(105), volume=1_234_567)
    run_tick(now=now)
    return user


@pytest.fixture
def client(ada: User) -> Client:
    return signed_in(ada)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def rule(user: User, now: datetime, threshold: str = "100", **more: Any) -> Action:
    fields: dict[str, Any] = {
        "action_type": "SELL",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": threshold},
    }
    return create_action(user=user, draft=Draft(**fields | more), now=now)


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return len(seen)


# --- Dashboard ---


def test_who_signs_in_comes_to_the_dashboard(client: Client, ada: User) -> None:
    assert reverse("dashboard") == "/"
    answer = Client().get("/")
    assert answer["Location"].endswith("/sign-in?next=/")


def test_the_dashboard_says_what_there_is_and_how_it_changed(client: Client) -> None:
    page = text(client.get("/"))
    assert "$5,100.00" in page, "cash 4,000 and 10 shares at 110"
    assert "+$50.00 (+1.0 %)" in page, "10 shares rose by $5 since the close"
    assert "up today" in page
    assert "+$100.00 (+10.0 %)" in page, "gained since they were bought"


def test_the_nearest_rules_come_first_with_the_way_to_go(
    client: Client, ada: User, now: datetime
) -> None:
    rule(ada, now, "50")
    rule(ada, now, "109")
    rule(ada, now, trigger_type="trailing_stop", trigger_params={"percent": "5"})
    run_tick(now=now + timedelta(seconds=10))
    page = text(client.get("/"))
    places = [page.index(words) for words in ("0.9 % away", "5.0 % away", "54.5 % away")]
    assert places == sorted(places)


def test_a_dashboard_of_nothing_says_how_to_begin(feed: Feed) -> None:
    page = text(signed_in(UserFactory.create()).get("/"))
    assert "Nothing here yet." in page
    assert "Pay money in" in page


def test_money_paid_in_is_no_gain(client: Client, ada: User, now: datetime) -> None:
    deposit(portfolio=primary_portfolio(user=ada), amount=Decimal(900), at=now)
    page = text(client.get("/"))
    assert "$6,000.00" in page
    assert "+$50.00 (+0.8 %)" in page


# --- Portfolio ---


def test_a_holding_says_its_cost_its_value_its_weight_and_its_rules(
    client: Client, ada: User, now: datetime
) -> None:
    rule(ada, now)
    page = text(client.get(reverse("portfolio")))
    for words in ("$100.00", "$110.00", "$1,100.00", "21.6 %", "1 active"):
        assert words in page
    assert "AAPL 21.6 %, Cash 78.4 %" in page, "the picture says the same in words"


def test_a_holding_without_a_price_is_not_worth_nothing(client: Client, ada: User) -> None:
    Quote.objects.update(price=None, as_of=None)
    page = text(client.get(reverse("portfolio")))
    assert "The value is without AAPL" in page
    assert "not known" in page


def test_a_page_of_transactions_that_is_not_there_leads_to_the_first(
    client: Client, ada: User
) -> None:
    path = reverse("one-portfolio", args=[primary_portfolio(user=ada).pk])
    for number in ("99", "0", "-1", "x", "²"):
        answer = client.get(path, {"page": number}, follow=True)
        assert "This is the first." in text(answer)


def test_the_chosen_portfolio_is_in_the_address(client: Client, ada: User) -> None:
    other = open_portfolio(user=ada, name="Play <b>")
    page = text(client.get(reverse("one-portfolio", args=[other.pk])))
    assert "Play &lt;b&gt;" in page
    assert "This portfolio is empty." in page


# --- Stock ---


def test_a_stock_says_its_price_its_age_and_what_one_holds(client: Client, ada: User) -> None:
    page = text(client.get("/stocks/AAPL"))
    for words in ("$110.00", "+$5.00 (+4.8 %)", "1,234,567", "Shares", "+$100.00 (+10.0 %)"):
        assert words in page


def test_a_stock_whose_price_stopped_coming_is_stale(
    client: Client, feed: Feed, now: datetime
) -> None:
    Quote.objects.update(as_of=now - timedelta(hours=1))
    feed.samples.clear()
    assert "Stale: this price is from" in text(client.get("/stocks/AAPL"))


def test_several_sessions_of_a_day_are_told_apart_by_their_time(
    client: Client, feed: Feed, now: datetime
) -> None:
    """As in a replay: the table beside the chart says when each closed."""
    closes = [datetime(2026, 3, 4, 15, minute, tzinfo=UTC) for minute in (0, 20, 40)]
    price = Decimal(100)
    feed.bars = {"AAPL": [Bar("AAPL", at, price, price, price, price, 1) for at in closes]}
    page = text(client.get("/stocks/AAPL"))
    assert "<td>Wed 4 Mar 2026 10:40 New York</td>" in page


def test_what_is_looked_at_is_asked_for_and_kept_fresh(
    client: Client, feed: Feed, now: datetime
) -> None:
    feed.says("MSFT", "25", now)
    assert "$25.00" in text(client.get("/stocks/MSFT"))
    feed.says("MSFT", "26", now + timedelta(seconds=10))
    run_tick(now=now + timedelta(seconds=10))
    assert Look.objects.filter(pk="MSFT").exists()
    assert "$26.00" in text(client.get("/stocks/MSFT"))


def test_an_unknown_symbol_is_not_there_and_says_what_is_alike(client: Client) -> None:
    answer = client.get("/stocks/APPL")
    assert answer.status_code == 404
    assert "/stocks/AAPL" in text(answer)


@pytest.mark.parametrize("symbol", ["<b>x</b>", "%00", "x" * 300, "..", "AAPL%20"])
def test_a_symbol_with_anything_in_it_is_told_as_text(client: Client, symbol: str) -> None:
    answer = client.get(f"/stocks/{symbol}", follow=True)
    assert answer.status_code == 404
    assert "<B>" not in text(answer)


def test_a_symbol_leads_to_its_page_and_a_name_to_what_is_called_so(client: Client) -> None:
    Instrument.objects.filter(pk="MSFT").update(name="Microsoft Corporation")
    assert client.get("/stocks", {"q": "msft"})["Location"] == "/stocks/MSFT"
    assert client.get("/stocks/msft")["Location"] == "/stocks/MSFT"
    assert "Microsoft Corporation" in text(client.get("/stocks", {"q": "microsoft"}))
    assert "Nothing is called" in text(client.get("/stocks", {"q": "<zzz>"}))


def test_the_levels_of_rules_are_drawn(client: Client, ada: User, now: datetime) -> None:
    rule(ada, now, "95")
    levels = client.get("/stocks/AAPL").context["chart"]["levels"]
    assert [(level["value"], level["role"]) for level in levels] == [("95", "trigger")]


# --- However much there is ---


def a_lot(user: User, now: datetime) -> None:
    """Hundreds of rules, executions, holdings and transactions, and a second portfolio."""
    portfolio = primary_portfolio(user=user)
    symbols = [f"T{n}" for n in range(60)]
    list_instruments(symbols)
    Quote.objects.bulk_create(
        Quote(instrument_id=symbol, price=10 + n, previous_close=9, as_of=now)
        for n, symbol in enumerate(symbols)
    )
    deposit(portfolio=portfolio, amount=Decimal(100_000), at=now)
    for symbol in symbols:
        trade(
            portfolio=portfolio,
            side=Side.BUY,
            symbol=symbol,
            quantity=Decimal(2),
            price=Decimal(10),
            at=now,
        )
    open_portfolio(user=user, name="Second")
    for n in range(40):
        action = rule(user, now, str(20 + n))
        rule(user, now, trigger_type="trailing_stop", trigger_params={"percent": str(5 + n)})
        ActionExecution.objects.bulk_create(
            ActionExecution(
                action=action,
                sequence=sequence,
                triggered_at=now - timedelta(minutes=n * 10 + sequence),
                execution_status="success",
                details={"summary": f"Sold {sequence}", "rule": "A rule."},
            )
            for sequence in range(1, 6)
        )
    run_tick(now=now + timedelta(seconds=10))


def test_no_page_takes_more_queries_however_much_there_is(
    client: Client, ada: User, now: datetime
) -> None:
    portfolio = primary_portfolio(user=ada)
    paths = [
        "/",
        "/value",
        "/value.json",
        reverse("portfolio"),
        reverse("one-portfolio", args=[portfolio.pk]),
        reverse("trade", args=[portfolio.pk]) + "?symbol=AAPL",
        "/stocks/AAPL",
        "/stocks?q=T",
        "/log",
        "/log?status=success&symbol=AAPL&since=2020-01-01",
        reverse("deposit", args=[portfolio.pk]),
    ]
    few = {path: queries(client, path) for path in paths}
    a_lot(ada, now)
    many = {path: queries(client, path) for path in paths}
    assert {path: n for path, n in many.items() if n > MOST_QUERIES} == {}
    assert {path: (few[path], n) for path, n in many.items() if n > few[path] + 2} == {}


def test_a_part_that_has_not_changed_is_not_sent_again(
    client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)  # so that nothing grows older
    for path in ("/", "/portfolio", "/stocks/AAPL", "/log"):
        first = client.get(path, headers={"HX-Request": "true"})
        assert "<html" not in text(first)
        same = client.get(path, headers={"HX-Request": "true", "If-None-Match": first["ETag"]})
        assert same.status_code == 304, path


# --- Another's ---


def test_anothers_holdings_rules_and_executions_are_nowhere(
    client: Client, ada: User, now: datetime
) -> None:
    rule(ada, now, "95")
    bob = signed_in(UserFactory.create(username="bob"))
    for path in ("/", "/portfolio", "/stocks/AAPL", "/log", "/log.csv", "/value"):
        answer = bob.get(path)
        content = b"".join(answer) if answer.streaming else answer.content
        assert b"$5,100.00" not in content
        assert b"at or below $95.00" not in content
    for name in ("one-portfolio", "trade", "deposit", "limits", "pause-portfolio"):
        path = reverse(name, args=[primary_portfolio(user=ada).pk])
        assert bob.post(path).status_code == 404
        assert bob.get(path).status_code in {404, 405}
    assert Portfolio.objects.count() == 2
    assert Holding.objects.get().quantity == 10


def test_the_examples_of_an_empty_dashboard_open_the_wizard_filled_in(feed: Feed) -> None:
    client = signed_in(UserFactory.create())
    examples = client.get("/").context["examples"]
    assert len(examples) == 3
    for address, sentence in examples:
        pieces = client.get(address).context["pieces"]
        assert "".join(piece.words for piece in pieces) == sentence
        assert not any(piece.gap for piece in pieces)


@pytest.mark.parametrize("page", ["0", "2", "x", "-1", "9" * 5000], ids=lambda page: page[:4])
def test_a_page_of_transactions_that_is_not_there_is_said_to_be_none(page: str) -> None:
    client = signed_in(UserFactory.create())
    answer = client.get("/portfolio", {"page": page}, follow=True)
    assert answer.status_code == 200
    assert f"There is no page {page[:12]} of transactions. This is the first." in text(answer)
