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
from itertools import cycle, pairwise
from math import inf
from pathlib import Path
from queue import SimpleQueue
from time import monotonic, sleep
from typing import Any

import psutil
from django.db import connection
from django.db.models import Count
from django_q.models import OrmQ
from django_q.tasks import async_task

from accounts.models import User
from actions.evaluator import end_evaluators_session
from actions.models import Action, ActionExecution, Tick
from actions.tasks import DELIVER
from bench.command import Command, Failed, running
from bench.feed import PRICES, PricesInAFile
from bench.machine import machine
from bench.memory import Memory
from bench.population import Population
from bench.serving import served
from bench.visitors import Answers, visiting
from portfolios.models import Holding
from portfolios.selectors import discrepancies

SETTINGS = "bench.soak_settings"
DEPLOYED = ("worker", "evaluator", "evaluator")  # as the units and the compose file have them
AS_DEPLOYED = {"MALLOC_ARENA_MAX": "1"}  # as the units and the image have it
LOOK_SECONDS = 0.5
SAMPLE_SECONDS = 5
RESTART_SECONDS = 2  # as a service manager waits before it starts what has died
THINKING_SECONDS = 0.1  # between two requests of one visitor
# A process is as large as its busiest moment has made it. So before the clock starts, all are asked
# for more at once than they are afterwards: what still grows then is not for lack of such a moment.
WARM_UP_CROWD = 2  # times as many visitors, who do not think
WARM_UP_TICKS = 10  # after each move
# Thousands of rules fire at each: first one evaluator's storm, then, further out, the other one's.
WARM_UP_MOVES = (
    (Decimal("1.04"), Decimal("0.92"), Decimal("1.04")),
    (Decimal("1.08"), Decimal("0.85"), Decimal("1.09")),
)
WARM_UP_JOBS = 1 / 8  # of the cluster, for each request: some 3,000 fill what a process keeps
WAIT_SECONDS = 600  # for any of this
STEP = 0.002  # of a price, the standard deviation of its move in a second
CENT = Decimal("0.01")


class Market(threading.Thread):
    """Moves every price a little, every second, and all of them at once when it is told to."""

    def __init__(self, feed: PricesInAFile, prices: dict[str, Decimal]) -> None:
        super().__init__(name="market", daemon=True)
        self._feed, self._prices = feed, dict(prices)
        self._random = random.Random(7)
        self._ended = threading.Event()
        self._moves: SimpleQueue[Decimal] = SimpleQueue()
        feed.say(self._prices)

    def move_all(self, times: Decimal) -> None:
        self._moves.put(times)

    def run(self) -> None:
        while not self._ended.wait(1):
            all_move = Decimal(1) if self._moves.empty() else self._moves.get()
            for symbol, price in self._prices.items():
                moved = all_move * price * Decimal(1 + self._random.gauss(0, STEP))
                self._prices[symbol] = max(moved, CENT)
            self._feed.say({each: price.quantize(CENT) for each, price in self._prices.items()})

    def end(self) -> None:
        self._ended.set()
        self.join()


