"""One evaluator at a time, and never none for long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import OperationalError, close_old_connections, connection
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from pytest_django import Settings

from actions import evaluator, tasks
from actions.alarm import Alarm, listening
from actions.engine import Report
from actions.evaluator import (
    end_evaluators_session,
    evaluator_lock,
    interval,
    leader,
    seconds_since_evaluator_spoke,
    tick_for,
)
from actions.models import Tick
from actions.tasks import call_for_delivery
from market.hours import Exchange
from tests.conftest import Feed
from tests.locks import somebody_waits_for

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def another_evaluator() -> Iterator[psycopg.Connection]:
    """A connection of its own that holds the lock, as another process would."""
    params = connection.get_connection_params()
    with psycopg.connect(
        host=params["host"], user=params["user"], dbname=params["dbname"], autocommit=True
    ) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [evaluator._LOCK])
        yield other
        if not other.closed:
            other.execute("SELECT pg_advisory_unlock(%s)", [evaluator._LOCK])


def test_the_lock_is_held_by_one() -> None:
    with evaluator_lock() as held:
        assert held
    with another_evaluator(), evaluator_lock() as held:
        assert not held
    with evaluator_lock() as held:
        assert held, "it was let go"


def test_it_is_known_for_how_long_the_evaluator_has_been_silent() -> None:
    assert seconds_since_evaluator_spoke() is None, "nobody evaluates"
    began = monotonic()
    with another_evaluator() as other:
        time.sleep(0.2)
        assert 0.2 <= (seconds_since_evaluator_spoke() or 0) <= monotonic() - began
        spoke = monotonic()
        other.execute("SELECT 1")
        assert (seconds_since_evaluator_spoke() or 0) <= monotonic() - spoke
    assert seconds_since_evaluator_spoke() is None


def test_an_evaluator_in_the_middle_of_a_statement_is_not_silent() -> None:
    with another_evaluator() as other, connection.cursor() as ours:
        ours.execute("SELECT pg_advisory_lock(1)")
        asked = threading.Thread(target=other.execute, args=("SELECT pg_advisory_xact_lock(1)",))
        asked.start()
        while not somebody_waits_for(connection.connection.info.backend_pid):
            time.sleep(0.01)
        assert seconds_since_evaluator_spoke() == 0
        ours.execute("SELECT pg_advisory_unlock(1)")
        asked.join()


def test_the_lock_is_taken_from_a_silent_evaluator_by_ending_its_session() -> None:
    end_evaluators_session()  # there is none
    with another_evaluator() as other:
        end_evaluators_session()
        with evaluator_lock() as held:
            assert held
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")


def test_a_job_that_finds_the_lock_taken_returns_at_once(feed: Feed) -> None:
    with another_evaluator():
        assert tasks.evaluate_actions() == "another evaluator is at work"
    assert Tick.objects.count() == 0
    assert OrmQ.objects.count() == 0, "no successor: the other one has its own"


def test_an_evaluator_keeps_its_lock_and_its_ear_however_old_its_connection_is(feed: Feed) -> None:
    """Whoever enqueues a job first has connections closed that are too old."""
    connection.close()
    connection.ensure_connection()
    connection.close_at = monotonic()
    with evaluator_lock() as held, listening() as alarm, another_connection() as other:
        assert held
        before = leader()
        call_for_delivery(Report(fired=1))
        assert OrmQ.objects.count() == 1
        assert before is not None
        assert leader() == before
        other.execute("NOTIFY rules_woken")
        assert alarm.wait(60)
    assert connection.close_at is not None
    close_old_connections()
    assert connection.connection is None, "afterwards it is as old as it is"


def test_an_evaluator_whose_session_was_exchanged_ticks_no_more(feed: Feed) -> None:
    """Django connects anew without a word, and the lock may be another's by then."""
    with evaluator_lock() as held, listening() as alarm:
        assert held
        with pytest.raises(OperationalError, match="has ended"):
            tick_for(
                seconds=None,
                clock=timezone.now,
                sleep=alarm.wait,
                after_tick=lambda report: connection.close(),
            )
    assert Tick.objects.count() == 1
    assert leader() is None


