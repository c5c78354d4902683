"""`manage.py worker` as a process: whatever is killed, it ticks again, and it leaves nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from actions.models import Action, ActionExecution, Tick, Watch
from actions.watches import wake
from market.models import Quote
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import list_instruments
from tests.factories import UserFactory
from tests.postgres import run_cluster
from tests.service_manager import service_manager

# The database of these tests has no schedules: nothing but the watchdog revives a broken chain.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SHIFT_SECONDS = 2
RESUMES_WITHIN = 180


class Worker:
    """A `manage.py worker` of the test's, and what it has started."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        self.groups: set[int] = set()
        with log.open("wb") as output:
            self.process = psutil.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=settings.BASE_DIR,
                env=os.environ
                | {
                    "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
                    "TICK_SECONDS_OPEN": "0.2",
                    "EVALUATOR_SHIFT_SECONDS": str(SHIFT_SECONDS),
                    "PYTHONUNBUFFERED": "1",
                }
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def leash(self) -> psutil.Process:
        (leash,) = self.process.children()
        self.groups.add(leash.pid)
        return leash

    def cluster(self) -> psutil.Process:
        (cluster,) = self.leash().children()
        return cluster

    def sentinel(self) -> psutil.Process:
        (sentinel,) = self.cluster().children()
        return sentinel

    def pusher(self) -> psutil.Process:
        return self._parts()[3]

    def evaluating(self) -> psutil.Process:
        return self._workers_by_use()[1]

    def idle(self) -> psutil.Process:
        return self._workers_by_use()[0]

    def is_whole(self) -> bool:
        """Whether all is there that a cluster has: whoever ticks may be what is left of one whose
        end has not been noticed yet."""
        try:
            (leash,) = self.process.children()
            (cluster,) = leash.children()
            (sentinel,) = cluster.children()
            return len(sentinel.children()) == 4
        except (ValueError, psutil.NoSuchProcess):
            return False

    def kill_the_parts(self) -> None:
        """All that the sentinel has started."""
        for part in self.sentinel().children():
            with suppress(psutil.NoSuchProcess):
                part.kill()

    def _parts(self) -> list[psutil.Process]:
        """In the order in which a sentinel starts them: two workers, the monitor, the pusher."""
        parts = sorted(self.sentinel().children(), key=lambda part: (part.create_time(), part.pid))
        assert len(parts) == 4
        return parts

    def _workers_by_use(self) -> list[psutil.Process]:
        """The one that ticks uses the processor; the other waits for a job."""
        workers = self._parts()[:2]
        before = {one: used(one) for one in workers}
        time.sleep(SHIFT_SECONDS / 2)
        return sorted(workers, key=lambda one: used(one) - before[one])

    def end(self) -> None:
        """Ends it, and what it should have ended and has not."""
        if self.process.is_running():
            self.process.terminate()
        self.process.wait(60)
        for group in self.groups:
            with suppress(ProcessLookupError):  # as it should be
                os.killpg(group, signal.SIGKILL)

    def said(self, words: str) -> int:
        return len(re.findall(words, self.log.read_text()))


@contextmanager
def worker(tmp_path: Path, **environment: str) -> Iterator[Worker]:
    """A worker that ticks; ended, with whatever it has left, after the test."""
    started = Worker(tmp_path / "worker.log", **environment)
    try:
        wait_for(lambda: Tick.objects.count() >= 2, "two ticks")
        started.leash()
        yield started
    except BaseException:
        print(started.log.read_text())  # noqa: T201 -- pytest shows it with the failure
        raise
    finally:
        started.end()


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def in_group(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def wait_for(condition: Callable[[], bool], what: str, *, seconds: float = RESUMES_WITHIN) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds} s"
        time.sleep(0.2)


def wait_for_ticks_of_a_later_shift(since: datetime) -> None:
    # Whoever holds the lock when another is killed may finish the shift, which proves nothing.
    later = since + timedelta(seconds=3 * SHIFT_SECONDS)
    wait_for(lambda: Tick.objects.filter(started_at__gt=later).count() >= 3, "ticks")


