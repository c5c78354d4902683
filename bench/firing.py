"""Measures storms of firings, through the product's own functions."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.conf import settings
from django.db import transaction

from actions import engine
from actions.engine import Report, look_at_the_woken, run_tick
from actions.execute import Fired, commit_firings
from actions.models import Action, ActionExecution
from actions.watches import wake
from bench.floors import batched_per_s, single_per_s
from bench.machine import machine
from bench.market import Prepared, prepared_feed
from bench.storm import CALM, LOW, SYMBOL, Storm, tidy_up
from market.quotes import Sample, max_age
from market.services import accept_quotes
from portfolios.selectors import discrepancies

LONE_FIRINGS = 100
TICK = timedelta(seconds=10)

# A further evaluator: it sets itself up, then at each line leases and fires what is awake.
_EVALUATOR = """
import sys
from datetime import datetime
import django
django.setup()
from django.db import connection
from actions import engine
from actions.engine import Report, look_at_the_woken
from bench.market import prepared_feed
connection.ensure_connection()
with prepared_feed():
    print("ready", flush=True)
    for line in sys.stdin:
        report = Report()
        look_at_the_woken(now=datetime.fromisoformat(line.strip()), report=report)
        assert not report.errors, report.errors
        print(report.fired, flush=True)
"""


class Bench:
    """Storm after storm on one server. `say` is told what goes on."""

    def __init__(
        self, *, rules: int, portfolios: int, rounds: int, say: Callable[[str], None]
    ) -> None:
        self._now = datetime.now(UTC)
        self._rules = rules
        self._rounds = rounds
        self._say = say
        self._storm = Storm(portfolios=portfolios, at=self._now)

    def run(self) -> dict[str, Any]:
        """All figures, after all that was fired has been checked to be in the books."""
        with prepared_feed() as feed:
            self._say("warming up ...")
            self._one(feed)
            self._say("one evaluator ...")
            one = [self._one(feed) for _ in range(self._rounds)]
            self._say("two evaluators ...")
            others = [self._evaluator() for _ in range(2)]
            self._two(feed, others)  # they warm up, too
            two = [self._two(feed, others) for _ in range(self._rounds)]
            for other in others:
                other.communicate()
            self._say("lone firings ...")
            lone, look = self._lone(feed)
        fired = (2 + 2 * self._rounds) * self._rules + LONE_FIRINGS
        assert ActionExecution.objects.filter(execution_status="success").count() == fired
        assert discrepancies() == []
        url = os.environ["DATABASE_URL"]
        self._say("the floors ...")
        single = [single_per_s(self._floor_rules(), url) for _ in range(self._rounds)]
        batched = [batched_per_s(self._floor_rules(), url) for _ in range(self._rounds)]
        return {
            "trades_per_s": round(median(one), 1),
            "two_evaluators_per_s": round(median(two), 1),
            "floor_single_per_s": round(median(single), 1),
            "floor_batched_per_s": round(median(batched), 1),
            "lone_fire_ms": round(lone * 1000, 2),
            "lone_look_ms": round(look * 1000, 2),
            "rules": self._rules,
            "portfolios": len(self._storm.portfolios),
            "rounds": self._rounds,
            "batch": settings.LEASE_BATCH,
            "machine": machine(),
        }

    def _one(self, feed: Prepared) -> float:
        """Trades a second of a tick that everything fires in."""
        self._brew(self._rules)
        feed.samples = self._next(LOW)
        gc.collect()
        started = perf_counter()
        report = run_tick(now=self._now)
        seconds = perf_counter() - started
        assert report.fired == self._rules, report
        self._calm(feed)
        return self._rules / seconds

    def _two(self, feed: Prepared, others: "list[subprocess.Popen[str]]") -> float:
        """The same with two more processes: we store the quote and wake, both lease and fire."""
        self._brew(self._rules)
        fresh = self._next(LOW)
        started = perf_counter()
        self._wake(fresh)
        for other in others:
            assert other.stdin is not None
            other.stdin.write(f"{self._now.isoformat()}\n")
            other.stdin.flush()
        fired = [int(other.stdout.readline()) for other in others if other.stdout]
        seconds = perf_counter() - started
        assert sum(fired) == self._rules, fired
        self._calm(feed)
        return self._rules / seconds

    def _lone(self, feed: Prepared) -> tuple[float, float]:
        """Seconds from the lease of one woken rule to the commit of its firing, and to the end of
        the look at it: medians."""
        fires, looks = [], []
        tidy_up()

        def timed(**given: Any) -> Fired:
            fired = commit_firings(**given)
            fires.append(perf_counter() - started)
            return fired

        for _ in range(LONE_FIRINGS):
            self._storm.brew(1)
            self._wake(self._next(LOW))
            report = Report()
            with patch.object(engine, "commit_firings", timed):
                started = perf_counter()
                look_at_the_woken(now=self._now, report=report)
                looks.append(perf_counter() - started)
            assert report.fired == 1, report
            self._calm(feed)
        return median(fires), median(looks)

    def _brew(self, rules: int) -> None:
        self._storm.brew(rules)
        tidy_up()

    def _calm(self, feed: Prepared) -> None:
        feed.samples = self._next(CALM)
        run_tick(now=self._now)

    def _wake(self, fresh: list[Sample]) -> None:
        with transaction.atomic():
            broken = accept_quotes(
                samples=fresh, now=self._now, max_age=max_age(settings.TICK_SECONDS_OPEN)
            )
            wake(symbols=broken, now=self._now)

    def _next(self, price: Decimal) -> list[Sample]:
        self._now += TICK
        return [Sample(symbol=SYMBOL, price=price, as_of=self._now)]

    def _floor_rules(self) -> list[tuple[UUID, UUID]]:
        self._brew(self._rules)
        rules = Action.objects.filter(status="active").order_by("created_at", "id")
        return [
            (id, portfolio_id)
            for id, portfolio_id in rules.values_list("id", "portfolio_id")[: self._rules]
            if portfolio_id
        ]

    def _evaluator(self) -> "subprocess.Popen[str]":
        other = subprocess.Popen(
            [sys.executable, "-c", _EVALUATOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        return other
