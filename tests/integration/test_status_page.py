"""The status page: what comes in, how old it is, and what is wrong, for its owner's eyes."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from actions.engine import run_tick, take_in
from market.models import FeedIncident, FeedStream
from market.quotes import AlertLevels
from market.services import narrow_alerts
from tests.conftest import Feed, list_instruments
from tests.factories import PortfolioFactory, UserFactory
from tests.feed_server import FeedServer, quote, quotes
from tests.pages import text_of
from tests.streaming import rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> list[datetime]:
    """The instant that the page reads."""
    instants = [now + timedelta(seconds=12)]
    monkeypatch.setattr("django.utils.timezone.now", lambda: instants[-1])
    return instants


@pytest.fixture
def owner(live: FeedServer, now: datetime) -> User:
    """Of rules on AAPL and, nearer to its trigger, MSFT; somebody else waits for IBM."""
    list_instruments(["AAPL", "MSFT", "IBM"])
    portfolio = PortfolioFactory.create(deposit=10_000)
    rule(portfolio, "AAPL", "200", now)
    rule(portfolio, "MSFT", "410", now)
    rule(PortfolioFactory.create(deposit=10_000), "IBM", "80", now)
    prices = {"AAPL": "230", "MSFT": "415", "IBM": "0"}
    live.says(quotes({symbol: quote(symbol, now, price) for symbol, price in prices.items()}))
    run_tick(now=now)
    return portfolio.user


def page(user: User) -> str:
    client = Client()
    client.force_login(user)
    return text_of(client, "/status")


def test_a_stranger_is_asked_to_sign_in() -> None:
    response = Client().get("/status", secure=True)
    assert response.headers["Location"] == "/sign-in?next=/status"


def test_an_owner_sees_the_own_symbols_the_nearest_to_a_trigger_first(
    owner: User, clock: list[datetime]
) -> None:
    said = page(owner)
    assert "MSFT $415.00 12 s 1.2 % AAPL $230.00 12 s 13.0 %" in said
    assert "IBM" not in said
    assert "Your symbols" in said
    assert "Feed twelvedata Credits left this minute 97 Credits left today no limit" in said
    assert "Stream None; prices are asked for." in said
    assert "Market Open Next close Tue 17 Nov 21:00" in said
    assert "Last tick 12 s ago" in said
    assert "Interval 10 s" in said
    assert "What is wrong Nothing." in said


def test_staff_see_all_symbols_and_what_is_wrong_with_each(
    owner: User, clock: list[datetime]
) -> None:
    said = page(UserFactory.create(is_staff=True))
    assert "IBM none yet" in said
    assert "IBM: refused" in said
    assert "above 0" in said


def test_while_the_market_is_closed_it_says_when_it_opens(
    owner: User, clock: list[datetime]
) -> None:
    clock.append(clock[0] + timedelta(hours=8))
    said = page(owner)
    assert "Market Closed Next open Wed 18 Nov 14:30 Next close Wed 18 Nov 21:00" in said
    assert "Interval 30 s" in said
    assert "8 h, too old for rules" in said


def test_it_says_whether_the_stream_is_connected(
    owner: User, clock: list[datetime], now: datetime
) -> None:
    stream = FeedStream.objects.create(
        provider="twelvedata", connected_at=now, alive_at=now, symbols=2
    )
    assert "Connected since Tue 17 Nov 15:00:00, 2 symbols." in page(owner)
    clock.append(now + timedelta(minutes=1))
    assert "Not connected: Its process is gone. Prices are asked for." in page(owner)
    stream.connected_at, stream.words = None, "The market is closed."
    stream.save()
    assert "Not connected: The market is closed." in page(owner)


def test_the_credits_of_a_free_plan_and_a_feed_that_is_not_asked(
    live: FeedServer, owner: User, clock: list[datetime], settings: Settings, now: datetime
) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 8
    settings.TWELVEDATA_CREDITS_PER_DAY = 800
    assert "Credits left this minute 5 Credits left today 797" in page(owner)
    live.says(quotes({"AAPL": {"code": 429, "message": "current minute", "status": "error"}}))
    run_tick(now=now + timedelta(seconds=10))
    assert "Not asked at present The minute's credits are spent. Asked again at" in page(owner)


def test_a_recorded_market_has_no_credits(feed: Feed, now: datetime) -> None:
    said = page(UserFactory.create())
    assert "Feed replay Stream None" in said
    assert "None yet: no evaluator has run." in said
    assert "No symbol is followed" in said


def test_its_queries_do_not_grow_and_a_long_list_is_cut(
    owner: User,
    clock: list[datetime],
    now: datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    staff = UserFactory.create(is_staff=True)
    client = Client()
    client.force_login(staff)
    queries = 10  # of them two for the session and the user, one for the frame
    with django_assert_num_queries(queries):
        client.get("/status", secure=True)
    symbols = [f"S{n}" for n in range(150)]
    list_instruments(symbols)
    narrow_alerts(levels={symbol: AlertLevels(volume=1) for symbol in symbols})
    FeedIncident.objects.bulk_create(
        FeedIncident(
            kind="bad price",
            instrument_id=symbol,
            verdict="refused",
            provider="twelvedata",
            reason="<b>no price</b>",
            first_at=now,
            last_at=now,
        )
        for symbol in symbols
    )
    take_in([], now)
    with django_assert_num_queries(queries):
        response = client.get("/status", secure=True)
    assert "&lt;b&gt;no price&lt;/b&gt;" in response.content.decode()
    assert "53 more, farther from a trigger, are not shown." in text_of(client, "/status")
