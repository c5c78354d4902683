"""How PostgreSQL goes about a tick over many rules: by index, never by reading them all."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from actions.engine import run_tick
from actions.models import Action, Watch
from actions.rules import Status
from bench.population import Population
from bench.trailing import TrailingStops
from market.services import accept_quotes
from tests.conftest import Feed
from tests.plans import indexes, plans, read_whole, the_one

RULES = 50_000
SYMBOLS = 500
PAUSED = 500
SECOND = timedelta(seconds=1)
MINUTE = timedelta(seconds=60)


@pytest.fixture
def population(db: None, feed: Feed, now: datetime) -> Population:
    """Many sleeping rules, some paused ones with an end, and statistics that know of both."""
    population = Population(symbols=SYMBOLS, at=now)
    population.grow(RULES)
    ids = list(Action.objects.values_list("pk", flat=True)[:PAUSED])
    Watch.objects.filter(action__in=ids).delete()
    Action.objects.filter(pk__in=ids).update(status=Status.PAUSED, valid_until=now + MINUTE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for symbol, price in population.prices.items():
        feed.says(symbol, price, now)
    accept_quotes(samples=feed.samples.values(), now=now, max_age=MINUTE)
    return population


def test_no_statement_of_a_tick_reads_all_rules_or_all_watches(
    population: Population, feed: Feed, now: datetime
) -> None:
    for symbol, price in population.prices.items():
        feed.says(symbol, price, now + SECOND)
    fallen, risen = list(population.prices)[:2]
    feed.says(fallen, population.prices[fallen] * 9 / 10, now + SECOND)
    feed.says(risen, population.prices[risen] * 11 / 10, now + SECOND)
    with plans() as seen:
        report = run_tick(now=now + SECOND)
    assert report.symbols == SYMBOLS
    assert report.fired == report.woken > 10
    assert report.errors == []
    for sql, plan in seen.items():
        assert not read_whole(plan) & {"actions", "watches"}, sql

    woken = indexes(the_one(seen, "found AS"))
    assert {"watches_below_idx", "watches_above_idx", "watches_at_idx", "actions_pkey"} <= woken
    assert "actions_pkey" in indexes(the_one(seen, "due AS"))
    assert "actions_paused_idx" in indexes(the_one(seen, "valid_until <= "))


def test_quotes_are_written_in_the_order_of_their_symbols_so_that_no_two_writers_wait_in_a_circle(
    population: Population, feed: Feed, now: datetime
) -> None:
    for symbol, price in population.prices.items():
        feed.says(symbol, price, now + SECOND)
    with plans() as seen:
        run_tick(now=now + SECOND)
    stored = the_one(seen, "UPDATE market_quote AS held")
    kinds = {node["Node Type"] for node in stored}
    assert "Merge Join" in kinds, "what it yields comes by symbol"
    assert not kinds & {"Hash Join", "Nested Loop"}
    assert "market_quote" not in read_whole(stored), "they are read in that order, not sorted"


def test_trailing_stops_are_found_by_their_marks_and_no_others_are_read(
    population: Population, feed: Feed, now: datetime
) -> None:
    stops = TrailingStops(symbols=50, at=now, say=lambda what: None)
    stops.make(5_000)
    fallen = next(iter(stops.prices))
    for symbol, price in stops.prices.items():
        feed.says(symbol, price * 3 if symbol != fallen else price * 9 / 10, now + SECOND)
    with plans() as seen:
        report = run_tick(now=now + SECOND)
    assert report.errors == []
    assert 10 < report.fired == report.woken < 100, "one symbol's, and not all of them"
    for sql, plan in seen.items():
        assert not read_whole(plan) & {"actions", "watches"}, sql
    assert "watches_turn_idx" in indexes(the_one(seen, "found AS"))
