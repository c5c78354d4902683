"""Measures ticks over growing numbers of rules, through the product's own functions."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from actions.engine import Report, look_at_the_woken, open_tick, run_tick
from actions.watches import wake, watchlist
from bench.machine import machine, peak_mb
from bench.market import Prepared, prepared_feed, samples
from bench.naive import naive_rules_per_s
from bench.plans import explained
from bench.population import Population
from bench.timing import median_ms, timed
from market.quotes import Sample, max_age
from market.services import accept_quotes

TICK = timedelta(seconds=10)
MOVE = Decimal("0.10")  # of the symbols that cross: some of their thresholds are 1 to 30 % away
CROSSING_TICKS = 6
WARM_UP_TICKS = 5  # after a checkpoint, and over pages just read from disk, they take longer
_ON_DISK = "SELECT pg_total_relation_size('actions'), pg_total_relation_size('watches')"


@dataclass(frozen=True)
class Result:
    """Times in milliseconds, each the median over the ticks of that kind; `on_disk` is bytes, of
    the rules and of their watches, with the indexes. Lists go by `sizes`."""

    symbols: int
    sizes: Sequence[int]
    quiet_ms: list[float] = field(default_factory=list)
    watchlist_ms: list[float] = field(default_factory=list)
    match_ms: list[float] = field(default_factory=list)
    crossing_ms: list[float] = field(default_factory=list)
    woken: list[float] = field(default_factory=list)
    evaluation_ms: list[float] = field(default_factory=list)
    on_disk: list[tuple[int, int]] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        figures = asdict(self)
        naive = figures.pop("naive")[0]
        covered = self.sizes[-1] / (self.quiet_ms[-1] / 1000)
        return figures | {
            "match_us_per_quote": self.match_ms[-1] * 1000 / self.symbols,
            "naive_rules_per_s": naive,
            "ratio_to_naive": covered / naive,
            "growth": self.quiet_ms[-1] / self.quiet_ms[0],
            "bytes_per_rule": self._bytes_per_rule(),
            "peak_mb": peak_mb(),
            "machine": machine(),
        }

    def _bytes_per_rule(self) -> dict[str, int]:
        """What a further rule takes on disk: from the smallest size to the largest."""
        several = len(self.sizes) > 1
        rules = self.sizes[-1] - (self.sizes[0] if several else 0)
        before = self.on_disk[0] if several else (0, 0)
        actions, watches = (
            round((late - early) / rules)
            for early, late in zip(before, self.on_disk[-1], strict=True)
        )
        return {"actions": actions, "watches": watches}


class Bench:
    """The market of a population, tick after tick. `say` is told what goes on."""

    def __init__(self, *, symbols: int, ticks: int, say: Callable[[str], None]) -> None:
        self.now = datetime.now(UTC)
        self._max_age = max_age(settings.TICK_SECONDS_OPEN)
        self._population = Population(symbols=symbols, at=self.now)
        self._ticks = ticks
        self._steps = 0
        self._say = say

    def run(self, sizes: Sequence[int], naive_seconds: float) -> Result:
        result = Result(len(self._population.prices), sizes)
        with prepared_feed() as feed:
            for size in sizes:
                self._say(f"{size:,} rules: making them ...")
                self._population.grow(size)
                result.on_disk.append(_on_disk())
                self._say(f"{size:,} rules: ticking ...")
                self._measure(feed, result)
                if not result.naive:
                    self._say("the naive loop ...")
                    rate = naive_rules_per_s(
                        now=self.now, max_age=self._max_age, seconds=naive_seconds
                    )
                    result.naive.append(rate)
        return result

    def grow(self, size: int) -> None:
        """Makes so many rules, all told, whose symbols have a price."""
        self._population.grow(size)
        self._match(self._next())

    def plans(self) -> dict[str, str]:
        """How rules are woken and leased when a thousandth of the symbols crosses."""
        with explained() as plans:
            self._match(self._next(self._moves(CROSSING_TICKS)))
            look_at_the_woken(now=self.now, report=Report())
        return plans

    def _measure(self, feed: Prepared, result: Result) -> None:
        for _ in range(WARM_UP_TICKS):
            self.quiet(feed)
        quiet, matches = [], []
        for _ in range(self._ticks):  # in turn, so that the machine's moods are shared
            quiet.append(self.quiet(feed))
            matches.append(self._match(self._next()))
        crossings = [self._crossing(feed, number) for number in range(CROSSING_TICKS)]
        result.quiet_ms.append(median_ms(quiet))
        result.watchlist_ms.append(median_ms([timed(watchlist)[0] for _ in range(self._ticks)]))
        result.match_ms.append(median_ms([seconds for seconds, _ in matches]))
        result.crossing_ms.append(median_ms([seconds for seconds, _, _ in crossings]))
        result.evaluation_ms.append(median_ms([seconds for _, seconds, _ in crossings]))
        result.woken.append(median(woken for _, _, woken in crossings))
        assert all(woken == 0 for _, woken in matches), "a quiet tick wakes nobody"

    def _next(self, moves: dict[str, Decimal] | None = None) -> list[Sample]:
        """The next tick's samples, with the clock moved on to it."""
        self.now += TICK
        self._steps += 1
        return samples(self._population.prices, self.now, moves, self._steps)

    def quiet(self, feed: Prepared) -> float:
        """The seconds of a tick at which nothing happens."""
        feed.samples = self._next()
        seconds, report = timed(lambda: run_tick(now=self.now))
        assert report.symbols == len(feed.samples)
        assert not report.woken, "a quiet tick wakes nobody"
        return seconds

    def _match(self, fresh: list[Sample]) -> tuple[float, int]:
        """Stores the quotes and wakes whom they concern, in one transaction as a tick does."""

        def match() -> int:
            with transaction.atomic():
                broken = accept_quotes(samples=fresh, now=self.now, max_age=self._max_age)
                return wake(symbols=broken, now=self.now)

        return timed(match)

    def _crossing(self, feed: Prepared, number: int) -> tuple[float, float, int]:
        """Seconds until the woken are known, seconds to judge and settle them, how many."""
        fresh = self._next(self._moves(number))
        before, _ = timed(lambda: open_tick(now=self.now, report=Report()))
        matching, woken = self._match(fresh)
        report = Report()
        looking, _ = timed(lambda: look_at_the_woken(now=self.now, report=report))
        assert not report.errors, report.errors
        feed.samples = self._next()
        run_tick(now=self.now)  # back to where they were
        return before + matching, looking, woken

    def _moves(self, number: int) -> dict[str, Decimal]:
        """A thousandth of the symbols, others at each number: every second one falls."""
        symbols = list(self._population.prices)
        count = max(1, len(symbols) // 1000)
        return {
            symbols[(number * count + n) * 37 % len(symbols)]: -MOVE if n % 2 else MOVE
            for n in range(count)
        }


def _on_disk() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_ON_DISK)
        actions, watches = cursor.fetchone()
    return actions, watches
