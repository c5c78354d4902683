"""Alert levels: tightened by many at once, loosened by one, and never too wide."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from time import monotonic, sleep

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from pytest_django import DjangoAssertNumQueries

from market.models import Quote
from market.quotes import AlertLevels, Sample
from market.services import (
    UnknownSymbol,
    accept_quotes,
    follow,
    lock_alerts,
    narrow_alerts,
    replace_alerts,
)
from tests.conftest import list_instruments

SYMBOLS = ["AAPL", "IBM", "MSFT"]
PATIENCE_SECONDS = 120


def levels_of(symbol: str) -> AlertLevels:
    quote = Quote.objects.get(instrument=symbol)
    return AlertLevels(quote.alert_below, quote.alert_above, quote.alert_volume)


def below(price: int | str) -> AlertLevels:
    return AlertLevels(below=Decimal(price))


@pytest.mark.django_db
@pytest.mark.usefixtures("instruments")
class TestOne:
    def test_levels_only_ever_become_tighter(self) -> None:
        narrow_alerts(levels={"AAPL": AlertLevels(Decimal(90), Decimal(110), 500)})
        narrow_alerts(levels={"AAPL": AlertLevels(Decimal(80), Decimal(120), 600)})
        assert levels_of("AAPL") == AlertLevels(Decimal(90), Decimal(110), 500)
        narrow_alerts(levels={"AAPL": AlertLevels(Decimal(95), Decimal(105), 400)})
        assert levels_of("AAPL") == AlertLevels(Decimal(95), Decimal(105), 400)

    def test_a_level_that_nobody_asked_for_changes_nothing(self) -> None:
        narrow_alerts(levels={"AAPL": AlertLevels(below=Decimal(90))})
        narrow_alerts(levels={"AAPL": AlertLevels(volume=5)})
        narrow_alerts(levels={"AAPL": AlertLevels()})
        assert levels_of("AAPL") == AlertLevels(below=Decimal(90), volume=5)

    def test_levels_for_a_symbol_that_nobody_followed_follow_it(self) -> None:
        narrow_alerts(levels={"AAPL": below(90)})
        assert levels_of("AAPL") == below(90)

    @pytest.mark.django_db(transaction=True)
    def test_levels_for_what_is_no_instrument_fail_the_commit(self) -> None:
        with pytest.raises(IntegrityError, match="NOPE"):
            narrow_alerts(levels={"NOPE": below(90)})

    def test_replacing_sets_exactly_what_is_asked(self) -> None:
        narrow_alerts(levels={"AAPL": AlertLevels(Decimal(90), Decimal(110), 500), "IBM": below(1)})
        replace_alerts(levels={"AAPL": AlertLevels(above=Decimal(120))})
        assert levels_of("AAPL") == AlertLevels(above=Decimal(120))
        assert levels_of("IBM") == below(1)

    def test_each_is_one_statement_and_none_for_nothing(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        levels = {symbol: below(9) for symbol in SYMBOLS}
        with django_assert_num_queries(3):
            narrow_alerts(levels=levels)
            lock_alerts(symbols=SYMBOLS)
            replace_alerts(levels=levels)
        with django_assert_num_queries(0):
            narrow_alerts(levels={})
            replace_alerts(levels={})

    def test_there_is_nothing_to_lock_of_a_symbol_that_nobody_follows(self) -> None:
        follow(symbols=["AAPL"])
        with pytest.raises(UnknownSymbol, match=r"Not followed: IBM, MSFT\. Call follow"):
            lock_alerts(symbols=SYMBOLS)

    def test_new_prices_leave_the_levels_alone(self, now: datetime) -> None:
        narrow_alerts(levels={"AAPL": below(90)})
        samples = [Sample("AAPL", Decimal(100), now)]
        accept_quotes(samples=samples, now=now, max_age=timedelta(seconds=60))
        assert levels_of("AAPL") == below(90)


# --- Several at once, on connections of their own ---


@pytest.fixture
def reasons(transactional_db: None) -> Iterator[None]:
    """A table of who asks for which level: what the watches are to the application."""
    list_instruments(SYMBOLS)
    follow(symbols=SYMBOLS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE test_reasons (symbol text, below numeric)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE test_reasons")


@contextmanager
def threads() -> Iterator[Callable[[Callable[[], None]], Future[None]]]:
    """Runs functions beside the test, each on a database connection of its own."""

    def on_own_connection(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as pool:
        yield lambda work: pool.submit(on_own_connection, work)


def wait_until_somebody_waits_for_a_lock() -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps its first look
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() == (1,):
                return
        sleep(0.01)
    pytest.fail("Nobody waited for a lock.")


def ask(symbol: str, price: int) -> None:
    """What a rule does: its reason and the narrowed level, in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO test_reasons VALUES (%s, %s)", [symbol, price])
    narrow_alerts(levels={symbol: below(price)})


