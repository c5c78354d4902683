"""The stream: a real WebSocket on loopback, whose prices fire rules and spare the feed."""

import io
import logging
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.core import serializers
from pytest_django import Settings
from websockets.frames import CloseCode

from actions.engine import run_tick, take_in
from actions.models import Action, ActionExecution
from market.feed import stream
from market.models import FeedAsk, FeedIncident
from market.quotes import Sample
from market.services import ProviderError, quotes_within
from tests.feed_server import KEY, FeedServer
from tests.stream_server import price_of
from tests.streaming import MINUTE, PRICES, SECOND, Streaming, ours, price, rules, server, streaming

__all__ = ["rules", "server", "streaming"]  # fixtures

pytestmark = pytest.mark.django_db


def test_a_price_fires_a_rule_with_what_was_asked_for_before(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", 224.5, (now + SECOND).timestamp())
        streaming.server.wait_for(lambda _: streaming.taken)

    streaming.now = now + 2 * SECOND
    streaming.run(script)
    (sample,) = streaming.taken
    assert (sample.price, sample.as_of) == (Decimal("224.5"), now + SECOND)
    assert (sample.volume, sample.previous_close) == (1000, Decimal(230))
    assert rules["AAPL"].executions_count == 0
    run_tick(now=now + 3 * SECOND)
    (execution,) = ActionExecution.objects.all()
    assert (execution.action_id, execution.execution_status) == (rules["AAPL"].pk, "success")
    (header,) = streaming.server.headers
    assert header["X-TD-APIKEY"] == KEY


def test_it_follows_the_watchlist_as_far_as_the_plan_goes_the_nearest_to_a_trigger_first(
    streaming: Streaming, rules: dict[str, Action], now: datetime, settings: Settings
) -> None:
    settings.TWELVEDATA_STREAM_SYMBOLS = 2
    watched = [*PRICES]

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT")
        watched.remove("MSFT")
        streaming.subscribed("AAPL", "IBM")
        watched.append("GOOG")  # without a trigger, so it waits for its turn
        watched.remove("AAPL")
        streaming.subscribed("GOOG", "IBM")

    streaming.watchlist = lambda now: watched
    streaming.run(script)
    said = [one for one in streaming.server.heard if one["action"] != "heartbeat"]
    assert [(one["action"], one["params"]["symbols"]) for one in said] == [
        ("subscribe", "AAPL,MSFT"),
        ("unsubscribe", "MSFT"),
        ("subscribe", "IBM"),
        ("unsubscribe", "AAPL"),
        ("subscribe", "GOOG"),
    ]


def test_what_the_plan_does_not_carry_makes_room_for_the_next_and_is_asked_for(
    live: FeedServer,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    settings: Settings,
) -> None:
    settings.TWELVEDATA_STREAM_SYMBOLS = 2
    streaming.server.refuses = {"AAPL"}
    streaming.run(lambda: streaming.subscribed("MSFT", "IBM"))
    run_tick(now=now + SECOND)
    assert "AAPL" in live.asked[-1].symbols
    streaming.server.refuses = set()
    streaming.now = now + 61 * MINUTE
    streaming.run(lambda: streaming.subscribed("AAPL", "MSFT"))


def test_what_the_stream_keeps_fresh_is_seldom_asked_for(
    live: FeedServer, streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "229", streaming.now.timestamp()))

    def asked(at: datetime) -> list[str]:
        run_tick(now=at)
        return sorted(symbol for one in live.asked for symbol in one.symbols)

    streaming.now = now + 9 * SECOND
    streaming.run(script)
    assert asked(now + 10 * SECOND) == ["MSFT"], "IBM is told, too"
    live.asked.clear()
    quotes_within(symbols=["AAPL"], now=now + 12 * SECOND, age=30 * SECOND, take_in=take_in)
    assert live.asked == [], "a reader is served by it as well"
    assert asked(now + 70 * SECOND) == ["AAPL", "IBM", "MSFT"], "nothing was heard for a minute"
    live.asked.clear()
    FeedAsk.objects.filter(subject="stream").update(answered_at=now + 20 * MINUTE)
    assert asked(now + 20 * MINUTE) == ["AAPL", "IBM", "MSFT"], "whose price it is, is asked"


def test_while_the_market_is_closed_nobody_connects(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.now = now + timedelta(hours=8)
    streaming.run(lambda: None, waits=3)
    assert streaming.server.connections == []
    assert FeedIncident.objects.count() == 0


def test_a_fault_of_ours_loses_these_prices_and_not_the_next(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    takes_in = streaming.take_in
    calls = []

    def fails_first(samples: list[Sample], now: datetime) -> int:
        calls.append(samples)
        if len(calls) == 1:
            raise ValueError("a bug")
        return takes_in(samples, now)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", "229", now.timestamp() + 1)
        streaming.server.wait_for(lambda _: calls)
        streaming.says(price_of("AAPL", "228", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.take_in = fails_first  # type: ignore[method-assign]
    streaming.run(script)
    assert price("AAPL") == 228
    assert "could not be taken in" in caplog.text


def test_the_key_is_in_no_log_and_no_table(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(
            {"event": "error", "message": KEY},
            price_of("AAPL", KEY, 1),
            price_of("AAPL", "229", now.timestamp() + 1, currency=KEY),
            {"event": "subscribe-status", "fails": [{"symbol": "MSFT", "message": KEY}]},
        )
        streaming.server.connections[-1].close(CloseCode.POLICY_VIOLATION, KEY)

    streaming.now = now + 10 * SECOND
    with caplog.at_level(logging.DEBUG):
        streaming.run(script, waits=1)
    assert KEY not in repr(stream())
    rows = io.StringIO()
    for model in apps.get_models():
        serializers.serialize("json", model._default_manager.all(), stream=rows)
    assert "***" in rows.getvalue()
    assert KEY not in ours(caplog) + rows.getvalue()


def test_a_feed_without_a_stream_says_so(settings: Settings) -> None:
    settings.MARKET_PROVIDER = "alpaca"
    with pytest.raises(ProviderError, match="has no stream, only 'twelvedata' has"):
        stream()
