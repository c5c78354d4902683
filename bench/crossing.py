"""Measures the way from a price to its trade: real processes, one rule at a time."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection
from django_q.models import OrmQ

from actions.models import Tick
from bench.command import Command, running
from bench.feed import PricesInAFile
from bench.machine import machine
from bench.population import Population
from bench.stream import stream
from bench.timing import percentile_ms
from market.models import FeedAsk

WARM_UP = 3  # trades that do not count: the first one loads what all need
WARM_UP_TICKS = 3
NO_JUMP = Decimal("0.81")
STREAM_INTERVAL = 600  # seconds: longer than it takes, so that no tick asks for what is streamed
START_SECONDS = 60
PATIENCE_SECONDS = 30  # for a trade, beside two intervals
LOOK_SECONDS = 0.001  # between two looks for the trade

# The rule of each symbol that waits for the least of a fall.
_NEAREST = """
SELECT DISTINCT ON (symbol) action_id, symbol, below
  FROM watches WHERE below IS NOT NULL ORDER BY symbol, below DESC
"""

# The instant is that of the tick.
_TRADE = """
SELECT triggered_at, execution_status FROM action_executions WHERE action_id = %s
"""


class Crossing(NamedTuple):
    """A rule that sleeps, and the price at which it fires: the highest that any of its symbol's
    rules waits for."""

    action_id: UUID
    symbol: str
    price: Decimal


@dataclass(frozen=True)
class Sample:
    """Seconds until the trade was seen: since the price changed, and since its tick began."""

    whole: float
    engine: float


class Bench:
    """Rules that sleep, for one process after the other to watch. `say` is told what goes on."""

    def __init__(
        self,
        *,
        rules: int,
        symbols: int,
        interval: float,
        samples: int,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._interval = interval
        self._samples = samples
        self._say = say
        self._random = random.Random(samples)
        self._file = folder / "prices.json"
        self._feed = PricesInAFile(self._file)
        say(f"{rules:,} rules: making them ...")
        self._population = Population(symbols=symbols, at=datetime.now(UTC))
        self._population.grow(rules)

    def run(self) -> dict[str, Any]:
        """The figures of both ways to evaluate, and of a stream beside the first."""
        return {
            "evaluator": self._measure("evaluator"),
            "cluster": self._measure("worker"),
            "stream": self._measure_stream(),
            "rules": self._population.rules,
            "symbols": len(self._population.prices),
            "interval_s": self._interval,
            "samples": self._samples,
            "machine": machine(),
        }

    def _measure(self, name: str) -> dict[str, float]:
        """Milliseconds with `manage.py NAME` at work."""
        self._say(f"manage.py {name}: {self._samples} trades ...")
        self._feed.say(self._population.prices)
        OrmQ.objects.all().delete()  # deliveries that the evaluator before has asked for
        crossings = self._choose()
        with (
            running(name, prices=self._file, interval=self._interval) as command,
            psycopg.connect(**connection.get_connection_params(), autocommit=True) as watcher,
        ):
            self._wait_for_ticks(command)
            samples = [self._cross(crossing, command, watcher) for crossing in crossings][WARM_UP:]
        return _figures(samples)

    def _measure_stream(self) -> dict[str, float]:
        """The same with `manage.py evaluator` and `manage.py stream`, told over a socket."""
        self._say(f"manage.py stream: {self._samples} trades ...")
        self._feed.say(self._population.prices)
        crossings = self._choose()
        symbols = list(self._population.prices)
        FeedAsk.objects.bulk_create(  # what is streamed is believed once it was asked for
            FeedAsk(instrument_id=symbol, subject="quote", answered_at=datetime.now(UTC))
            for symbol in symbols
        )
        with stream() as told:
            environment = {
                "MARKET_PROVIDER": "twelvedata",
                "TWELVEDATA_API_KEY": "bench",
                "TWELVEDATA_STREAM_URL": told.url,
                "TWELVEDATA_STREAM_SYMBOLS": str(len(symbols)),
            }
            begin = partial(
                running, prices=self._file, interval=STREAM_INTERVAL, environment=environment
            )
            with (
                begin("evaluator") as command,
                psycopg.connect(**connection.get_connection_params(), autocommit=True) as watcher,
            ):
                self._wait_for_ticks(command, 1)
                with begin("stream") as streaming:
                    _wait_until(
                        lambda: len(told.symbols) == len(symbols), streaming, "does not listen"
                    )
                    time.sleep(1)  # its instants are whole seconds, and must be after the tick's
                    samples = []
                    for crossing in crossings:
                        time.sleep(self._random.uniform(0, self._interval))
                        changed = told.tell(crossing.symbol, crossing.price)
                        ticked, seen = self._trade(crossing.action_id, command, watcher)
                        samples.append(_sample(changed, ticked, seen))
        return _figures(samples[WARM_UP:])

    def _choose(self) -> list[Crossing]:
        with connection.cursor() as cursor:
            cursor.execute(_NEAREST)
            nearest = [Crossing(*row) for row in cursor.fetchall()]
        # A fall of more than a fifth would be held until a second price confirms it.
        prices = self._population.prices
        nearest = [one for one in nearest if one.price > prices[one.symbol] * NO_JUMP]
        return self._random.sample(nearest, WARM_UP + self._samples)

    def _wait_for_ticks(self, command: Command, ticks: int = WARM_UP_TICKS) -> None:
        until = Tick.objects.count() + ticks
        _wait_until(
            lambda: Tick.objects.count() >= until,
            command,
            "does not tick",
            START_SECONDS + ticks * self._interval,
        )

    def _cross(
        self, crossing: Crossing, command: Command, watcher: "psycopg.Connection[Any]"
    ) -> Sample:
        """Moves the price at a random instant of an interval, and back once the trade is there."""
        prices = self._population.prices
        time.sleep(self._random.uniform(0, self._interval))
        changed = self._feed.say(prices | {crossing.symbol: crossing.price})
        ticked, seen = self._trade(crossing.action_id, command, watcher)
        self._feed.say(prices)
        return _sample(changed, ticked, seen)

    def _trade(
        self, action_id: UUID, command: Command, watcher: "psycopg.Connection[Any]"
    ) -> tuple[datetime, datetime]:
        """When the tick that traded began, and when another connection saw the trade."""
        deadline = time.monotonic() + 2 * self._interval + PATIENCE_SECONDS
        while (row := watcher.execute(_TRADE, [action_id]).fetchone()) is None:
            if time.monotonic() > deadline:
                raise command.failure("did not trade")
            time.sleep(LOOK_SECONDS)
        seen = datetime.now(UTC)
        ticked, status = row
        assert status == "success", status
        return ticked, seen


def _wait_until(
    condition: Callable[[], bool], command: Command, failing: str, seconds: float = START_SECONDS
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        command.check()
        if time.monotonic() > deadline:
            raise command.failure(failing)
        time.sleep(0.05)


def _sample(changed: datetime, ticked: datetime, seen: datetime) -> Sample:
    return Sample((seen - changed).total_seconds(), (seen - ticked).total_seconds())


def _figures(samples: Sequence[Sample]) -> dict[str, float]:
    whole = [sample.whole for sample in samples]
    engine = [sample.engine for sample in samples]
    return {
        "p50_ms": percentile_ms(whole, 50),
        "p99_ms": percentile_ms(whole, 99),
        "engine_p50_ms": percentile_ms(engine, 50),
        "engine_p99_ms": percentile_ms(engine, 99),
    }
