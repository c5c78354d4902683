"""The loop around the tick: one evaluator at a time, on whichever process holds the lock."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import InterfaceError, OperationalError, connection

from actions.engine import Report, run_short_tick, run_tick
from actions.pace import tick_interval
from market.locks import session_lock
from market.services import calendar
from rest.logs import about
from rest.unavailable import is_disturbance

logger = logging.getLogger(__name__)

# The name of the advisory lock, as PostgreSQL knows it: any number, always the same.
_LOCK = 7_205_318_440_116_093

_BREATH_SECONDS = 0.25  # between two ticks that were called for: what comes meanwhile is one call
_END_MILLISECONDS = 1_000  # to wait for the end of a session

# The session that holds it. PostgreSQL shows a lock of 64 bits as two halves.
_HOLDER = """
SELECT a.pid,
       CASE a.state WHEN 'active' THEN 0
       ELSE extract(epoch FROM clock_timestamp() - a.state_change)::float8 END,
       a.application_name, host(a.client_addr), a.backend_start
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.datid = l.database
 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
   AND (l.classid, l.objid, l.objsubid) = (%s, %s, 1)
"""


@dataclass(frozen=True, slots=True)
class Leader:
    """The session that holds the evaluator's lock, as PostgreSQL knows it.

    `silent_seconds`: since it last had a statement run, 0 while one runs, None where the session is
    another role's, and not ours to see. `address` is None on a socket of the server's own machine.
    """

    pid: int
    silent_seconds: float | None
    program: str
    address: str | None
    since: datetime | None


@contextmanager
def evaluator_lock() -> Iterator[bool]:
    """Whether we are the one evaluator. The lock is the connection's, so it ends with either."""
    with session_lock(_LOCK) as held:
        yield held


def tick_for(
    *,
    seconds: float | None,
    clock: Callable[[], datetime],
    sleep: Callable[[float], object],
    stopping: Callable[[], bool] = lambda: False,
    call_for_help: Callable[[int], object] = lambda batches: None,
    after_tick: Callable[[Report], object] = lambda report: None,
) -> int:
    """Ticks until `seconds` have passed (None: until `stopping`), as often as the market asks.

    `sleep` waits so many seconds, or says earlier, by what is true, that somebody calls: then a
    short tick is made at once, though no two within 250 ms.

    Returns the number of ticks. A tick that fails is logged, and the next one is made; a database
    that is gone ends the loop, since the lock is gone with it (OperationalError, InterfaceError).
    """

    def tick(kind: Callable[..., Report]) -> datetime:
        now = clock()
        try:
            with about(tick=now.isoformat()):
                after_tick(kind(now=now, call_for_help=call_for_help))
        except Exception as error:  # one bad tick does not end the loop
            gone = isinstance(error, OperationalError | InterfaceError)
            if gone and not is_disturbance(error):
                raise
            logger.exception("the tick of %s failed", now)
        return now

    began = monotonic()
    ticks = 0
    while not stopping():
        started = monotonic()
        now = tick(run_tick)
        ticks += 1
        due = started + interval(now)
        if seconds is not None and max(due, monotonic()) - began >= seconds:
            break
        while (left := due - monotonic()) > 0 and sleep(left) and not stopping():
            called = monotonic()
            tick(run_short_tick)
            time.sleep(max(0.0, called + _BREATH_SECONDS - monotonic()))
    return ticks


def interval(now: datetime) -> float:
    """Seconds between ticks: shorter while the market is open."""
    return tick_interval(is_open=calendar().is_open(now)).total_seconds()


def seconds_since_evaluator_spoke() -> float | None:
    """Seconds since whoever holds the lock, on any machine, last had a statement run: 0 while one
    runs, None when nobody holds it. PostgreSQL keeps this, so a tick has nothing to do for it."""
    holder = leader()
    return holder.silent_seconds if holder else None


def end_evaluators_session() -> None:
    """Takes the lock from whoever holds it, by ending its session.

    For one that is silent: where a machine has vanished, or a dead evaluator's last statement still
    waits, the session would hold the lock for hours. An evaluator that lives is none the worse for
    it: what it had begun is undone, and it starts anew.
    """
    if holder := leader():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, %s)", [holder.pid, _END_MILLISECONDS])


def leader() -> Leader | None:
    """Whoever evaluates, on any machine. None: nobody does."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDER, [_LOCK >> 32, _LOCK & 0xFFFFFFFF])
        row = cursor.fetchone()
    return Leader(*row) if row else None