class Stage:
    """Time that passes while the evaluator waits and not otherwise, and who calls meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0.0
        self.calls: list[float] = []  # the instants, in their order
        self._looks = 0
        self._heard = Alarm.wait
        monkeypatch.setattr(evaluator, "monotonic", self._look)
        monkeypatch.setattr(evaluator, "time", SimpleNamespace(sleep=self._sleep))
        monkeypatch.setattr(Alarm, "wait", lambda alarm, seconds: self._wait(alarm, seconds))

    def _look(self) -> float:
        self._looks += 1
        assert self._looks < 10_000, "it goes round without an end, and no time passes"
        return self.at

    def _sleep(self, seconds: float) -> None:
        until = self.at + seconds
        while self.calls and self.calls[0] <= until:
            self._call()
        self.at = until

    def _wait(self, alarm: Alarm, seconds: float) -> bool:
        if self._heard(alarm, 0):
            return True
        if self.calls and self.calls[0] <= self.at + seconds:
            self.at = self.calls[0]
            self._call()
            return self._heard(alarm, 60)
        self.at += seconds
        return False

    def _call(self) -> None:
        self.calls.pop(0)
        with another_connection() as other, connection.cursor() as ours:
            other.execute("NOTIFY rules_woken")
            ours.execute("SELECT")  # before whose answer it has come


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.mark.usefixtures("stage")
def test_a_shift_ticks_then_lets_go_and_enqueues_its_successor(
    feed: Feed, settings: Settings
) -> None:
    settings.EVALUATOR_SHIFT_SECONDS = 3
    settings.TICK_SECONDS_OPEN = 1
    assert tasks.evaluate_actions() == "3 ticks"
    assert Tick.objects.count() == 3
    (successor,) = OrmQ.objects.all()
    assert successor.func() == "actions.tasks.evaluate_actions"
    with another_evaluator():
        pass  # the lock was free


def test_a_tick_that_fails_does_not_end_the_shift(
    feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fails_first(*, now: datetime, **more: object) -> Report:
        calls.append(now)
        if len(calls) == 1:
            raise ValueError("a bug")
        return Report()

    monkeypatch.setattr(evaluator, "run_tick", fails_first)
    now = datetime(2026, 11, 17, 15, tzinfo=UTC)
    ticks = tick_for(
        seconds=None,
        clock=lambda: now,
        sleep=lambda seconds: None,
        stopping=lambda: len(calls) == 3,
    )
    assert ticks == len(calls) == 3


def test_the_loop_ends_when_it_is_asked_to(feed: Feed) -> None:
    stop = threading.Event()
    now = datetime(2026, 11, 17, 15, tzinfo=UTC)
    ticks = tick_for(
        seconds=None,
        clock=lambda: now,
        sleep=stop.wait,
        stopping=stop.is_set,
        after_tick=lambda report: stop.set(),
    )
    assert ticks == 1


@contextmanager
def another_connection() -> Iterator[psycopg.Connection]:
    params = connection.get_connection_params()
    with psycopg.connect(
        host=params["host"], user=params["user"], dbname=params["dbname"], autocommit=True
    ) as other:
        yield other


def test_a_call_ends_the_wait_and_several_are_one() -> None:
    with another_connection() as other, listening() as alarm:
        assert not alarm.wait(0.05)
        for _ in range(3):
            other.execute("NOTIFY rules_woken")
        assert Tick.objects.count() == 0  # a statement, before whose answer all have come
        assert alarm.wait(0)
        assert not alarm.wait(0.3)
        caller = threading.Timer(0.1, other.execute, ["NOTIFY rules_woken"])
        caller.start()
        began = monotonic()
        assert alarm.wait(120)
        assert monotonic() - began < 60
        caller.join()


def test_a_call_in_the_middle_of_a_tick_is_heard_after_it() -> None:
    with another_connection() as other, listening() as alarm:
        other.execute("NOTIFY rules_woken")
        assert Tick.objects.count() == 0  # a statement of the tick, with which the call came
        assert alarm.wait(0)


def test_who_no_longer_listens_hears_nothing() -> None:
    with another_connection() as other:
        with listening():
            pass
        other.execute("NOTIFY rules_woken")
        with listening() as alarm:
            assert not alarm.wait(0)


def test_a_wait_ends_when_it_is_to_stop_or_the_database_is_gone() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with listening(stopping=stop.is_set) as alarm:
        assert not alarm.wait(60)
    with another_connection() as other, listening() as alarm:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            other.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
        with pytest.raises(OperationalError):
            alarm.wait(60)
    connection.close()


def test_a_call_makes_a_short_tick_at_once_and_no_two_within_a_quarter_of_a_second(
    feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    settings.TICK_SECONDS_OPEN = 2
    stage.calls = [0.3 + n / 20 for n in range(10)]
    begun: dict[str, list[float]] = {"run_tick": [], "run_short_tick": []}
    for name, instants in begun.items():
        made = getattr(evaluator, name)

        def note(made: Any = made, instants: list[float] = instants, **more: object) -> Report:
            instants.append(stage.at)
            return made(**more)  # type: ignore[no-any-return]

        monkeypatch.setattr(evaluator, name, note)

    with listening() as alarm:
        assert tick_for(seconds=3, clock=timezone.now, sleep=alarm.wait) == 2
    assert begun == {
        "run_tick": [0, 2],  # a call does not put it off, nor make it come sooner
        "run_short_tick": pytest.approx([0.3, 0.55, 0.8]),
    }
    assert Tick.objects.count() == 2 + 3


@pytest.mark.usefixtures("stage")
def test_calls_without_end_do_not_keep_a_tick_from_being_made(
    feed: Feed, settings: Settings
) -> None:
    settings.TICK_SECONDS_OPEN = 0.3
    assert tick_for(seconds=1, clock=timezone.now, sleep=lambda seconds: True) >= 2


def test_ticks_are_closer_while_the_market_is_open(feed: Feed, settings: Settings) -> None:
    settings.TICK_SECONDS_OPEN, settings.TICK_SECONDS_CLOSED = 10, 30
    feed.calendar = Exchange()
    opens = datetime(2026, 11, 17, 14, 30, tzinfo=UTC)
    assert interval(opens) == 10
    assert interval(opens - timedelta(seconds=1)) == 30


def test_the_schedules_are_made_by_the_migration_once() -> None:
    # Flushed by the tests before this one, so made again here as the migration makes them.
    migration = import_module("actions.migrations.0002_schedules")
    for _ in range(2):
        migration.create_schedules(apps, None)
    schedules = Schedule.objects.values_list("func", "schedule_type", "minutes", "repeats")
    assert sorted(schedules) == [
        ("actions.tasks.deliver_notifications", "I", 1, -1),
        ("actions.tasks.evaluate_actions", "I", 1, -1),
    ]
