"""Calls the evaluator to rules that a price has woken which came by itself.

PostgreSQL carries the call: it is sent by the commit that wakes the rules, so that whoever hears it
finds them awake, and it is heard by whoever evaluates, on whichever machine. A call that nobody
hears is no loss: the next tick finds the rules.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from time import monotonic

import psycopg
from django.db import InterfaceError, OperationalError, connection, transaction

from actions.engine import take_in
from market.quotes import Sample

_CHANNEL = "rules_woken"
_LOOK_SECONDS = 0.2  # a signal does not end the wait by itself


def take_in_and_call(samples: list[Sample], now: datetime) -> int:
    """Stores these quotes, wakes the rules that they concern and calls the evaluator to them.

    Returns how many.
    """
    with transaction.atomic():
        woken = take_in(samples, now)
        if woken:
            _execute(f"NOTIFY {_CHANNEL}")
    return woken


class Alarm:
    """Hears the calls that come on this process's connection, also those that came before."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._session = connection.connection

    def wait(self, seconds: float) -> bool:
        """Waits so long for a call. Returns whether there was one; several count as one.

        Raises OperationalError when the database is gone, or the session that listens: Django makes
        another one without a word, which neither hears anything nor holds the evaluator's lock.
        """
        if connection.connection is not self._session:
            raise OperationalError("The session that held the lock and listened has ended.")
        until = monotonic() + seconds
        while not self._stopping():
            left = until - monotonic()
            if _called(min(max(0.0, left), _LOOK_SECONDS)):
                return True
            if left <= 0:
                break
        return False


@contextmanager
def listening(*, stopping: Callable[[], bool] = lambda: False) -> Iterator[Alarm]:
    """Has the calls heard until the end; a wait ends early once it is to stop."""
    _execute(f"LISTEN {_CHANNEL}")
    try:
        yield Alarm(stopping)
    finally:
        with suppress(OperationalError, InterfaceError):  # gone, and with it whoever listened
            _execute(f"UNLISTEN {_CHANNEL}")
            _called(0)


def _called(seconds: float) -> bool:
    try:
        return bool(list(connection.connection.notifies(timeout=seconds, stop_after=1)))
    except psycopg.OperationalError as gone:
        raise OperationalError(*gone.args) from gone


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