def test_ticks_resume_whatever_is_killed_and_no_orphan_stays(tmp_path: Path) -> None:
    groups = []
    with worker(tmp_path) as watched:
        for part in (
            watched.idle,
            watched.sentinel,
            watched.pusher,
            watched.evaluating,
            watched.cluster,
            watched.leash,
        ):
            wait_for(watched.is_whole, "a whole cluster")
            groups.append(watched.leash().pid)
            part().kill()
            wait_for_ticks_of_a_later_shift(since=datetime.now(tz=UTC))
            current = watched.leash().pid
            assert in_group(current)
            assert [pid for old in groups if old != current for pid in in_group(old)] == []
        assert len({*groups, current}) >= 5, "a cluster went on that the test took for dead"
        # At least for the idle worker: after another's death the minute's schedule may come sooner.
        assert watched.said("No tick was recorded for .*; restarting the cluster") >= 1
        assert watched.said("The cluster ended by itself .*; starting it anew") == 3


def test_it_ends_with_all_that_it_started_and_nothing_else(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        with (
            service_manager(tmp_path) as listener,
            worker(tmp_path, NOTIFY_SOCKET=listener.address) as watched,
        ):
            group = watched.leash().pid
            assert len(in_group(group)) == 7
            lived = listener.heard()
            while len(lived) < 3:
                time.sleep(0.2)
                lived += listener.heard()
            assert lived == ["READY=1", *["WATCHDOG=1"] * (len(lived) - 1)]
            watched.process.send_signal(signal.SIGTERM)
            assert watched.process.wait(20) == 0
            assert in_group(group) == []
            assert listener.heard()[-1] == "STOPPING=1"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_killed_it_leaves_nothing_that_ticks(tmp_path: Path) -> None:
    with worker(tmp_path) as watched:
        group = watched.leash().pid
        watched.process.kill()
        watched.process.wait()
        wait_for(lambda: in_group(group) == [], "the end of its group", seconds=60)


def test_a_healthy_cluster_is_left_alone(tmp_path: Path) -> None:
    with worker(tmp_path) as watched:
        group = watched.leash().pid
        time.sleep(25)  # two and a half times the silence that it would not take
        assert watched.leash().pid == group
        assert watched.said("WARNING") == 0


def test_it_waits_for_a_database_that_is_gone_and_goes_on_by_itself(tmp_path: Path) -> None:
    with worker(tmp_path) as watched:
        group = watched.leash().pid
        with database_that_refuses():
            time.sleep(15)
        ticks = Tick.objects.count()
        wait_for(lambda: Tick.objects.count() > ticks + 2, "ticks")
        assert watched.said("The database cannot be asked; waiting for it") == 1
        assert watched.said("The database answers again") == 1
        assert watched.said("The cluster has been started") == 1
        assert watched.leash().pid == group


@contextmanager
def database_that_refuses() -> Iterator[None]:
    name = connection.settings_dict["NAME"]
    connection.close()
    with psycopg.connect(run_cluster().url("postgres"), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_a_rule_that_was_being_fired_when_its_evaluator_was_killed_fires_once(
    tmp_path: Path,
) -> None:
    with worker(tmp_path) as watched:
        with a_rule_that_waits_for_its_portfolio() as woken:
            wait_for(lambda: is_leased(woken), "a lease")
            watched.kill_the_parts()
        assert not ActionExecution.objects.exists()
        wait_for(lambda: ActionExecution.objects.exists(), "an execution")
        wait_for_ticks_of_a_later_shift(since=datetime.now(tz=UTC))
    execution = ActionExecution.objects.get()
    assert (execution.action_id, execution.execution_status) == (woken.pk, "success")
    woken.refresh_from_db()
    assert (woken.status, woken.executions_count) == ("completed", 1)


@contextmanager
def a_rule_that_waits_for_its_portfolio() -> Iterator[Action]:
    """A rule that is awake, and whose portfolio somebody else has locked: firing it takes long."""
    now = datetime.now(tz=UTC)
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    Quote.objects.update(price=Decimal(100), as_of=now, received_at=now, provider="test")
    user = UserFactory.create()
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(1_000), at=now)
    action = Action.objects.create(
        user=user,
        portfolio=portfolio,
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "100"},
        valid_from=now - timedelta(days=1),
        created_at=now,
    )
    Watch.objects.create(action=action, symbol="AAPL", below=Decimal(100))
    with psycopg.connect(run_cluster().url(connection.settings_dict["NAME"])) as other:
        other.execute("SELECT FROM portfolios_portfolio WHERE id = %s FOR UPDATE", [portfolio.pk])
        with transaction.atomic():
            assert wake(symbols=["AAPL"], now=datetime.now(tz=UTC)) == 1
        yield action


def is_leased(action: Action) -> bool:
    action.refresh_from_db()
    until = action.processing_lease_until
    return until is not None and until > datetime.now(tz=UTC)
