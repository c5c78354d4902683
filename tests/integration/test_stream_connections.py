"""A connection of the stream that breaks, is refused or falls silent is made again, and
raised once."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from pytest_django import Settings
from websockets.frames import CloseCode

from actions.engine import run_tick
from actions.models import Action
from market.models import FeedIncident, FeedStream
from market.providers.twelvedata_stream import LARGEST
from tests.feed_server import KEY, nobody_listening
from tests.stream_server import StreamServer, price_of, stream_server
from tests.streaming import QUICK, SECOND, Streaming, alerts, ours, price, rules, server, streaming

__all__ = ["rules", "server", "streaming"]  # fixtures

pytestmark = pytest.mark.django_db


def test_a_connection_that_breaks_is_made_again_and_what_was_said_before_holds(
    streaming: Streaming, rules: dict[str, Action], now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def script() -> None:
        for n in (1, 2, 3):
            streaming.server.wait_for(lambda server, n=n: len(server.connections) == n)  # type: ignore[misc]
            streaming.subscribed("AAPL", "MSFT", "IBM")
            streaming.says(price_of("AAPL", f"229.{n}", now.timestamp() + n))
            streaming.server.connections[-1].socket.close()

    streaming.now = now + 10 * SECOND
    streaming.run(script, waits=3)
    assert price("AAPL") == Decimal("229.3")
    assert len(alerts(caplog)) == 1
    incident = FeedIncident.objects.get()
    assert (incident.kind, incident.verdict, incident.times) == ("stream", "failed", 3)
    run_tick(now=now + 11 * SECOND)  # a good answer of the feed says nothing about its stream
    incident.refresh_from_db()
    assert incident.settled_at is None


CONNECTIONS: dict[str, tuple[Callable[[StreamServer], None], str]] = {
    "ended": (lambda server: server.connections[-1].close(), "ended the connection (1000)"),
    "ended with an error": (
        lambda server: server.connections[-1].close(CloseCode.INTERNAL_ERROR),
        "ended the connection (1011)",
    ),
    "cut": (lambda server: server.connections[-1].socket.close(), "the connection broke"),
    "too long a message": (
        lambda server: server.says("x" * (LARGEST + 1)),
        f"more than {LARGEST} bytes",
    ),
    "the key is refused": (
        lambda server: server.says({"event": "error", "code": 401, "message": f"{KEY} is wrong"}),
        "401: *** is wrong",
    ),
    "silence": (lambda server: None, "nothing was heard for 0.4 s"),
}


@pytest.mark.parametrize("what", CONNECTIONS)
def test_a_connection_that_is_no_more_is_noticed_and_raised_once(
    what: str,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    act, words = CONNECTIONS[what]
    streaming.pace = replace(QUICK, silence=0.4 if what == "silence" else 30)

    def script() -> None:
        for n in (1, 2):
            streaming.server.wait_for(lambda server, n=n: len(server.connections) == n)  # type: ignore[misc]
            streaming.server.deaf = what == "silence"
            act(streaming.server)

    streaming.run(script, waits=2)
    (alert,) = alerts(caplog)
    assert words in alert
    assert KEY not in ours(caplog)
    assert FeedIncident.objects.get().reason == alert.removeprefix("twelvedata: ")
    status = FeedStream.objects.get()
    assert (status.connected_at, status.words) == (None, "It was stopped.")
    first, second = streaming.waits
    assert (150 <= first <= 300) if "key" in what else (4 <= first <= 8 <= second <= 16)


def test_a_key_that_is_refused_is_tried_again_after_minutes(
    streaming: Streaming,
    rules: dict[str, Action],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.TWELVEDATA_API_KEY = "another"
    with caplog.at_level(logging.DEBUG):
        streaming.run(lambda: None, waits=1)
    (wait,) = streaming.waits
    assert 150 <= wait <= 300
    assert FeedIncident.objects.get().reason == "HTTP 401 instead of a stream"
    assert "another" not in ours(caplog)


def test_the_waits_grow_up_to_a_minute(
    streaming: Streaming, rules: dict[str, Action], settings: Settings
) -> None:
    with nobody_listening() as place:
        settings.TWELVEDATA_STREAM_URL = f"ws://{place}"
        streaming.run(lambda: None, waits=6)
    longest = [8, 16, 32, 60, 60, 60]
    assert all(
        most / 2 <= wait <= most for wait, most in zip(streaming.waits, longest, strict=True)
    )
    assert FeedIncident.objects.get().reason == "the connection was refused"


def test_no_redirect_is_followed_with_the_key(
    streaming: Streaming, rules: dict[str, Action]
) -> None:
    with stream_server() as elsewhere:
        streaming.server.moved_to = f"{elsewhere.url}/v1/quotes/price"
        streaming.run(lambda: None, waits=1)
        assert elsewhere.headers == []
    assert "another address, which is not followed" in FeedIncident.objects.get().reason
    assert len(streaming.server.headers) == 1


def test_what_has_not_been_wrong_for_a_while_is_over(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.pace = replace(QUICK, steady=0.3)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "NaN", 1), "garbage")
        streaming.says(price_of("AAPL", "229", now.timestamp() + 5))
        beats = len(streaming.server.heard)
        streaming.server.wait_for(lambda server: len(server.heard) > beats + 14)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    outcomes = FeedIncident.objects.values_list("kind", "outcome").order_by("kind")
    assert list(outcomes) == [("stream", "ended"), ("stream: bad price", "ended")]
