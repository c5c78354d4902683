"""What evaluators do in tests that kill them: a tick at an instant and prices that the test sets.

Where an evaluator is to die is planted here, around functions, statements and commits of the
product, which knows nothing of it. It dies by SIGKILL from its own hand, or is stopped by SIGSTOP
until somebody lets it go on.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import count
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg.pq import PipelineStatus

from actions.engine import Report, look_at_the_woken, run_tick
from actions.evaluator import evaluator_lock
from bench.market import prepared_feed
from market import bulk
from market.quotes import Sample

STATEMENT = "a statement"
COMMIT = "a commit"
SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND


@dataclass(frozen=True)
class Death:
    """Where an evaluator kills itself: before or after the `nth` time that it comes by `point`.

    With SIGSTOP as its signal it is not dead, but late.

    A point is a STATEMENT, a COMMIT, or a function, by the module that calls it and the name that
    it has there. A commit that dies "amid" was sent to PostgreSQL, and its answer not waited for.
    """

    when: str
    point: str
    nth: int = 1
    by: signal.Signals = signal.SIGKILL

    def __str__(self) -> str:
        nth = f" no. {self.nth}" if self.nth > 1 else ""
        return f"{self.when} {self.point}{nth}"


@dataclass(frozen=True)
class Shift:
    """An evaluator's work: at the instant `now` the feed says these prices."""

    now: datetime
    prices: Mapping[str, str] = field(default_factory=dict)
    batch: int = 50
    death: Death | None = None


def evaluate(shift: Shift) -> Report:
    """Ticks, or helps another evaluator that does, as the cluster's jobs do."""
    settings.LEASE_BATCH = shift.batch
    settings.LEASE_SECONDS = LEASE.total_seconds()
    connections["default"].ensure_connection()
    if shift.death:
        _plant(shift.death)
    with prepared_feed() as feed, evaluator_lock() as held:
        feed.samples = [
            Sample(symbol=symbol, price=Decimal(price), as_of=shift.now)
            for symbol, price in shift.prices.items()
        ]
        if held:
            return run_tick(now=shift.now)
        report = Report()
        look_at_the_woken(now=shift.now, report=report)
        return report


def _plant(death: Death) -> None:
    connection = connections["default"]
    if death.point == STATEMENT:
        connection.execute_wrappers.append(_mortal(lambda execute, *args: execute(*args), death))
    elif death.point == COMMIT:
        # Django's, and that of what was sent ahead.
        commits = count(1)
        connection.commit = _mortal(connection.commit, death, commits)  # type: ignore[method-assign]
        bulk._commit = _mortal(bulk._commit, death, commits)
    else:
        module, name = death.point.rsplit(".", 1)
        caller = import_module(module)
        setattr(caller, name, _mortal(getattr(caller, name), death))


def _mortal[**P, R](
    function: Callable[P, R], death: Death, calls: Iterator[int] | None = None
) -> Callable[P, R]:
    calls = calls or count(1)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if next(calls) != death.nth:
            return function(*args, **kwargs)
        if death.when == "amid":
            _send_commit()
        if death.when != "after":
            os.kill(os.getpid(), death.by)
        result = function(*args, **kwargs)
        if death.when == "after":
            os.kill(os.getpid(), death.by)
        return result

    return call


def _send_commit() -> None:
    server: Any = connections["default"].connection.pgconn
    server.send_query_params(b"COMMIT", None)
    if server.pipeline_status == PipelineStatus.ON:
        server.pipeline_sync()
    server.flush()
