"""Quotes come in: whom we follow, what is stored, and which symbols need a closer look."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from market.hours import AlwaysOpen
from market.models import Quote
from market.quotes import AlertLevels, Sample
from market.selectors import known_symbols, latest_quotes
from market.services import (
    ProviderError,
    UnknownSymbol,
    accept_quotes,
    calendar,
    fetch_quotes,
    follow,
    narrow_alerts,
    provider,
)
from tests.conftest import Feed, list_instruments

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MINUTE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


def sample(symbol: str, price: str, as_of: datetime, volume: int | None = None) -> Sample:
    return Sample(symbol, Decimal(price), as_of, volume)


def accept(now: datetime, *samples: Sample) -> list[str]:
    return accept_quotes(samples=samples, now=now, max_age=MINUTE)


def stored(symbol: str) -> Quote:
    return Quote.objects.get(instrument=symbol)


# --- Following ---


def test_a_followed_symbol_has_a_row_and_no_price_yet() -> None:
    follow(symbols=["IBM", "AAPL", "IBM"])
    follow(symbols=["AAPL"])
    assert sorted(Quote.objects.values_list("instrument_id", "price", "as_of")) == [
        ("AAPL", None, None),
        ("IBM", None, None),
    ]
    assert str(stored("AAPL")) == "AAPL (no price yet)"
    assert latest_quotes(symbols=["AAPL"]) == {}


def test_following_is_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        follow(symbols=["AAPL", "IBM", "MSFT"])


def test_following_what_is_no_instrument_names_it_and_follows_the_others() -> None:
    with pytest.raises(UnknownSymbol, match=r"Not known here: NOPE, ZZZ. Add an instrument first"):
        follow(symbols=["ZZZ", "AAPL", "NOPE"])
    assert [quote.instrument_id for quote in Quote.objects.all()] == ["AAPL"]


def test_following_nothing_does_nothing() -> None:
    follow(symbols=[])
    assert not Quote.objects.exists()


def test_an_instrument_that_is_switched_off_is_not_offered_and_can_still_be_followed() -> None:
    quote_of = "GOOG"
    list_instruments([quote_of])
    from_all = known_symbols()
    assert from_all == sorted(from_all)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE market_instrument SET is_active = false WHERE symbol = 'GOOG'")
    assert known_symbols() == [symbol for symbol in from_all if symbol != quote_of]
    follow(symbols=[quote_of])


# --- Storing ---


def test_a_sample_is_stored_whole_and_read_back_as_it_was(now: datetime) -> None:
    follow(symbols=["AAPL"])
    said = Sample(
        "AAPL", Decimal("96.123456"), now - SECOND, 79, Decimal("88.7"), True, 'a "note", {}\\'
    )
    accept(now, said)
    assert latest_quotes(symbols=["AAPL", "IBM"]) == {"AAPL": said}
    quote = stored("AAPL")
    assert (quote.received_at, quote.provider) == (now, "replay")
    assert str(quote) == "AAPL 96.123456"


def test_only_what_is_newer_is_stored(now: datetime) -> None:
    follow(symbols=["AAPL"])
    accept(now, sample("AAPL", "100", now))
    accept(now + SECOND, sample("AAPL", "90", now), sample("IBM", "90", now))
    accept(now + SECOND, sample("AAPL", "80", now - SECOND))
    assert stored("AAPL").price == 100
    accept(now + SECOND, sample("AAPL", "110", now + SECOND))
    assert stored("AAPL").price == 110


def test_of_two_samples_of_a_symbol_the_newer_one_counts(now: datetime) -> None:
    follow(symbols=["AAPL"])
    accept(now, sample("AAPL", "2", now), sample("AAPL", "1", now - SECOND))
    assert stored("AAPL").price == 2


def test_a_symbol_that_nobody_follows_is_ignored(now: datetime) -> None:
    assert accept(now, sample("AAPL", "100", now)) == []
    assert not Quote.objects.exists()


def test_a_sample_from_the_future_is_refused_recorded_and_logged_once(
    now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    follow(symbols=["AAPL", "IBM", "MSFT"])
    for _ in range(2):
        accept(
            now,
            sample("AAPL", "100", now + 6 * SECOND),
            sample("IBM", "100", now + 5 * SECOND),
            sample("MSFT", "100", now),
        )
    assert latest_quotes(symbols=["AAPL", "IBM", "MSFT"]).keys() == {"IBM", "MSFT"}
    (line,) = caplog.messages
    assert line.startswith("AAPL: it is said to be of 2026-11-17T15:00:06")


def test_accepting_costs_the_same_few_statements_for_any_number_of_symbols(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    symbols = [f"T{number}" for number in range(500)]
    list_instruments(symbols)
    follow(symbols=symbols)
    narrow_alerts(levels={symbol: AlertLevels(below=Decimal(10)) for symbol in symbols})
    # Joins by merging only, and by any way again; storing and finding between and after.
    with django_assert_num_queries(4):
        woken = accept(now, *(sample(symbol, "10", now) for symbol in symbols))
    assert woken == sorted(symbols)


def test_a_tick_without_samples_still_tells_who_must_be_woken(now: datetime) -> None:
    follow(symbols=["AAPL"])
    accept(now, sample("AAPL", "100", now))
    narrow_alerts(levels={"AAPL": AlertLevels(above=Decimal(99))})
    assert accept(now + SECOND) == ["AAPL"]


# --- Waking ---


@pytest.mark.parametrize(
    ("levels", "price", "volume", "woken"),
    [
        (AlertLevels(), "100", 50, False),
        (AlertLevels(below=Decimal(100)), "100.000001", 50, False),
        (AlertLevels(below=Decimal(100)), "100", 50, True),
        (AlertLevels(below=Decimal(100)), "1", None, True),
        (AlertLevels(above=Decimal(100)), "99.999999", 50, False),
        (AlertLevels(above=Decimal(100)), "100", 50, True),
        (AlertLevels(volume=50), "100", 49, False),
        (AlertLevels(volume=50), "100", 50, True),
        (AlertLevels(volume=50), "100", None, False),
        (AlertLevels(Decimal(90), Decimal(110), 60), "100", 50, False),
        (AlertLevels(Decimal(90), Decimal(110), 60), "100", 61, True),
    ],
)
def test_a_level_wakes_when_it_is_reached(
    now: datetime, levels: AlertLevels, price: str, volume: int | None, woken: bool
) -> None:
    narrow_alerts(levels={"AAPL": levels})
    assert accept(now, sample("AAPL", price, now, volume)) == (["AAPL"] if woken else [])


def test_a_stale_quote_wakes_nobody(now: datetime) -> None:
    narrow_alerts(levels={"AAPL": AlertLevels(below=Decimal(100))})
    assert accept(now, sample("AAPL", "99", now)) == ["AAPL"]
    assert accept(now + MINUTE) == ["AAPL"]
    assert accept(now + MINUTE + SECOND) == []


# --- Providers ---


def test_the_provider_is_asked_for_what_is_wanted(feed: Feed, now: datetime) -> None:
    feed.says("AAPL", "100", now)
    feed.says("IBM", "50", now)
    assert fetch_quotes(symbols=["AAPL", "MSFT"], now=now).samples == [feed.samples["AAPL"]]
    assert calendar() is feed.calendar


def test_a_provider_that_fails_is_one_kind_of_error_with_its_cause(
    feed: Feed, now: datetime
) -> None:
    feed.error = TimeoutError("no answer in 10 s")
    with pytest.raises(ProviderError, match=r"^test: TimeoutError: no answer in 10 s$") as failed:
        fetch_quotes(symbols=["AAPL"], now=now)
    assert failed.value.__cause__ is feed.error


@pytest.mark.parametrize("ask", [provider, calendar])
def test_a_provider_that_is_not_known_is_named_with_those_that_are(
    ask: object, settings: Settings
) -> None:
    settings.MARKET_PROVIDER = "foo"
    message = r"^MARKET_PROVIDER='foo' is not known\. Use one of: replay, twelvedata, alpaca\.$"
    with pytest.raises(ImproperlyConfigured, match=message):
        ask()  # type: ignore[operator]


def test_the_calendar_of_a_replay_is_always_open_before_there_is_one() -> None:
    assert type(calendar()) is AlwaysOpen
