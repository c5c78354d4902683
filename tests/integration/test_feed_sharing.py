"""One process asks a live feed and all share the answer, within credits that are counted once."""

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from actions.engine import run_tick, take_in
from actions.watches import watchlist
from market.incidents import prune_incidents
from market.models import FeedAsk, FeedBudget, Look
from market.quotes import AlertLevels, Sample
from market.selectors import latest_quotes
from market.services import (
    ProviderError,
    UnknownSymbol,
    ask_looked_at,
    calendar,
    fetch_quotes,
    follow,
    narrow_alerts,
    quote_max_age,
    quotes_within,
)
from market.status import Credits, feed_status
from tests.conftest import Feed, list_instruments
from tests.feed_server import (
    IMPATIENT_SECONDS,
    PATIENT_SECONDS,
    Answer,
    FeedServer,
    Handler,
    quote,
    quotes,
    says,
)
from tests.postgres import run_cluster

ROOT = Path(__file__).parents[2]
MINUTE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


def look(now: datetime, *symbols: str, age: timedelta = MINUTE) -> dict[str, Sample]:
    return quotes_within(symbols=symbols, now=now, age=age, take_in=take_in)


def asked(live: FeedServer) -> list[list[str]]:
    return [one.symbols for one in live.asked]


def slowly(answer: Answer) -> Answer:
    def late(handler: Handler) -> None:
        time.sleep(0.2)
        answer(handler)

    return late


# --- One call serves all ---


@pytest.mark.django_db(transaction=True)
def test_a_stampede_of_twenty_readers_makes_one_call(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(slowly(quotes({"AAPL": quote("AAPL", now, "230"), "IBM": quote("IBM", now, "250")})))

    def read(number: int) -> Decimal:
        try:
            return look(now + number * timedelta(milliseconds=1), "AAPL", "IBM")["AAPL"].price
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as readers:
        seen = list(readers.map(read, range(20)))
    assert seen == [Decimal(230)] * 20
    assert asked(live) in ([["AAPL", "IBM"]], [["IBM", "AAPL"]])
    assert FeedBudget.objects.get().in_minute == 2


READER = """
import sys
from datetime import datetime
import django
django.setup()
from datetime import timedelta
from actions.engine import take_in
from market.services import quotes_within
now = datetime.fromisoformat(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
seen = quotes_within(symbols=["AAPL"], now=now, age=timedelta(seconds=60), take_in=take_in)
print(seen["AAPL"].price)
"""


@pytest.mark.django_db(transaction=True)
def test_readers_in_other_processes_share_it_too(
    live: FeedServer, instruments: None, now: datetime, settings: Settings
) -> None:
    live.says(slowly(quotes({"AAPL": quote("AAPL", now, "230")})))
    variables = {
        "DJANGO_SETTINGS_MODULE": "tradingrules.settings",
        "DEBUG": "true",
        "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
        "MARKET_PROVIDER": "twelvedata",
        "TWELVEDATA_API_KEY": "k3y",
        "TWELVEDATA_URL": live.url,
    }
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, now.isoformat()],
            cwd=ROOT,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    said = []
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write("go\n")
        reader.stdin.flush()
    for reader in readers:
        out, _ = reader.communicate(timeout=240)
        said.append(out)
    assert said == ["230.000000\n"] * 3
    assert asked(live) == [["AAPL"]]


