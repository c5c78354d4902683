"""Locks that a session of the database holds: for what one process does at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection


@contextmanager
def session_lock(number: int) -> Iterator[bool]:
    """Whether we have the lock of this number, which is the connection's: it ends with either.

    While we have it the connection never gets too old: whoever enqueues a job has those closed that
    are (CONN_MAX_AGE), and the lock would be another's without our hearing of it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        (held,) = cursor.fetchone()
    too_old_at = connection.close_at
    if held:
        connection.close_at = None
    try:
        yield held
    finally:
        if held:
            connection.close_at = too_old_at
            _unlock(number)


def _unlock(number: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    except (OperationalError, InterfaceError):
        # The connection that held the lock is gone, and the lock with it.
        connection.close()
