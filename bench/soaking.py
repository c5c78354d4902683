"""The soak itself: what runs, who is killed, and what is left at the end."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
from django.db import connection
from django.db.models import Count

from accounts.models import User
from actions.models import Action, ActionExecution, Tick
from bench.command import Command, Failed, running
from bench.feed import PRICES, PricesInAFile
from bench.machine import machine
from bench.memory import Memory
from bench.population import Population
from bench.serving import served
from bench.visitors import Answers, visit
from portfolios.models import Holding
from portfolios.selectors import discrepancies

SETTINGS = "bench.soak_settings"
AS_DEPLOYED = {"MALLOC_ARENA_MAX": "1"}  # as the units and the image have it
SAMPLE_SECONDS = 5
WARM_UP = 0.2  # of the time
START_SECONDS = 60
RESTART_SECONDS = 2  # as a service manager waits before it starts what has died
STEP = 0.002  # of a price, the standard deviation of its move in a second
CENT = Decimal("0.01")


class Market(threading.Thread):
    """Moves every price a little, every second."""

    def __init__(self, feed: PricesInAFile, prices: dict[str, Decimal]) -> None:
        super().__init__(name="market", daemon=True)
        self._feed, self._prices = feed, dict(prices)
        self._random = random.Random(7)
        self._ended = threading.Event()
        feed.say(self._prices)

    def run(self) -> None:
        while not self._ended.wait(1):
            for symbol, price in self._prices.items():
                moved = price * Decimal(1 + self._random.gauss(0, STEP))
                self._prices[symbol] = max(moved, CENT)
            self._feed.say({each: price.quantize(CENT) for each, price in self._prices.items()})

    def end(self) -> None:
        self._ended.set()
        self.join()


class Service:
    """A command of manage.py that is started anew whenever it has ended, as systemd does."""

    def __init__(self, name: str, *, prices: Path, interval: float) -> None:
        self._name, self._prices, self._interval = name, prices, interval
        self._stack = ExitStack()
        self._command: Command | None = None
        self._start_at = 0.0

    def look(self) -> None:
        if self._command is not None and self._command.has_ended():
            self.end()
            self._start_at = monotonic() + RESTART_SECONDS
        if self._command is None and monotonic() >= self._start_at:
            self._command = self._stack.enter_context(
                running(
                    self._name,
                    prices=self._prices,
                    interval=self._interval,
                    environment={"DJANGO_SETTINGS_MODULE": SETTINGS, **AS_DEPLOYED},
                )
            )

    def processes(self) -> list[psutil.Process]:
        """It, and all that it has started, without the leash that the bench holds."""
        with suppress(psutil.Error):
            if self._command is not None:
                return psutil.Process(self._command.pid).children(recursive=True)
        return []

    def mortal(self) -> list[psutil.Process]:
        """Those that may be killed: of a worker the cluster's, without the watchdog's own leash."""
        with suppress(psutil.Error, ValueError):  # it is just being started
            if self._command is not None:
                (command,) = psutil.Process(self._command.pid).children()
                leash = command.children()
                return leash[0].children(recursive=True) if leash else [command]
        return []

    def end(self) -> None:
        self._stack.close()
        self._command = None


@dataclass
class Soak:
    """`seconds` of it. `say` is told what goes on."""

    seconds: float
    rules: int
    symbols: int
    interval: float
    visitors: int
    kill_every: float
    folder: Path
    say: Callable[[str], None]
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _answers: Answers = field(default_factory=Answers, init=False)
    _memory: Memory = field(default_factory=Memory, init=False)
    _killed: Counter[str] = field(default_factory=Counter, init=False)

    def run(self) -> dict[str, Any]:
        """The figures. Raises Failed when nobody ticks."""
        self.say(f"{self.rules:,} rules: making them ...")
        population = Population(symbols=self.symbols, at=datetime.now(UTC))
        population.grow(self.rules)
        Holding.objects.all().delete()  # nobody has bought them, so the ledger would not hold
        prices = self.folder / "prices.json"
        market = Market(PricesInAFile(prices), population.prices)
        services = {
            name: Service(name, prices=prices, interval=self.interval)
            for name in ("worker", "evaluator")
        }
        with ExitStack() as stack:
            for service in services.values():
                stack.callback(service.end)
            market.start()
            stack.callback(market.end)
            self._wait_for_ticks(services)
            os.environ[PRICES] = str(prices)  # the pages ask this feed, too
            os.environ |= AS_DEPLOYED
            url, web = stack.enter_context(served(SETTINGS, "--config=deploy/gunicorn_conf.py"))
            self.say(f"soaking for {self.seconds:.0f} s ...")
            began = datetime.now(UTC)
            visitors = visit(self._users(), url, self._answers, self._stop)
            self._soak(services, web)
            self._stop.set()
            for visitor in visitors:
                visitor.join()
            ended = datetime.now(UTC)
        return self._figures(began, ended)

    def _users(self) -> Sequence[User]:
        return list(User.objects.order_by("username")[: self.visitors])

    def _wait_for_ticks(self, services: dict[str, Service]) -> None:
        deadline = monotonic() + START_SECONDS
        while Tick.objects.count() < 2:
            for service in services.values():
                service.look()
            if monotonic() > deadline:
                raise Failed(f"nobody has ticked within {START_SECONDS} s.")
            self._stop.wait(0.5)

    def _soak(self, services: dict[str, Service], web: int) -> None:
        chance = random.Random(7)
        ends = monotonic() + self.seconds
        kill_at, sample_at = monotonic() + self.kill_every, 0.0
        while monotonic() < ends:
            for service in services.values():
                service.look()
            if monotonic() >= sample_at:
                self._memory.sample(_by_role(services, web))
                sample_at = monotonic() + SAMPLE_SECONDS
            if monotonic() >= kill_at:
                self._kill_one(services, chance)
                kill_at += self.kill_every
            self._stop.wait(0.5)

    def _kill_one(self, services: dict[str, Service], chance: random.Random) -> None:
        name = chance.choice(sorted(services))
        mortal = services[name].mortal()
        with suppress(psutil.Error):
            if mortal:
                chance.choice(mortal).kill()
                self._killed[name] += 1

    def _figures(self, began: datetime, ended: datetime) -> dict[str, Any]:
        found = discrepancies()
        executions = ActionExecution.objects.filter(execution_status="success")
        once = Action.objects.filter(max_executions=1).values("pk")
        twice = executions.filter(action__in=once).values("action").annotate(n=Count("pk"))
        return {
            "minutes": self.seconds / 60,
            "rules": self.rules,
            "symbols": self.symbols,
            "interval_s": self.interval,
            "visitors": self.visitors,
            "killed": dict(self._killed),
            "ticks": self._ticks(began, ended),
            "executions": executions.count(),
            "fired_twice": twice.filter(n__gt=1).count(),
            "answers": self._answers.as_json(),
            "ledger": "holds" if not found else f"{len(found)} differences",
            "memory": self._memory.as_json(warm_up=WARM_UP * self.seconds),
            "machine": machine(),
        }

    def _ticks(self, began: datetime, ended: datetime) -> dict[str, float]:
        """How many there were, and how many intervals lay between the starts of two."""
        ticks = Tick.objects.filter(started_at__range=(began, ended)).order_by("started_at")
        starts = [began, *ticks.values_list("started_at", flat=True), ended]
        gaps = sorted(
            (later - earlier).total_seconds() / self.interval for earlier, later in pairwise(starts)
        )
        return {
            "count": len(starts) - 2,
            "p50": round(gaps[len(gaps) // 2], 2),
            "p99": round(gaps[int(len(gaps) * 0.99)], 2),
            "most": round(gaps[-1], 2),
        }


def _by_role(services: dict[str, Service], web: int) -> dict[str, list[int]]:
    roles = {name: [each.pid for each in service.processes()] for name, service in services.items()}
    with suppress(psutil.Error):
        roles["web"] = [web, *(each.pid for each in psutil.Process(web).children())]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity")
        roles["postgres"] = [pid for (pid,) in cursor.fetchall()]
    return roles
