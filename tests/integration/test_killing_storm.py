"""A storm of firings among evaluators that are killed, on a PostgreSQL that is killed too.

STORM_SEED=7 kills in the same places again, though never at quite the same moments.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import NamedTuple

import pytest
from django.core.management import call_command

from actions.engine import Report
from actions.models import Action, ActionExecution, Notification, Watch
from bench.storm import CALM, LOW, SYMBOL, Storm
from portfolios.models import Transaction
from tests.evaluators import COMMIT, LEASE, SECOND, STATEMENT, Death, Shift, evaluate
from tests.postgres import run_cluster
from tests.processes import DATABASE_GONE, KILLED, Running, begin, done_by_another
from tradingrules.embedded import processes
from tradingrules.embedded.cluster import Cluster

RULES = 5_000
PORTFOLIOS = 100
BATCH = 25
AT_ONCE = 4  # evaluators
KILLS_WHILE_IT_BREAKS = 24  # at the instant of the quote that wakes all rules
KILLS_AFTER_ONE_LEASE = 16
SHOT = 4  # one in so many is killed from outside; the others die at a planted point
POSTGRES_DIES_AFTER = 8  # kills
PATIENCE = 300  # seconds for the whole storm, on a machine that has other things to do

FIRST = [  # one alone, after the other: the steps that only the first evaluator of a tick takes
    Death("after", "actions.engine.accept_quotes"),
    Death("after", "actions.watches.wake"),
    Death("before", COMMIT),
    Death("after", "actions.engine.take_in"),
]
POINTS = [
    STATEMENT,
    COMMIT,
    "actions.lease.ask",
    "actions.engine.lease_actions_for_evaluation",
    "actions.engine.judge",
    "actions.engine.commit_firings",
    "actions.engine.settle",
    "actions.execute.lock_leased",
    "actions.execute.ask_locked",
    "actions.execute.book",
    "actions.execute.write",
    "actions.execute.write_executions",
    "actions.execute.write_rules",
    "actions.execute.set_watches",
    "actions.execute.tell",
    "actions.watches.widen_alerts",
]
MOST_TIMES = {STATEMENT: 60, COMMIT: 12, "actions.lease.ask": 4}
MOST_TIMES |= {"actions.engine.judge": 4 * BATCH, "actions.execute.book": 4 * BATCH}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the storm's own, as durable as the product's: this run's others go on."""
    folder = run_cluster().directory.parent / f"storm-{os.getpid()}"
    folder.mkdir(mode=0o755)
    cluster = Cluster(folder / "postgres", fsync=True)
    cluster.ensure_running()
    yield cluster
    cluster.stop(at_once=True)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_storm_fires_every_rule_once_whoever_is_killed(cluster: Cluster, now: datetime) -> None:
    seed = int(os.environ.get("STORM_SEED") or random.SystemRandom().randrange(10_000))
    print(f"STORM_SEED={seed}")  # noqa: T201 -- pytest shows it when the test fails
    url = cluster.url()
    begin(url, prepare, now).result(seconds=PATIENCE)
    storm = Supervisor(url, cluster, random.Random(seed))

    for death in FIRST:
        assert storm.begin(now, LOW, death).exit_code(seconds=90) == KILLED
    storm.rage(now, LOW, kills=KILLS_WHILE_IT_BREAKS)
    # The price goes back: what is left was woken by a quote that nobody will see again.
    storm.rage(now + LEASE, CALM, kills=KILLS_AFTER_ONE_LEASE)
    left = done_by_another(url, rules_awake)
    assert left > BATCH, "all was done before the killing ended: kill more, or make more rules"
    storm.calm_down(now + 2 * LEASE, CALM)

    assert storm.planted + storm.shot == KILLS_WHILE_IT_BREAKS + KILLS_AFTER_ONE_LEASE
    assert storm.planted > 10
    assert storm.shot > 2
    assert storm.bereft > 0, "nobody noticed that PostgreSQL had died"
    assert done_by_another(url, books) == Books(
        executions=RULES,
        rules_executed=RULES,
        failures=0,
        trades=RULES,
        completed=RULES,
        awake=0,
        watches=0,
        told=RULES,
        told_of=RULES,
        reasons=RULES,
        verdict=f"ledger holds: {PORTFOLIOS} portfolios, {RULES + 2 * PORTFOLIOS:,} transactions\n",
    )


@dataclass(eq=False)
class Life:
    """An evaluator, and when it is killed from outside if it is."""

    running: Running[Report]
    ends_at: float | None = None
    shot: bool = False

    def is_over(self) -> bool:
        """Whether it has ended; ends it when its time has come."""
        if self.running.has_ended():
            return True
        if self.ends_at is None or time.monotonic() <= self.ends_at:
            return False
        try:
            self.running.send(signal.SIGKILL)
        except ProcessLookupError:  # it has come to its own end since it was asked
            return True
        self.shot = True
        return True


