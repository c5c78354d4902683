"""Which prices of the stream are believed, whatever it says.

A rule waits that any lower price would fire. What is said, is said in the middle of a session.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic

import pytest

from actions.engine import run_tick, take_in
from actions.models import Action
from market.models import FeedAsk, FeedIncident, Quote
from market.services import calendar, quotes_within
from tests.feed_server import KEY, FeedServer, quote, quotes
from tests.stream_server import price_of
from tests.streaming import (
    MINUTE,
    QUICK,
    SECOND,
    Streaming,
    alerts,
    ours,
    price,
    rules,
    server,
    streaming,
)

__all__ = ["rules", "server", "streaming"]  # fixtures

pytestmark = pytest.mark.django_db


def test_the_volume_of_the_day_is_taken_where_it_is_told(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "229", now.timestamp() + 1, day_volume=5_000))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert Quote.objects.get(instrument="AAPL").volume == 5000


@dataclass(frozen=True)
class Said:
    """A message, and the incident that it makes: its symbol, kind and words."""

    message: Callable[[float], object]
    symbol: str | None = None
    kind: str = ""
    words: str = ""


def aapl(value: object, seconds: float = 1, **more: object) -> Callable[[float], object]:
    return lambda at: price_of("AAPL", value, at + seconds, **more)


def text(words: str | bytes) -> Callable[[float], object]:
    return lambda at: words


BAD = "stream: bad price"
FAULTS = {
    "NaN as text": Said(aapl("NaN"), "AAPL", BAD, "not a number"),
    "NaN as a number": Said(
        lambda at: json.dumps(price_of("AAPL", 1, at + 1)).replace('"price": 1', '"price": NaN'),
        "AAPL",
        BAD,
        "not a number",
    ),
    "zero": Said(aapl(0), "AAPL", BAD, "above 0"),
    "negative": Said(aapl("-1"), "AAPL", BAD, "above 0"),
    "nothing": Said(aapl(None), "AAPL", BAD, "not a number"),
    "true": Said(aapl(True), "AAPL", BAD, "not a number"),
    "no instant": Said(aapl("200", timestamp=None), "AAPL", BAD, "not a number"),
    "milliseconds": Said(lambda at: price_of("AAPL", "200", at * 1000), "AAPL", BAD, ""),
    "from the future": Said(aapl("200", seconds=60), "AAPL", "from the future", "is said to be of"),
    "a jump": Said(aapl("150"), "AAPL", "jump", "34.8 % away"),
    "another currency": Said(
        aapl("200", currency="EUR"), "AAPL", "stream: another company", "quoted in EUR"
    ),
    "not in the plan": Said(
        lambda at: {
            "event": "subscribe-status",
            "status": "error",
            "fails": [{"symbol": "AAPL", "message": "upgrade"}],
        },
        "AAPL",
        "stream: not carried",
        "upgrade",
    ),
    "garbage": Said(text("<html>"), None, "stream", "no JSON"),
    "bytes": Said(text(b"\xff\x00"), None, "stream", "no JSON"),
    "cut-off JSON": Said(text('{"event":"price","symbol":"AAPL","pri'), None, "stream", "no JSON"),
    "a list": Said(lambda at: [1, 2], None, "stream", "no JSON object"),
    "no symbol": Said(
        lambda at: {"event": "price", "price": 1}, None, "stream", "without a symbol"
    ),
    "an error": Said(
        lambda at: {"event": "error", "code": "400", "message": f"Invalid {KEY}"},
        None,
        "stream",
        "400: Invalid ***",
    ),
    "an older instant": Said(aapl("200", seconds=-5)),
    "the same instant": Said(aapl("200", seconds=0)),
    "a symbol nobody asked for": Said(lambda at: price_of("GOOG", "1", at + 1)),
    "a symbol that is none": Said(lambda at: price_of("../etc", "1", at + 1)),
    "an unknown event": Said(lambda at: {"event": "news", "symbol": "AAPL", "price": "1"}),
    "null": Said(lambda at: {"event": None}),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_cannot_be_believed_is_not_stored_fires_nothing_and_is_raised_once(
    what: str,
    streaming: Streaming,
    rules: dict[str, Action],
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = FAULTS[what]
    message = said.message(now.timestamp())

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        for _ in range(3):
            streaming.says(message)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert {sample.symbol for sample in streaming.taken} <= {"IBM", "AAPL"}
    assert price("AAPL") == 230
    assert run_tick(now=now + 11 * SECOND).fired == 0
    assert not Quote.objects.filter(instrument="GOOG", price__isnull=False).exists()
    incidents = FeedIncident.objects.values_list("instrument_id", "kind")
    assert list(incidents) == ([(said.symbol, said.kind)] if said.kind else [])
    raised = alerts(caplog)
    if said.kind == "jump":  # it is the statement that stores quotes which records it
        assert FeedIncident.objects.get().verdict == "held"
    else:
        assert len(raised) == bool(said.kind)
    if said.kind:
        assert said.words in FeedIncident.objects.get().reason
    assert KEY not in ours(caplog)


def test_numbers_may_be_text_and_a_price_is_decimal_from_the_wire(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        at = now.timestamp() + 1
        streaming.says(price_of("AAPL", "229.123456", at, timestamp=str(int(at))))
        msft = json.dumps(price_of("MSFT", "PRICE", at))
        streaming.says(msft.replace('"PRICE"', "414.1000000149"))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert (price("AAPL"), price("MSFT")) == (Decimal("229.123456"), Decimal("414.1"))


def test_a_jump_is_confirmed_by_a_price_of_another_second(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "150", now.timestamp() + 1))
        streaming.says(price_of("AAPL", "151", now.timestamp() + 1))
        assert not [one for one in streaming.taken if one.price == 152]
        streaming.says(price_of("AAPL", "152", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 152
    held = FeedIncident.objects.get()
    assert (held.verdict, held.outcome, held.price) == ("held", "confirmed", Decimal(151))


def test_a_burst_is_taken_in_together_and_its_last_price_counts(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    streaming.pace = replace(QUICK, take_in=0.25)
    took: list[float] = []

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        began = monotonic()
        for cents in range(200):
            streaming.server.price("AAPL", f"229.{cents:03d}", now.timestamp() + 1)
        streaming.server.wait_for(
            lambda _: any(one.price == Decimal("229.199") for one in streaming.taken)
        )
        took.append(monotonic() - began)

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == Decimal("229.199")
    assert streaming.times <= took[0] / streaming.pace.take_in + 2


def test_a_symbol_that_the_feed_doubts_is_not_believed_from_its_stream(
    live: FeedServer, streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    stranger = quote("AAPL", now + SECOND, "229", name="Apple Hospitality REIT")
    live.says(quotes({"AAPL": stranger}))
    quotes_within(symbols=["AAPL"], now=now + SECOND, age=timedelta(0), take_in=take_in)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "200", now.timestamp() + 2))

    streaming.now = now + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 230


def test_a_symbol_is_not_believed_before_the_feed_was_asked_for_it_in_the_session(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    tomorrow = now + timedelta(days=1)
    FeedAsk.objects.filter(instrument="IBM").update(answered_at=tomorrow)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.says(price_of("AAPL", "200", tomorrow.timestamp() + 1))

    streaming.now = tomorrow + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 230


def test_prices_from_before_and_after_the_session_are_left_alone(
    streaming: Streaming, rules: dict[str, Action], now: datetime
) -> None:
    closes = calendar().next_close(now)
    FeedAsk.objects.update(answered_at=closes - MINUTE)

    def script() -> None:
        streaming.subscribed("AAPL", "MSFT", "IBM")
        streaming.server.price("AAPL", "200", closes.timestamp() + 5)
        streaming.server.price("AAPL", "229", closes.timestamp() - 1)
        streaming.server.wait_for(lambda _: streaming.taken)

    streaming.now = closes + 10 * SECOND
    streaming.run(script)
    assert price("AAPL") == 229
