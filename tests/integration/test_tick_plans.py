"""How PostgreSQL goes about a tick over many rules: by index, never by reading them all."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from actions.engine import run_tick
from actions.models import Action, Watch
from actions.rules import Status
from bench.population import Population
from bench.trailing import TrailingStops
from market.services import accept_quotes
from tests.conftest import Feed

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


@contextmanager
def plans() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The nodes of the plans of all statements that are sent, by statement."""
    seen: dict[str, list[dict[str, Any]]] = {}

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.lstrip().startswith(("WITH", "SELECT", "UPDATE", "DELETE", "INSERT")):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                (found,) = cursor.fetchone()
            plan = found if isinstance(found, list) else json.loads(found)
            seen[sql] = list(nodes(plan[0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield seen


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read_whole(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def the_one(plans: dict[str, list[dict[str, Any]]], words: str) -> list[dict[str, Any]]:
    (found,) = (plan for sql, plan in plans.items() if words in sql)
    return found


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
    assert "actions_paused_idx" in indexes(the_one(seen, '"valid_until" <= '))


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