@dataclass
class Supervisor:
    """Keeps evaluators at work, and kills them."""

    url: str
    cluster: Cluster
    random: random.Random
    begun: int = 0
    planted: int = 0  # killed themselves
    shot: int = 0  # were killed from outside
    bereft: int = 0  # lost their database
    ends: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    def begin(self, now: datetime, price: Decimal, death: Death | None = None) -> Running[Report]:
        shift = Shift(now=now, prices={SYMBOL: str(price)}, batch=BATCH, death=death)
        return begin(self.url, evaluate, shift)

    def rage(self, now: datetime, price: Decimal, *, kills: int) -> None:
        """Has evaluators work at this instant until so many of them have been killed."""
        working: list[Life] = []
        try:
            self._rage(now, price, self.planted + self.shot + kills, working)
        finally:
            for life in working:  # one that has stopped itself would never end
                with suppress(ProcessLookupError):
                    life.running.send(signal.SIGKILL)

    def _rage(self, now: datetime, price: Decimal, wanted: int, working: list[Life]) -> None:
        while (killed := self.planted + self.shot) < wanted:
            assert time.monotonic() < self.ends, f"{killed} of {wanted} kills"
            while len(working) < min(AT_ONCE, wanted - killed):
                working.append(self._begin_a_short_life(now, price))
            if killed >= POSTGRES_DIES_AFTER and not self.bereft and len(working) == AT_ONCE:
                self._kill_postgres()  # again, should nobody have noticed
            for life in [life for life in working if life.is_over()]:
                self._count(life)
                working.remove(life)
            time.sleep(0.005)

    def calm_down(self, now: datetime, price: Decimal) -> None:
        """Has evaluators work, whom nobody kills, until no rule is awake."""
        while done_by_another(self.url, rules_awake):
            assert time.monotonic() < self.ends
            for running in [self.begin(now, price) for _ in range(2)]:
                assert running.result(seconds=180).errors == []

    def _begin_a_short_life(self, now: datetime, price: Decimal) -> Life:
        self.begun += 1
        if self.begun % SHOT == 0:
            shot_at = time.monotonic() + self.random.uniform(0.05, 0.4)
            # On a fast machine it would be done with the whole storm by then: it stops, and waits.
            late = Death("before", COMMIT, 20, by=signal.SIGSTOP)
            return Life(self.begin(now, price, late), shot_at)
        return Life(self.begin(now, price, self._death()))

    def _death(self) -> Death:
        point = self.random.choice(POINTS)
        whens = ["before", "after"] + ["amid"] * (point == COMMIT)
        nth = self.random.randint(1, MOST_TIMES.get(point, 4))
        return Death(self.random.choice(whens), point, nth)

    def _count(self, life: Life) -> None:
        code = life.running.exit_code(seconds=60)
        assert code in {KILLED, DATABASE_GONE, 0}
        self.bereft += code == DATABASE_GONE
        self.shot += code == KILLED and life.shot
        self.planted += code == KILLED and not life.shot

    def _kill_postgres(self) -> None:
        server = processes.postmaster(self.cluster.data)
        assert server is not None
        server.send_signal(signal.SIGKILL)
        processes.wait_until_gone([server], seconds=60)
        self.cluster.ensure_running()


class Books(NamedTuple):
    """What there is after the storm."""

    executions: int
    rules_executed: int
    failures: int
    trades: int
    completed: int
    awake: int
    watches: int
    told: int
    told_of: int
    reasons: int
    verdict: str


def prepare(now: datetime) -> None:
    """Makes the tables, and rules that sleep until the price falls."""
    call_command("migrate", verbosity=0)
    Storm(portfolios=PORTFOLIOS, at=now).brew(RULES)
    calm = Shift(now=now - 10 * SECOND, prices={SYMBOL: str(CALM)})
    assert evaluate(calm) == Report(symbols=1)


def rules_awake() -> int:
    return Action.objects.filter(processing_lease_until__isnull=False).count()


def books() -> Books:
    executions = ActionExecution.objects.all()
    verdict = StringIO()
    call_command("verify_ledger", stdout=verdict)
    traded = Transaction.objects.filter(reference__in=executions.values("id"))
    return Books(
        executions=executions.count(),
        rules_executed=executions.values("action").distinct().count(),
        failures=executions.exclude(execution_status="success").count(),
        trades=traded.count(),
        completed=Action.objects.filter(status="completed", executions_count=1).count(),
        awake=rules_awake(),
        watches=Watch.objects.count(),
        told=Notification.objects.count(),
        told_of=Notification.objects.values("execution").distinct().count(),
        reasons=executions.filter(details__reason__startswith=f"{SYMBOL} at ${LOW} is").count(),
        verdict=verdict.getvalue(),
    )
