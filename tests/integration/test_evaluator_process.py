"""`manage.py evaluator` as a process: it ticks, waits for its turn, and ends when asked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from actions.models import Tick
from tests.postgres import run_cluster
from tests.service_manager import service_manager

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def evaluator(**environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "evaluator"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
            "TICK_SECONDS_OPEN": "0.2",
            "PYTHONUNBUFFERED": "1",
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within 120 s"
        time.sleep(0.1)


def is_stopped(process: "subprocess.Popen[str]") -> bool:
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def test_one_ticks_and_the_other_takes_over_when_it_is_killed() -> None:
    first = evaluator()
    try:
        wait_for(lambda: Tick.objects.count() >= 2, "two ticks")
        second = evaluator()
        assert second.stdout is not None
        assert second.stdout.readline() == "Another evaluator is at work; waiting to take over.\n"
        first.kill()
        first.wait()
        assert second.stdout.readline() == "Evaluating. Ctrl-C ends it.\n"
        before = Tick.objects.count()
        wait_for(lambda: Tick.objects.count() > before, "a tick of the second")
        second.send_signal(signal.SIGTERM)
        output, _ = second.communicate(timeout=60)
        assert (second.returncode, output) == (0, "")
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()


def test_the_service_manager_hears_that_it_lives_for_as_long_as_it_works(tmp_path: Path) -> None:
    with service_manager(tmp_path) as listener:
        process = evaluator(NOTIFY_SOCKET=listener.address)
        try:
            wait_for(lambda: "WATCHDOG=1" in listener.heard(), "a sign of life")
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: is_stopped(process), "its standstill")
            listener.heard()
            time.sleep(2)
            assert listener.heard() == []
            process.send_signal(signal.SIGCONT)
            wait_for(lambda: "WATCHDOG=1" in listener.heard(), "a sign of life")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert listener.heard()[-1] == "STOPPING=1"
        finally:
            process.kill()
            process.communicate()