@pytest.mark.django_db
def test_within_its_age_an_answer_serves_again_and_after_it_is_asked_for_anew(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(quotes({"AAPL": quote("AAPL", now, "230"), "IBM": quote("IBM", now, "250")}))
    look(now, "AAPL")
    look(now + MINUTE, "AAPL")
    assert asked(live) == [["AAPL"]]
    look(now + MINUTE, "AAPL", "IBM")
    assert asked(live) == [["AAPL"], ["IBM"]]
    look(now + MINUTE + SECOND, "AAPL", age=MINUTE)
    assert asked(live)[2:] == [["AAPL"]]
    assert latest_quotes(symbols=["AAPL"])["AAPL"].price == 230  # unchanged, and answered for


@pytest.mark.django_db
def test_who_dies_asking_is_waited_for_no_longer_than_a_request_takes(
    live: FeedServer, instruments: None, now: datetime, settings: Settings
) -> None:
    list_instruments(["AAPL"])
    settings.MARKET_CONNECT_SECONDS = settings.MARKET_READ_SECONDS = IMPATIENT_SECONDS
    FeedAsk.objects.create(
        instrument_id="AAPL", subject="quote", pending_until=now + SECOND, answered_at=None
    )
    live.says(quotes({"AAPL": quote("AAPL", now, "230")}))
    assert look(now, "AAPL") == {}
    assert asked(live) == []
    settings.MARKET_CONNECT_SECONDS = settings.MARKET_READ_SECONDS = PATIENT_SECONDS
    assert look(now + SECOND, "AAPL")["AAPL"].price == 230


@pytest.mark.django_db
def test_a_reader_of_a_feed_that_fails_sees_the_last_price_with_its_age(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(quotes({"AAPL": quote("AAPL", now, "230")}), says("<html>", 502))
    look(now, "AAPL")
    later = now + 10 * MINUTE
    assert look(later, "AAPL")["AAPL"].as_of == now
    assert look(later, "AAPL")["AAPL"].as_of == now
    assert len(live.asked) == 2  # the failing feed is left alone meanwhile


@pytest.mark.django_db
def test_a_reader_wakes_the_rules_that_its_price_concerns(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    narrow_alerts(levels={"AAPL": AlertLevels(below=Decimal(231))})
    live.says(quotes({"AAPL": quote("AAPL", now, "230")}))
    woken: list[list[Sample]] = []
    quotes_within(
        symbols=["AAPL"], now=now, age=MINUTE, take_in=lambda samples, at: woken.append(samples)
    )
    assert [sample.symbol for sample in woken[0]] == ["AAPL"]


@pytest.mark.django_db
def test_an_unknown_symbol_is_refused_before_anybody_is_asked(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    with pytest.raises(UnknownSymbol):
        look(now, "AAPL", "NOPE")
    assert live.asked == []


# --- The watchlist ---


@pytest.mark.django_db
def test_what_is_looked_at_is_kept_fresh_by_ticks_for_some_minutes(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(quotes({"AAPL": quote("AAPL", now, "230")}))
    look(now, "AAPL")
    assert watchlist() == []
    assert ask_looked_at(now=now + 4 * MINUTE)() == ["AAPL"]
    assert run_tick(now=now + 4 * MINUTE).symbols == 1
    assert ask_looked_at(now=now + 5 * MINUTE)() == []
    assert run_tick(now=now + 5 * MINUTE).symbols == 0
    look(now + 5 * MINUTE, "AAPL")
    assert Look.objects.get().at == now + 5 * MINUTE


@pytest.mark.django_db
def test_what_is_looked_at_of_a_feed_without_limits_is_fetched_and_kept_too(
    feed: Feed, instruments: None, now: datetime
) -> None:
    feed.says("IBM", "250", now)
    assert look(now, "IBM")["IBM"].price == 250
    assert ask_looked_at(now=now)() == ["IBM"]


# --- Credits ---


def priced(now: datetime, prices: dict[str, str]) -> Answer:
    return quotes({symbol: quote(symbol, now, price) for symbol, price in prices.items()})


@pytest.mark.django_db
def test_a_watchlist_that_is_larger_than_the_credits_is_spread_over_time_nearest_first(
    live: FeedServer, now: datetime, settings: Settings
) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 8
    symbols = [f"S{n:02}" for n in range(24)]
    list_instruments(symbols)
    follow(symbols=symbols)
    live.says(priced(now, dict.fromkeys(symbols, "100")))
    for minute in range(3):
        fetched = fetch_quotes(symbols=symbols, now=now + minute * MINUTE)
        take_in(fetched.samples, now + minute * MINUTE)
        assert fetch_quotes(symbols=symbols, now=now + minute * MINUTE + 9 * SECOND).samples == []
    first = [symbol for batch in asked(live) for symbol in batch]
    assert sorted(first) == symbols  # each once, before any twice
    narrow_alerts(
        levels={symbol: AlertLevels(above=Decimal(101)) for symbol in ("S20", "S21")}
        | {symbol: AlertLevels(above=Decimal(160)) for symbol in symbols[:20]}
    )
    live.asked.clear()
    for minute in range(3, 33):
        fetch_quotes(symbols=symbols, now=now + minute * MINUTE)
    times = Counter(symbol for batch in asked(live) for symbol in batch)
    assert sum(times.values()) == 30 * 8
    assert times["S20"] == times["S21"] == 30
    assert min(times[symbol] for symbol in symbols) >= 5  # and nobody is forgotten


@pytest.mark.django_db
def test_a_plan_that_has_less_left_than_we_count_is_believed(
    live: FeedServer, instruments: None, now: datetime, settings: Settings
) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 8
    body = {"AAPL": quote("AAPL", now, "230"), "IBM": quote("IBM", now, "250")}
    live.says(quotes(body, api_credits_used="8", api_credits_left="0"))
    look(now, "AAPL")
    look(now, "IBM")
    assert asked(live) == [["AAPL"]]
    assert FeedBudget.objects.get().in_minute == 8
    look(now + MINUTE, "IBM")
    assert asked(live) == [["AAPL"], ["IBM"]]


@pytest.mark.django_db
def test_after_the_close_each_symbol_is_asked_for_once_more_and_then_left_in_peace(
    live: FeedServer, instruments: None
) -> None:
    close = datetime(2026, 11, 17, 21, tzinfo=UTC)
    live.says(quotes({"AAPL": quote("AAPL", close, "230")}))
    for minutes in (-1, 1, 19, 21, 30, 300, 12 * 60):
        fetch_quotes(symbols=["AAPL"], now=close + minutes * MINUTE)
    assert len(live.asked) == 3  # before the close, once after it, and when it is final
    fetch_quotes(symbols=["AAPL"], now=datetime(2026, 11, 18, 14, 30, tzinfo=UTC))
    assert len(live.asked) == 4


@pytest.mark.django_db
def test_credits_that_a_failed_request_cost_are_counted_and_others_given_back(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    spent = []
    for n, answer in enumerate([says("<html>", 502), says("<html>")]):
        live.says(answer)
        with pytest.raises(ProviderError):
            fetch_quotes(symbols=["AAPL", "IBM"], now=now + n * 10 * MINUTE)
        spent.append(FeedBudget.objects.get().in_minute)
    assert spent == [0, 2]


@pytest.mark.django_db
def test_a_quote_of_the_last_whole_minute_is_fresh(live: FeedServer, settings: Settings) -> None:
    assert quote_max_age() == 3 * MINUTE
    settings.MARKET_PROVIDER = "replay"
    assert quote_max_age() == MINUTE


@pytest.mark.django_db
def test_asking_takes_a_number_of_queries_that_does_not_grow(
    live: FeedServer, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    symbols = [f"S{n:02}" for n in range(90)]
    list_instruments(symbols)
    follow(symbols=symbols)
    live.says(priced(now, dict.fromkeys(symbols, "100")))
    fetch_quotes(symbols=symbols[:2], now=now)
    with django_assert_num_queries(15):
        fetch_quotes(symbols=symbols[2:4], now=now + MINUTE)
    with django_assert_num_queries(15):
        fetch_quotes(symbols=symbols, now=now + 2 * MINUTE)


@pytest.mark.django_db
def test_the_status_says_how_old_each_quote_is_and_what_is_wrong(
    live: FeedServer, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    list_instruments(["AAPL", "IBM", "KO"])
    follow(symbols=["AAPL", "IBM", "KO"])
    unknown = {"code": 404, "message": "invalid", "status": "error"}
    live.says(
        quotes({"AAPL": quote("AAPL", now, "230"), "IBM": quote("IBM", now - 5 * MINUTE, "250")}),
        quotes({"KO": unknown}),
        says({"code": 429, "message": "the current minute", "status": "error"}),
    )
    for symbols in (["AAPL", "IBM"], ["KO"], ["KO"]):
        take_in(fetch_quotes(symbols=symbols, now=now).samples, now)
    with pytest.raises(ProviderError):
        fetch_quotes(symbols=["AAPL"], now=now + SECOND)
    with django_assert_num_queries(4):
        status = feed_status(
            symbols=["AAPL", "IBM", "KO"], now=now + 2 * SECOND, calendar=calendar()
        )
    assert status.provider == "twelvedata"
    assert status.credits == Credits(this_minute=97, today=None, paced=97)
    assert [(one.symbol, one.age, one.stale) for one in status.symbols] == [
        ("AAPL", 2 * SECOND, False),
        ("IBM", 5 * MINUTE + 2 * SECOND, True),
        ("KO", None, True),
    ]
    assert [(one.symbol, one.verdict, one.reason) for one in status.wrong] == [
        ("KO", "refused", "404: invalid"),
        (None, "no answer", "429: the current minute"),
    ]
    assert status.blocked_until == now + MINUTE
    assert status.blocked_because == "429: the current minute."
    assert feed_status(symbols=[], now=now + MINUTE, calendar=calendar()).blocked_until is None


@pytest.mark.django_db
def test_what_was_settled_long_ago_is_forgotten(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says("<html>", 502), quotes({"AAPL": quote("AAPL", now + MINUTE, "230")}))
    with pytest.raises(ProviderError):
        fetch_quotes(symbols=["AAPL"], now=now)
    assert prune_incidents(now=now + timedelta(days=99), keep=timedelta(days=90)) == 0
    fetch_quotes(symbols=["AAPL"], now=now + MINUTE)
    assert prune_incidents(now=now + timedelta(days=89), keep=timedelta(days=90)) == 0
    assert prune_incidents(now=now + timedelta(days=99), keep=timedelta(days=90)) == 1