def widen(symbols: list[str]) -> None:
    """What the application does: lock, read the reasons in a second statement, replace."""
    lock_alerts(symbols=symbols)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT symbol, max(below) FROM test_reasons WHERE symbol = ANY(%s) GROUP BY symbol",
            [symbols],
        )
        highest = dict(cursor.fetchall())
    replace_alerts(levels={symbol: AlertLevels(below=highest.get(symbol)) for symbol in symbols})


def test_a_level_narrowed_while_the_levels_are_recomputed_is_not_lost(reasons: None) -> None:
    ask("AAPL", 50)

    def narrow() -> None:
        with transaction.atomic():
            ask("AAPL", 80)

    with threads() as beside:
        with transaction.atomic():
            lock_alerts(symbols=["AAPL"])
            narrowed = beside(narrow)
            wait_until_somebody_waits_for_a_lock()
            replace_alerts(levels={"AAPL": below(10)})
        narrowed.result(PATIENCE_SECONDS)
    assert levels_of("AAPL") == below(80)


def test_a_reason_that_commits_while_the_lock_is_awaited_is_seen(reasons: None) -> None:
    ask("AAPL", 90)  # tighter than what follows, which must lock the level all the same

    def recompute() -> None:
        with transaction.atomic():
            widen(["AAPL"])

    with threads() as beside:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM test_reasons")
            ask("AAPL", 80)
            widened = beside(recompute)
            wait_until_somebody_waits_for_a_lock()
        widened.result(PATIENCE_SECONDS)
    assert levels_of("AAPL") == below(80)


def test_whoever_narrows_waits_for_a_tick_and_then_finds_its_price(
    reasons: None, now: datetime
) -> None:
    def narrow() -> None:
        with transaction.atomic():
            ask("AAPL", 100)

    minute = timedelta(seconds=60)
    with threads() as beside:
        with transaction.atomic():
            samples = [Sample("AAPL", Decimal(99), now)]
            assert accept_quotes(samples=samples, now=now, max_age=minute) == []
            narrowed = beside(narrow)
            wait_until_somebody_waits_for_a_lock()
        narrowed.result(PATIENCE_SECONDS)
    # The price did not move, and the next tick wakes all the same.
    with transaction.atomic():
        assert accept_quotes(samples=[], now=now, max_age=minute) == ["AAPL"]


def test_ticks_narrowings_and_recomputations_neither_deadlock_nor_lose_a_level(
    reasons: None, now: datetime
) -> None:
    stop = Event()

    def narrow(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            with transaction.atomic():
                with connection.cursor() as cursor:
                    prices = {symbol: dice.randint(1, 10_000) for symbol in SYMBOLS}
                    cursor.executemany(
                        "INSERT INTO test_reasons VALUES (%s, %s)", list(prices.items())
                    )
                shuffled = dice.sample(SYMBOLS, len(SYMBOLS))
                narrow_alerts(levels={symbol: below(prices[symbol]) for symbol in shuffled})

    def widen_all_the_time(seed: int) -> None:
        dice = random.Random(seed)
        while not stop.is_set():
            with transaction.atomic():
                widen(dice.sample(SYMBOLS, len(SYMBOLS)))

    def tick_all_the_time(seed: int) -> None:
        dice, at = random.Random(seed), now
        while not stop.is_set():
            at += timedelta(milliseconds=1)
            samples = [Sample(symbol, Decimal(100), at) for symbol in dice.sample(SYMBOLS, 3)]
            with transaction.atomic():
                accept_quotes(samples=samples, now=at, max_age=timedelta(seconds=60))

    with threads() as beside:
        others = [beside(partial(widen_all_the_time, 1)), beside(partial(tick_all_the_time, 2))]
        others.append(beside(partial(tick_all_the_time, 3)))
        try:
            for narrowed in [beside(partial(narrow, seed)) for seed in range(4)]:
                narrowed.result(PATIENCE_SECONDS)
        finally:
            stop.set()
        for other in others:
            other.result(PATIENCE_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT symbol, max(below) FROM test_reasons GROUP BY symbol")
        expected = {symbol: AlertLevels(below=price) for symbol, price in cursor.fetchall()}
    assert {symbol: levels_of(symbol) for symbol in SYMBOLS} == expected


def test_levels_cannot_be_locked_outside_a_transaction(reasons: None) -> None:
    with pytest.raises(TransactionManagementError):
        lock_alerts(symbols=SYMBOLS)
