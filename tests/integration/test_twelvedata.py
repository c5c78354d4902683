"""What Twelve Data's answers mean: bodies as they come over the wire, served on loopback."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from market.budget import Plan
from market.providers import FeedFailed, Provider, WebProvider
from market.providers.twelvedata import TwelveData
from tests.feed_server import (
    IMPATIENT_SECONDS,
    PATIENT_SECONDS,
    Answer,
    FeedServer,
    cut_off,
    drips,
    feed_server,
    hangs_up,
    nobody_listening,
    quotes,
    says,
    silence,
)

KEY = "k3y-that-nobody-must-see"
NOW = datetime(2026, 11, 17, 15, 0, 30, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "twelvedata"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


def at(url: str, *, seconds: float = PATIENT_SECONDS) -> TwelveData:
    return TwelveData(
        key=KEY, url=url, plan=Plan(8, 800), connect_seconds=PATIENT_SECONDS, read_seconds=seconds
    )


@pytest.fixture
def feed(server: FeedServer) -> TwelveData:
    return at(server.url)


def quote(symbol: str, close: object = "229.87000", **more: object) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "name": f"{symbol} Inc",
        "currency": "USD",
        "timestamp": 1795000000,
        "last_quote_at": int(NOW.timestamp()) - 30,
        "close": close,
        "volume": "35462000",
        "previous_close": "228.52000",
    } | more


def test_it_is_a_web_provider_and_no_other(feed: TwelveData) -> None:
    assert isinstance(feed, WebProvider)
    assert not isinstance(feed, type(Provider))


def test_a_batch_is_one_request_with_the_key_in_a_header(
    server: FeedServer, feed: TwelveData
) -> None:
    server.says(quotes({"AAPL": quote("AAPL"), "MSFT": quote("MSFT", "1.10")}))
    answer = feed.quotes(["AAPL", "MSFT"], NOW)
    (asked,) = server.asked
    assert (asked.path, asked.params) == ("/quote", {"symbol": "AAPL,MSFT"})
    assert asked.headers["Authorization"] == f"apikey {KEY}"
    aapl, msft = answer.samples
    assert (aapl.symbol, aapl.price, aapl.volume) == ("AAPL", Decimal("229.87"), 35462000)
    assert (aapl.as_of, aapl.previous_close) == (NOW - timedelta(seconds=30), Decimal("228.52"))
    assert msft.price == Decimal("1.1")
    assert answer.companies["AAPL"].name == "AAPL Inc"
    assert answer.complaints == []


def test_a_single_quote_is_not_keyed_by_its_symbol(server: FeedServer, feed: TwelveData) -> None:
    server.says(quotes({"AAPL": quote("AAPL")}))
    assert [sample.symbol for sample in feed.quotes(["AAPL"], NOW).samples] == ["AAPL"]


def test_a_price_is_decimal_from_the_wire_text_or_number(
    server: FeedServer, feed: TwelveData
) -> None:
    server.says(says('{"symbol":"AAPL","close":0.1000000149,"last_quote_at":1795000000}'))
    (sample,) = feed.quotes(["AAPL"], NOW).samples
    assert sample.price == Decimal("0.100000")
    server.says(says('{"symbol":"AAPL","close":"100000000000.123456","last_quote_at":1795000000}'))
    (sample,) = feed.quotes(["AAPL"], NOW).samples
    assert sample.price == Decimal("100000000000.123456")  # a float would have lost the end


@pytest.mark.parametrize("volume", [None, "NaN", "-5", "many", "9" * 19, True, {}])
def test_what_a_quote_may_lack_is_left_out(
    server: FeedServer, feed: TwelveData, volume: object
) -> None:
    body = quote("AAPL", volume=volume, previous_close="0.00000")
    server.says(quotes({"AAPL": body}))
    (sample,) = feed.quotes(["AAPL"], NOW).samples
    assert (sample.volume, sample.previous_close) == (None, None)


BAD_MEMBERS = {
    "zero": (quote("MSFT", "0.00000"), "bad price", "above 0"),
    "negative": (quote("MSFT", "-3.5"), "bad price", "above 0"),
    "NaN as text": (quote("MSFT", "NaN"), "bad price", "is not a number"),
    "NaN as a number": (
        json.dumps(quote("MSFT", 1)).replace('"close": 1', '"close": NaN'),
        "bad price",
        "'NaN' is not a number",
    ),
    "infinity": (
        json.dumps(quote("MSFT", 1)).replace('"close": 1', '"close": -Infinity'),
        "bad price",
        "is not a number",
    ),
    "nothing": (quote("MSFT", None), "bad price", "None is not a number"),
    "a huge exponent": (quote("MSFT", "1e99"), "bad price", "trillion"),
    "no instant": (quote("MSFT", last_quote_at=None, timestamp=None), "no instant", "when"),
    "an instant beyond time": (
        quote("MSFT", last_quote_at=10**18, timestamp="soon"),
        "no instant",
        "when",
    ),
    "another symbol": (quote("MSFTX"), "wrong symbol", "it answers for MSFTX"),
    "an error": (
        {"code": 404, "message": "**symbol** is missing or invalid", "status": "error"},
        "unknown symbol",
        "404: **symbol**",
    ),
    "not in the plan": (
        {"code": 404, "message": "available starting with the Grow plan", "status": "error"},
        "not in the plan",
        "Grow plan",
    ),
    "no credits": (
        {"code": 429, "message": "You have run out of API credits", "status": "error"},
        "no credits",
        "429: You have",
    ),
    "no object": ('"what?"', "no answer", "leaves it out"),
}


@pytest.mark.parametrize("what", BAD_MEMBERS)
def test_one_bad_member_does_not_lose_the_good_one(
    server: FeedServer, feed: TwelveData, what: str
) -> None:
    member, kind, words = BAD_MEMBERS[what]
    server.says(quotes({"AAPL": quote("AAPL"), "MSFT": member}))
    answer = feed.quotes(["AAPL", "MSFT"], NOW)
    assert [sample.symbol for sample in answer.samples] == ["AAPL"]
    (complaint,) = answer.complaints
    assert (complaint.symbol, complaint.kind) == ("MSFT", kind)
    assert words in complaint.words
    assert complaint.exhausted == (what == "no credits")


def test_a_member_that_is_left_out_is_complained_about_and_one_not_asked_for_is_ignored(
    server: FeedServer, feed: TwelveData
) -> None:
    server.says(says({"AAPL": quote("AAPL"), "TSLA": quote("TSLA")}))
    answer = feed.quotes(["AAPL", "MSFT"], NOW)
    assert [sample.symbol for sample in answer.samples] == ["AAPL"]
    assert [(one.symbol, one.kind) for one in answer.complaints] == [("MSFT", "no answer")]


FAILURES: dict[str, tuple[Answer, str, bool]] = {
    "silence": (silence, "time-out", True),
    "a byte now and then": (drips, "time-out", True),
    "hanging up": (hangs_up, "cut off", True),
    "a body that is cut off": (cut_off(b'{"AAPL": {"symbol": "AAPL", "cl'), "cut off", True),
    "JSON that is cut off": (says('{"AAPL": {"symbol": "AAPL", "cl'), "no JSON", True),
    "an empty body": (says(""), "no JSON", True),
    "HTML": (says("<html>502 Bad Gateway</html>"), "no JSON", True),
    "HTML with its status": (says("<html>502</html>", 502), "server error", False),
    "another kind of JSON": (says("[]"), "no JSON object", True),
    "brackets without end": (says("[" * 100_000), "no JSON", True),
    "a redirect": (says({}, 302, Location="http://127.0.0.1:1/"), "request refused", False),
    "500": (says({"code": 500, "message": "oh", "status": "error"}, 500), "server error", False),
    "500 inside 200": (
        says({"code": 500, "message": "oh", "status": "error"}),
        "server error",
        False,
    ),
    "401": (says({"code": 401, "message": "bad", "status": "error"}, 401), "key refused", False),
    "401 inside 200": (
        says({"code": 401, "message": f"**apikey** {KEY} is wrong", "status": "error"}),
        "key refused",
        False,
    ),
    "403": (says({"code": 403, "message": "x", "status": "error"}, 403), "not in the plan", False),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_request_that_brings_nothing_says_why_and_is_made_once(
    server: FeedServer, what: str
) -> None:
    answer, kind, billed = FAILURES[what]
    feed = at(server.url, seconds=IMPATIENT_SECONDS if kind == "time-out" else PATIENT_SECONDS)
    server.says(answer)
    with pytest.raises(FeedFailed) as failed:
        feed.quotes(["AAPL", "MSFT"], NOW)
    assert (failed.value.kind, failed.value.billed) == (kind, billed)
    assert len(server.asked) == 1
    assert KEY not in repr(failed.value) + str(failed.value) + repr(failed.getrepr(showlocals=True))
    assert failed.value.__cause__ is None


def test_a_refused_connection_is_tried_once_more_and_said_to_be_one() -> None:
    with (
        nobody_listening() as place,
        pytest.raises(FeedFailed, match="the connection was refused") as failed,
    ):
        at(f"http://{place}").quotes(["AAPL"], NOW)
    assert not failed.value.billed


@pytest.mark.parametrize(
    ("message", "headers", "until"),
    [
        ("run out of API credits for the current minute", {}, NOW.replace(minute=1, second=0)),
        (
            "run out of API credits for the day",
            {},
            datetime(2026, 11, 18, tzinfo=UTC),
        ),
        ("Rate limit exceeded", {}, NOW.replace(minute=1, second=0)),
        ("Rate limit exceeded", {"Retry_After": "300"}, NOW + timedelta(seconds=300)),
        ("Rate limit exceeded", {"Retry_After": "99999"}, NOW + timedelta(hours=1)),
    ],
)
@pytest.mark.parametrize("status", [200, 429])
def test_no_credits_says_until_when(
    server: FeedServer,
    feed: TwelveData,
    message: str,
    headers: dict[str, str],
    until: datetime,
    status: int,
) -> None:
    server.says(says({"code": 429, "message": message, "status": "error"}, status, **headers))
    with pytest.raises(FeedFailed) as failed:
        feed.quotes(["AAPL", "MSFT"], NOW)
    assert (failed.value.kind, failed.value.until) == ("no credits", until)


def test_the_credits_that_are_left_are_read_from_the_headers(
    server: FeedServer, feed: TwelveData
) -> None:
    server.says(quotes({"AAPL": quote("AAPL")}, api_credits_used="3", api_credits_left="5"))
    assert feed.quotes(["AAPL"], NOW).credits_left == 5


def bar(day: str, close: str, **more: object) -> dict[str, Any]:
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    return {"datetime": day, **fields, "volume": "1000"} | more


def test_a_daily_series_comes_newest_first_and_goes_oldest_first(
    server: FeedServer, feed: TwelveData
) -> None:
    values = [bar("2024-11-29", "10"), bar("2024-11-27", "9.5"), bar("2024-11-26", "9")]
    server.says(says({"meta": {"symbol": "AAPL"}, "values": values, "status": "ok"}))
    answer = feed.sessions(["AAPL"], NOW, 3)
    assert server.asked[0].params == {
        "symbol": "AAPL",
        "interval": "1day",
        "outputsize": "3",
        "adjust": "splits",
    }
    bars = answer.bars["AAPL"]
    assert [(one.session, one.close) for one in bars] == [
        (date(2024, 11, 26), 9),
        (date(2024, 11, 27), Decimal("9.5")),
        (date(2024, 11, 29), 10),
    ]
    assert bars[-1].at == datetime(2024, 11, 29, 18, tzinfo=UTC)  # a half-day closes at 13:00


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ({"meta": {"symbol": "MSFTX"}, "values": []}, "wrong symbol"),
        ({"meta": {"symbol": "MSFT"}}, "no sessions"),
        ({"meta": {"symbol": "MSFT"}, "values": [None]}, "bad session"),
        ({"values": [bar("2024-11-28", "10")]}, "bad session"),  # Thanksgiving
        ({"values": [bar("2024-11-27", "NaN")]}, "bad session"),
        ({"values": [bar("2024-11-27", "10", high="9")]}, "bad session"),
        ({"values": [bar("yesterday", "10")]}, "bad session"),
        ({"code": 400, "message": "not found", "status": "error"}, "unknown symbol"),
    ],
)
def test_a_series_with_one_bad_session_is_not_used(
    server: FeedServer, feed: TwelveData, member: dict[str, Any], kind: str
) -> None:
    good = {"meta": {"symbol": "AAPL"}, "values": [bar("2024-11-27", "10")], "status": "ok"}
    server.says(says({"AAPL": good, "MSFT": member}))
    answer = feed.sessions(["AAPL", "MSFT"], NOW, 3)
    assert [*answer.bars] == ["AAPL"]
    assert [(one.symbol, one.kind) for one in answer.complaints] == [("MSFT", kind)]


def test_a_series_without_sessions_is_an_answer(server: FeedServer, feed: TwelveData) -> None:
    server.says(says({"meta": {"symbol": "AAPL"}, "values": [], "status": "ok"}))
    assert feed.sessions(["AAPL"], NOW, 3).bars == {"AAPL": ()}


# --- The recorded bodies beside a checkout for development ---


def recorded() -> list[dict[str, Any]]:
    index = SHARED / "index.json"
    return json.loads(index.read_text())["files"] if index.exists() else []


QUOTED = {
    "quote_batch_2.json": {"AAPL": "229.87", "MSFT": "414.17"},
    "quote_batch_rate_limited_member.json": {"AAPL": "229.87"},
    "quote_forex_no_volume.json": {"EUR/USD": "1.0418"},
    "quote_full_documented.json": {"AAPL": "148.85001"},
    "quote_nulls_and_nan.json": {"AAPL": "229.87"},
    "quote_single_closed.json": {"AAPL": "229.87"},
    "batch_post_mixed_endpoints.json": {},
    "price_batch.json": {},
    "price_batch_partial_error.json": {},
    "quote_no_timestamp_ruby.json": {},
    "quote_zero_price.json": {},
}


def served(server: FeedServer, entry: dict[str, Any]) -> None:
    body = (SHARED / entry["file"]).read_bytes()
    headers = {name.replace("-", "_"): value for name, value in entry["headers"].items()}
    server.says(says(body, entry["http_status"], **headers))


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded bodies are not beside this checkout")
@pytest.mark.parametrize("batch", [False, True])
def test_no_recorded_body_is_taken_for_a_quote_that_it_is_not(
    server: FeedServer, feed: TwelveData, batch: bool
) -> None:
    assert len(recorded()) >= 49
    failed = set()
    for entry in recorded():
        served(server, entry)
        name = entry["file"]
        one = "EUR/USD" if "forex" in name else "AAPL"
        in_batch = batch or "batch" in name
        try:
            answer = feed.quotes([one, "MSFT"] if in_batch else [one], NOW)
        except FeedFailed:
            failed.add(name)
            continue
        found = {sample.symbol: sample.price for sample in answer.samples}
        wanted = {} if in_batch and "batch" not in name else QUOTED.get(name, {})
        assert found == {symbol: Decimal(price) for symbol, price in wanted.items()}, name
    assert batch or not failed & QUOTED.keys()


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded bodies are not beside this checkout")
def test_no_recorded_body_is_taken_for_a_series_that_it_is_not(
    server: FeedServer, feed: TwelveData
) -> None:
    found = {}
    for entry in recorded():
        served(server, entry)
        name = entry["file"]
        symbols = ["AAPL", "MSFT", "INVALID"] if "batch" in name else ["AAPL"]
        try:
            bars = feed.sessions(symbols, NOW, 5).bars
        except FeedFailed:
            continue
        found[name] = {symbol: [str(bar.close) for bar in of] for symbol, of in bars.items() if of}
    assert {name: closes for name, closes in found.items() if closes} == {
        "time_series_batch_1day.json": {"AAPL": ["229.870000"], "MSFT": ["414.170000"]},
        "time_series_batch_partial_error.json": {"AAPL": ["229.870000"]},
        "time_series_1min_single.json": {"AAPL": ["148.850010"]},
    }


@pytest.mark.parametrize("odd", [{"symbol": ["AAPL"]}, {"mic_code": {}}, {"from_factor": "7:1"}])
def test_a_split_that_cannot_be_read_is_left_out(
    server: FeedServer, feed: TwelveData, odd: dict[str, object]
) -> None:
    split = {
        "symbol": "AAPL",
        "mic_code": "XNAS",
        "from_factor": 7,
        "to_factor": 1,
        "date": "2026-11-16",
    }
    server.says(says([split | odd, split]))
    day = NOW.date()
    (read,) = feed.splits({"AAPL"}, NOW, day - timedelta(days=7), day).splits
    assert (read.symbol, read.factor) == ("AAPL", Fraction(7))
