"""A tick that wakes many is shared: two clusters on one database take batch after batch."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection, transaction
from django_q.models import OrmQ, Success
from pytest_django import Settings

from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.tasks import HELP, MOST_HELPERS, call_for_help
from actions.watches import widen_alerts
from market.services import follow
from portfolios.selectors import discrepancies
from tests.conftest import Feed, list_instruments
from tests.integration.test_two_evaluators import RULES, awake_rules
from tests.postgres import run_cluster

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_tick_that_wakes_more_than_a_batch_calls_for_help(
    feed: Feed, now: datetime, settings: Settings
) -> None:
    settings.LEASE_BATCH = 300
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    awake_rules(now)
    Action.objects.update(processing_lease_until=None, waking_quote=None)
    with transaction.atomic():
        widen_alerts(symbols=["AAPL"])
    calls: list[int] = []
    report = run_tick(now=now, call_for_help=calls.append)
    assert (report.woken, report.fired, calls) == (RULES, RULES, [3])


def test_help_is_bounded() -> None:
    call_for_help(1_000)
    assert OrmQ.objects.count() == MOST_HELPERS
    assert {job.func() for job in OrmQ.objects.all()} == {HELP}


@pytest.mark.slow
def test_two_clusters_share_the_batches(now: datetime) -> None:
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    awake_rules(datetime.now(tz=UTC))
    clusters = [cluster(), cluster()]
    try:
        call_for_help(MOST_HELPERS)
        deadline = time.monotonic() + 400
        while ActionExecution.objects.count() < RULES or OrmQ.objects.exists():
            assert time.monotonic() < deadline, f"{ActionExecution.objects.count()} executions"
            time.sleep(0.2)
    finally:
        for process in clusters:
            process.send_signal(signal.SIGTERM)
        for process in clusters:
            process.wait(60)
    assert ActionExecution.objects.filter(execution_status="success").count() == RULES
    assert Action.objects.filter(status="completed", executions_count=1).count() == RULES
    shares = [int(job.result.split()[0]) for job in Success.objects.filter(func=HELP)]
    assert sum(shares) == RULES
    assert sum(share > 0 for share in shares) >= 2, "one job did all the work"
    assert discrepancies() == []


def cluster() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
            "LEASE_BATCH": "50",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
