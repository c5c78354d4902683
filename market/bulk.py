"""Statements that take thousands of rows as arrays (see arrays.py)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor


class _Bound(ServerBindingCursor):
    """A cursor whose parameters go beside the text of one statement.

    It has a name as a server's own cursor has: pghistory, which puts a statement of its own before
    those that write, leaves it alone. What it set before holds for the whole transaction.
    """

    name = "bound"


def run(statement: str, params: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Runs the statement, and returns its rows where it has any.

    Its parameters go to the server beside its text, not written into it as Django's cursor does:
    megabytes of arrays are then neither quoted here nor read as SQL there, which took a sixth of a
    batch's time. They are planned with, too, so that a plan fits the number of rows it is for.
    """
    with _sent(statement, params) as cursor:
        return list(cursor.fetchall()) if cursor.description else []


def write(statement: str, params: Mapping[str, Any]) -> int:
    """Runs the statement as `run` does, and returns how many rows it wrote."""
    with _sent(statement, params) as cursor:
        return int(cursor.rowcount)


@contextmanager
def _sent(statement: str, params: Mapping[str, Any] | Sequence[Any]) -> Iterator[Any]:
    connection.ensure_connection()
    cursor: Any = _Bound(connection.connection)  # type: ignore[call-arg]
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrapped(cursor) as sent:
        sent.execute(statement, params)
        yield sent
