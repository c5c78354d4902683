"""Two machines with a worker and an evaluator each, and a network that loses one of them."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from actions.models import Action, ActionExecution
from bench.feed import PRICES, PricesInAFile
from bench.storm import CALM, LOW, SYMBOL, Storm
from portfolios.models import Transaction
from tests.machines import Machine, machines, running_on
from tests.postgres import run_cluster
from tests.processes import begin, done_by_another
from tradingrules.embedded.cluster import Cluster

RULES = 2_500
PORTFOLIOS = 50
IN_THE_STORM = 100  # executions, when the machine is lost
SILENCE = 6  # seconds after which PostgreSQL lets go of a session whose machine is gone
TAKEN_OVER_WITHIN = 60  # seconds, on a machine that has other things to do
PATIENCE = 120

# Whose session holds the evaluator's lock: the only advisory lock of two 32-bit halves.
_HOLDER = """
SELECT host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
"""
_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE host(client_addr) = %s"
_EXECUTIONS = "SELECT count(*) FROM action_executions"
_LAST_TICK = "SELECT max(started_at) FROM ticks"


@pytest.mark.slow
def test_a_machine_that_is_cut_off_amid_a_storm_costs_nothing_and_comes_back(
    tmp_path: Path,
) -> None:
    with machines(2) as (database, pair), postgres(database) as cluster:
        begin(cluster.url(), prepare, datetime.now(UTC)).result(seconds=PATIENCE)
        feed = PricesInAFile(tmp_path / "prices.json")
        feed.say({SYMBOL: CALM})
        with at_work(pair, tmp_path), World(cluster.url()) as world:
            world.wait_for_ticks()
            for machine in pair:
                world.wait_for(partial(world.is_there, machine), "both on both machines")
            feed.say({SYMBOL: LOW})
            world.wait_for(lambda: world.executions() >= IN_THE_STORM, "the storm")
            lost = world.evaluating_of(pair)
            (other,) = (each for each in pair if each is not lost)
            lost.cut()
            cut_at = time.monotonic()
            assert world.executions() < RULES, "the storm was over before the machine was lost"

            world.wait_for(lambda: world.evaluating() == other.address, "another evaluator")
            assert time.monotonic() - cut_at < TAKEN_OVER_WITHIN
            world.wait_for(
                lambda: world.connected(lost) == 0, "PostgreSQL to let go of its sessions"
            )
            world.wait_for(lambda: world.executions() == RULES, "all executions")
            world.wait_for_ticks()

            lost.heal()
            world.wait_for(partial(world.is_there, lost), "its return")
            other.cut()
            world.wait_for(lambda: world.evaluating() == lost.address, "its evaluator's turn")
            world.wait_for_ticks()
            other.heal()
        assert done_by_another(cluster.url(), books) == Books(
            executions=RULES,
            rules_executed=RULES,
            failures=0,
            trades=RULES,
            completed=RULES,
            verdict=f"ledger holds: {PORTFOLIOS} portfolios, "
            f"{RULES + 2 * PORTFOLIOS:,} transactions\n",
        )


@contextmanager
def postgres(machine: str) -> Iterator[Cluster]:
    """A server of this test's own on that machine, durable as the product's."""
    folder = run_cluster().directory.parent / f"machines-{os.getpid()}"
    folder.mkdir(mode=0o755)
    cluster = Cluster(folder / "postgres", fsync=True)
    try:
        with running_on(machine, cluster):
            yield cluster
    finally:
        shutil.rmtree(folder)


@contextmanager
def at_work(pair: list[Machine], folder: Path) -> Iterator[None]:
    """A worker and an evaluator on each; ended with all that they have started."""
    with ExitStack() as stack:
        for machine in pair:
            for command in ("worker", "evaluator"):
                environment = {
                    "DATABASE_URL": f"postgresql://postgres@{machine.server}:5432/tradingrules",
                    "DJANGO_SETTINGS_MODULE": "bench.settings",
                    PRICES: str(folder / "prices.json"),
                    "PYTHONPATH": str(settings.BASE_DIR),
                    "TICK_SECONDS_OPEN": "0.5",
                    "LEASE_BATCH": "25",
                    "LEASE_SECONDS": "15",
                    "IDLE_TRANSACTION_SECONDS": str(SILENCE),
                }
                log = folder / f"{machine.name}-{command}.log"
                stack.callback(end, machine.start(command, log=log, environment=environment))
        try:
            yield
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-2000:]}")  # noqa: T201 -- pytest shows it
            raise


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


class World:
    """What is seen from the database's own machine."""

    def __init__(self, url: str) -> None:
        self._asking = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self._asking.close()

    def _value(self, query: str, *values: object) -> object:
        row = self._asking.execute(query, values).fetchone()
        return row[0] if row else None

    def executions(self) -> int:
        return int(str(self._value(_EXECUTIONS)))

    def connected(self, machine: Machine) -> int:
        return int(str(self._value(_CONNECTED, machine.address)))

    def is_there(self, machine: Machine) -> bool:
        """Whether its worker and its evaluator are connected."""
        return self.connected(machine) >= 2

    def evaluating(self) -> object:
        """The address of the machine whose evaluator has the lock."""
        return self._value(_HOLDER)

    def evaluating_of(self, pair: list[Machine]) -> Machine:
        """The machine whose evaluator has the lock, which nobody has between two shifts."""
        found: list[Machine] = []

        def is_known() -> bool:
            address = self.evaluating()
            found.extend(each for each in pair if each.address == address)
            return bool(found)

        self.wait_for(is_known, "an evaluator")
        return found[0]

    def wait_for_ticks(self) -> None:
        for _ in range(3):
            last = self._value(_LAST_TICK)
            self.wait_for(partial(self._has_ticked_since, last), "a tick")

    def _has_ticked_since(self, last: object) -> bool:
        return self._value(_LAST_TICK) != last

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come about within {PATIENCE} s"
            time.sleep(0.02)


class Books(NamedTuple):
    """What there is after the storm."""

    executions: int
    rules_executed: int
    failures: int
    trades: int
    completed: int
    verdict: str


def prepare(now: datetime) -> None:
    call_command("migrate", verbosity=0)
    Storm(portfolios=PORTFOLIOS, at=now).brew(RULES)


def books() -> Books:
    executions = ActionExecution.objects.all()
    verdict = StringIO()
    call_command("verify_ledger", stdout=verdict)
    return Books(
        executions=executions.count(),
        rules_executed=executions.values("action").distinct().count(),
        failures=executions.exclude(execution_status="success").count(),
        trades=Transaction.objects.filter(reference__in=executions.values("id")).count(),
        completed=Action.objects.filter(status="completed", executions_count=1).count(),
        verdict=verdict.getvalue(),
    )