class Service:
    """A command of manage.py that is started anew whenever it has ended, as systemd does."""

    def __init__(self, name: str, *, prices: Path, interval: float) -> None:
        self.name, self._prices, self._interval = name, prices, interval
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
                    self.name,
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
    """`seconds` of it, after `warm_up` requests and a calm. `say` is told what goes on."""

    seconds: float
    rules: int
    symbols: int
    interval: float
    visitors: int
    kill_every: float
    warm_up: int
    calm: float
    folder: Path
    say: Callable[[str], None]
    _memory: Memory = field(default_factory=Memory, init=False)
    _killed: Counter[str] = field(default_factory=Counter, init=False)
    _chance: random.Random = field(default_factory=lambda: random.Random(7), init=False)

    def run(self) -> dict[str, Any]:
        """The figures. Raises Failed when nobody ticks."""
        self.say(f"{self.rules:,} rules: making them ...")
        population = Population(symbols=self.symbols, at=datetime.now(UTC))
        population.grow(self.rules)
        Holding.objects.all().delete()  # nobody has bought them, so the ledger would not hold
        users = list(User.objects.order_by("username"))
        prices = self.folder / "prices.json"
        market = Market(PricesInAFile(prices), population.prices)
        services = [Service(name, prices=prices, interval=self.interval) for name in DEPLOYED]
        with ExitStack() as stack:
            for service in services:
                stack.callback(service.end)
            market.start()
            stack.callback(market.end)
            _wait_for_ticks(services, 2)
            os.environ[PRICES] = str(prices)  # the pages ask this feed, too
            os.environ |= AS_DEPLOYED
            url, web = stack.enter_context(served(SETTINGS, "--config=deploy/gunicorn_conf.py"))
            self.say("warming up ...")
            with visiting(users[: WARM_UP_CROWD * self.visitors], url, thinks=0) as crowd:
                self._warm_up(services, market, crowd)
            users = users[: self.visitors]
            self.say(f"all is calm for {self.calm:.0f} s ...")
            with visiting(users, url, thinks=THINKING_SECONDS) as calm:
                self._soak(services, web, seconds=self.calm, kills=False)
            self.say(f"soaking for {self.seconds:.0f} s ...")
            began = datetime.now(UTC)
            with visiting(users, url, thinks=THINKING_SECONDS) as answers:
                self._soak(services, web, seconds=self.seconds, kills=True)
            ended = datetime.now(UTC)
        return self._figures(began, ended, answers, before=[crowd, calm])

    def _warm_up(self, services: Sequence[Service], market: Market, crowd: Answers) -> None:
        for moves in WARM_UP_MOVES:
            for move in moves:
                market.move_all(move)
                _wait_for_ticks(services, WARM_UP_TICKS)
            end_evaluators_session()  # so that the other one goes on
        for _ in range(int(self.warm_up * WARM_UP_JOBS)):
            async_task(DELIVER)
        _wait_for(services, lambda: not OrmQ.objects.exists(), "the end of the cluster's jobs")
        _wait_for(services, lambda: len(crowd.seconds) >= self.warm_up, f"{self.warm_up} answers")

    def _soak(self, services: Sequence[Service], web: int, *, seconds: float, kills: bool) -> None:
        worker, *evaluators = services
        turns = cycle(evaluators)  # one ticks until its turn, and the other does from then on
        began = monotonic()
        kill_at = began + self.kill_every if kills else inf
        sample_at = 0.0
        while (now := monotonic()) < began + seconds:
            _look(services)
            if now >= sample_at:
                self._memory.sample(_by_role(services, web))
                sample_at = now + SAMPLE_SECONDS
            if now >= kill_at:
                # The evaluators last, whose memory is told until then.
                self._kill_one(worker if now < began + seconds / 2 else next(turns))
                kill_at += self.kill_every
            sleep(LOOK_SECONDS)

    def _kill_one(self, service: Service) -> None:
        mortal = service.mortal()
        with suppress(psutil.Error):
            if mortal:
                self._chance.choice(mortal).kill()
                self._killed[service.name] += 1

    def _figures(
        self, began: datetime, ended: datetime, answers: Answers, before: Sequence[Answers]
    ) -> dict[str, Any]:
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
            "before": {
                "requests": sum(len(each.seconds) for each in before),
                "error_responses": sum(len(each.wrong) for each in before),
                "calm_s": self.calm,
            },
            "killed": dict(self._killed),
            "ticks": self._ticks(began, ended),
            "executions": executions.count(),
            "fired_twice": twice.filter(n__gt=1).count(),
            "answers": answers.as_json(),
            "ledger": "holds" if not found else f"{len(found)} differences",
            "memory": self._memory.as_json(),
            "machine": machine(),
        }

    def _ticks(self, began: datetime, ended: datetime) -> dict[str, float]:
        """How many asked the feed, and how many intervals lay between the starts of two of them.

        Short ticks, for prices that visitors brought, have no symbols: they keep no interval.
        """
        ticks = Tick.objects.filter(started_at__range=(began, ended), symbols__gt=0)
        ticks = ticks.order_by("started_at")
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


def _wait_for_ticks(services: Sequence[Service], count: int) -> None:
    enough = Tick.objects.count() + count
    _wait_for(services, lambda: Tick.objects.count() >= enough, f"{count} ticks")


def _wait_for(services: Sequence[Service], condition: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + WAIT_SECONDS
    while not condition():
        _look(services)
        if monotonic() > deadline:
            raise Failed(f"{what} did not come within {WAIT_SECONDS} s.")
        sleep(LOOK_SECONDS)


def _look(services: Sequence[Service]) -> None:
    for service in services:
        service.look()


def _by_role(services: Sequence[Service], web: int) -> dict[str, list[int]]:
    roles: dict[str, list[int]] = {}
    for service in services:
        roles.setdefault(service.name, []).extend(each.pid for each in service.processes())
    with suppress(psutil.Error):
        roles["web"] = [web, *(each.pid for each in psutil.Process(web).children())]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        roles["postgres"] = [pid for (pid,) in cursor.fetchall()]
    return roles
