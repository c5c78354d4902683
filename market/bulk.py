"""Statements that take thousands of rows as arrays (see arrays.py)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor

Params = Mapping[str, Any] | Sequence[Any]


def run(statement: str, params: Params) -> list[tuple[Any, ...]]:
    """Runs a statement that has rows to return, and returns them."""
    with _cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall())


def send(statement: str, params: Params) -> None:
    """Runs a statement that returns nothing. Among `sent_ahead` it is not waited for."""
    with _cursor() as cursor:
        cursor.execute(statement, params)


@contextmanager
def sent_ahead() -> Iterator[None]:
    """Lets PostgreSQL run what is sent in this block while we prepare what comes next.

    We wait where we ask for rows, and at the block's end: by then all has run, or the first error
    was raised and nothing after it was run. Belongs in a transaction, which is then rolled back.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def _cursor() -> Any:
    """A cursor whose parameters go to the server beside the statement's text, not written into it
    as Django's does: megabytes of arrays are then neither quoted here nor read as SQL there, which
    took a sixth of a batch's time. They are planned with, too, so that a plan fits the number of
    rows it is for."""
    connection.ensure_connection()
    cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrapped(cursor)
