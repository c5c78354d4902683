"""A second live feed: what its answers mean, and that it goes the same way as the first."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from actions.engine import run_tick, take_in
from actions.models import ActionExecution
from actions.services import Draft, create_action
from market.budget import Plan
from market.models import FeedBudget, FeedIncident
from market.providers import FeedFailed, WebProvider
from market.providers.alpaca import Alpaca
from market.selectors import latest_quotes
from market.services import completed_sessions, fetch_quotes, follow, provider, quote_max_age
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import PATIENT_SECONDS, Answer, FeedServer, feed_server, says

SECRET = "s3cret-that-nobody-must-see"
NOW = datetime(2026, 11, 17, 15, 0, 30, tzinfo=UTC)
TEN = timedelta(seconds=10)


@pytest.fixture
def server(settings: Settings) -> Iterator[FeedServer]:
    with feed_server() as server:
        settings.MARKET_PROVIDER = "alpaca"
        settings.ALPACA_KEY_ID = "PKTEST"
        settings.ALPACA_SECRET_KEY = SECRET
        settings.ALPACA_URL = server.url
        settings.MARKET_CONNECT_SECONDS = PATIENT_SECONDS
        settings.MARKET_READ_SECONDS = PATIENT_SECONDS
        yield server


@pytest.fixture
def feed(server: FeedServer) -> Alpaca:
    return Alpaca(
        key_id="PKTEST",
        secret=SECRET,
        url=server.url,
        plan=Plan(200),
        connect_seconds=PATIENT_SECONDS,
        read_seconds=PATIENT_SECONDS,
    )


def snapshot(price: str, at: datetime) -> str:
    """JSON numbers, as it writes them, and nanoseconds."""
    return (
        f'{{"latestTrade": {{"t": "{at:%Y-%m-%dT%H:%M:%S}.123456789Z", "x": "V", "p": {price}, '
        f'"s": 5}}, "dailyBar": {{"v": 81234}}, "prevDailyBar": {{"c": 228.52}}}}'
    )


def snapshots(at: datetime, **prices: str) -> Answer:
    members = (f'"{symbol}": {snapshot(price, at)}' for symbol, price in prices.items())
    return says("{" + ",".join(members) + "}")


def test_many_symbols_are_one_request_with_the_keys_in_headers(
    server: FeedServer, feed: Alpaca
) -> None:
    assert isinstance(feed, WebProvider)
    server.says(snapshots(NOW, AAPL="229.870001", IBM="0.1"))
    answer = feed.quotes(["AAPL", "IBM"], NOW)
    (asked,) = server.asked
    assert (asked.path, asked.params["feed"]) == ("/v2/stocks/snapshots", "iex")
    assert asked.headers["APCA-API-SECRET-KEY"] == SECRET
    assert [(one.symbol, one.price) for one in answer.samples] == [
        ("AAPL", Decimal("229.870001")),
        ("IBM", Decimal("0.1")),
    ]
    aapl = answer.samples[0]
    assert (aapl.as_of, aapl.previous_close) == (
        NOW.replace(microsecond=123456),
        Decimal("228.52"),
    )
    assert aapl.volume is None  # one exchange's share is not the session's volume


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("null", "no answer"),
        ("{}", "bad price"),
        ('{"latestTrade": {"t": "2026-11-17T15:00:00Z", "p": 0}}', "bad price"),
        ('{"latestTrade": {"t": "2026-11-17T15:00:00Z", "p": NaN}}', "bad price"),
        ('{"latestTrade": {"t": "2026-11-17T15:00:00", "p": 5}}', "bad price"),
        ('{"latestTrade": {"t": "now", "p": 5}}', "bad price"),
        ('{"latestTrade": {"t": "0001-01-01T00:00:00Z", "p": 5}}', "bad price"),
        ('{"latestTrade": {"t": "2026-11-17T15:00:00Z", "p": 1e999999999}}', "bad price"),
    ],
)
def test_one_bad_member_does_not_lose_the_good_one(
    server: FeedServer, feed: Alpaca, member: str, kind: str
) -> None:
    server.says(says(f'{{"IBM": {member}, "AAPL": {snapshot("5", NOW)}}}'))
    answer = feed.quotes(["AAPL", "IBM"], NOW)
    assert [one.symbol for one in answer.samples] == ["AAPL"]
    assert [(one.symbol, one.kind) for one in answer.complaints] == [("IBM", kind)]


@pytest.mark.parametrize(
    ("answer", "kind", "until"),
    [
        (says({"message": f"forbidden: {SECRET}"}, 403), "key refused", timedelta(minutes=1)),
        (says({"message": "unauthorized."}, 401), "key refused", timedelta(minutes=1)),
        (says({"message": "too many requests."}, 429), "no credits", timedelta(seconds=30)),
        (says("<html>", 504), "server error", None),
        (says({"message": "down"}, 500), "server error", None),
        (says("[]"), "no JSON object", None),
        (says({"message": "what?"}, 400), "request refused", None),
    ],
)
def test_a_request_that_brings_nothing_says_why(
    server: FeedServer, feed: Alpaca, answer: Answer, kind: str, until: timedelta | None
) -> None:
    server.says(answer)
    with pytest.raises(FeedFailed) as failed:
        feed.quotes(["AAPL"], NOW)
    assert (failed.value.kind, failed.value.until) == (kind, NOW + until if until else None)
    assert SECRET not in repr(failed.getrepr(showlocals=True)) + failed.value.words
    assert len(server.asked) == 1


def bar(day: str, close: str, **more: object) -> dict[str, Any]:
    value = float(close)
    return {"t": f"{day}T05:00:00Z", "o": value, "h": value, "l": value, "c": value, "v": 9} | more


def test_daily_bars_come_in_pages(server: FeedServer, feed: Alpaca) -> None:
    server.says(
        says({"bars": {"AAPL": [bar("2026-11-13", "11")]}, "next_page_token": "more"}),
        says({"bars": {"AAPL": [bar("2026-11-16", "12.5")]}, "next_page_token": None}),
    )
    bars = feed.sessions(["AAPL"], NOW, 5).bars["AAPL"]
    assert [(one.session, one.close) for one in bars] == [
        (date(2026, 11, 13), 11),
        (date(2026, 11, 16), Decimal("12.5")),
    ]
    first, second = server.asked
    assert (first.params["adjustment"], first.params["feed"]) == ("split", "sip")
    assert second.params["page_token"] == "more"


def test_a_series_with_a_bad_session_is_not_used(server: FeedServer, feed: Alpaca) -> None:
    bars = {
        "AAPL": [bar("2026-11-14", "11")],
        "IBM": [bar("2026-11-13", "5", h=4)],
        "MSFT": [bar("2026-11-13", "5", t="0001-01-01T00:00:00Z")],
        "TSLA": [bar("2026-11-13", "5", t="9999-12-31T23:59:59-23:59")],
        "KO": [],
    }
    server.says(says({"bars": bars}))
    answer = feed.sessions(["AAPL", "IBM", "MSFT", "TSLA", "KO"], NOW, 5)
    assert answer.bars == {"KO": ()}
    assert [(one.symbol, one.kind) for one in answer.complaints] == [
        ("AAPL", "bad session"),  # a Saturday
        ("IBM", "bad session"),
        ("MSFT", "bad session"),  # what it says where there is no instant
        ("TSLA", "bad session"),
    ]


def test_a_session_that_is_told_twice_or_out_of_order_counts_once(
    server: FeedServer, feed: Alpaca
) -> None:
    days = [("2026-11-16", "13"), ("2026-11-13", "12"), ("2026-11-16", "14"), ("2026-11-12", "11")]
    server.says(says({"bars": {"AAPL": [bar(day, close) for day, close in days]}}))
    assert [one.close for one in feed.sessions(["AAPL"], NOW, 2).bars["AAPL"]] == [12, 14]


# --- The same way as any feed ---


@pytest.mark.django_db
def test_a_rule_fires_on_its_price_and_its_faults_are_recorded_alike(server: FeedServer) -> None:
    list_instruments(["AAPL"])
    create_action(
        user=PortfolioFactory.create(deposit=1000).user,
        draft=Draft(
            action_type="BUY",
            symbol="AAPL",
            quantity=Decimal(1),
            trigger_type="price_below",
            trigger_params={"threshold": "225"},
        ),
        now=NOW,
    )
    server.says(
        snapshots(NOW, AAPL="230.5"),
        says({"message": "down"}, 500),
        snapshots(NOW + 2 * TEN, AAPL="150"),
        snapshots(NOW + 3 * TEN, AAPL="224"),
    )
    assert isinstance(provider(), Alpaca)
    fired = [run_tick(now=NOW + n * TEN + TEN).fired for n in range(4)]
    assert fired == [0, 0, 0, 1]
    assert ActionExecution.objects.count() == 1
    assert set(FeedIncident.objects.values_list("kind", "provider", "outcome")) == {
        ("server error", "alpaca", "ended"),
        ("jump", "alpaca", "ended"),
    }
    assert quote_max_age() == timedelta(seconds=60)


@pytest.mark.django_db
def test_a_watchlist_of_any_size_costs_a_request_for_each_two_hundred(server: FeedServer) -> None:
    symbols = [f"S{n:03}" for n in range(450)]
    list_instruments(symbols)
    follow(symbols=symbols)
    server.says(snapshots(NOW, **dict.fromkeys(symbols, "229")))
    fetched = fetch_quotes(symbols=symbols, now=NOW)
    take_in(fetched.samples, NOW)
    assert len(latest_quotes(symbols=symbols)) == 450
    assert [len(asked.symbols) for asked in server.asked] == [200, 200, 50]
    assert FeedBudget.objects.get().in_minute == 3


@pytest.mark.django_db
def test_a_symbol_that_it_cannot_read_is_left_out_of_the_next_request(server: FeedServer) -> None:
    list_instruments(["AAPL", "BAD/X"])
    follow(symbols=["AAPL", "BAD/X"])
    server.says(says({"message": "code=400, message=invalid symbol: BAD/X"}, 400))
    assert fetch_quotes(symbols=["AAPL", "BAD/X"], now=NOW).samples == []
    server.says(snapshots(NOW, AAPL="5"))
    assert len(fetch_quotes(symbols=["AAPL", "BAD/X"], now=NOW + TEN).samples) == 1
    assert server.asked[-1].symbols == ["AAPL"]


@pytest.mark.django_db
def test_past_sessions_are_kept(server: FeedServer) -> None:
    list_instruments(["AAPL"])
    server.says(says({"bars": {"AAPL": [bar("2026-11-13", "11"), bar("2026-11-16", "12")]}}))
    for _ in range(2):
        found = completed_sessions(symbols=["AAPL"], now=NOW, sessions=2)
        assert [one.close for one in found["AAPL"]] == [11, 12]
    assert len(server.asked) == 1
