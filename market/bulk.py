"""Statements that take thousands of rows as arrays (see arrays.py)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.postgresql.base import ServerBindingCursor

Params = Mapping[str, Any] | Sequence[Any]
Rows = list[tuple[Any, ...]]


class _Bound(ServerBindingCursor):
    """A cursor whose parameters go beside the text of one statement.

    It has a name as a server's own cursor has: pghistory, which puts a statement of its own before
    those that write, leaves it alone. What it set before holds for the whole transaction.
    """

    name = "bound"


def run(statement: str, params: Params) -> Rows:
    """Runs a statement that has rows to return, and returns them."""
    return ask(statement, params)()


def ask(statement: str, params: Params) -> Callable[[], Rows]:
    """Sends a statement that has rows to return, and gives what is called for them, once.

    Among `sent_ahead` it is waited for only then: others may be sent before.
    """
    cursor = _sent(statement, params)

    def rows() -> Rows:
        with cursor:
            return list(cursor.fetchall())

    return rows


def write(statement: str, params: Params) -> int:
    """Runs a statement that returns nothing, and says how many rows it wrote."""
    with _sent(statement, params) as cursor:
        return int(cursor.rowcount)


def send(statement: str, params: Params) -> None:
    """Runs a statement that returns nothing. Among `sent_ahead` it is not waited for."""
    _sent(statement, params).close()


@contextmanager
def sent_ahead() -> Iterator[None]:
    """Lets PostgreSQL run what is sent in this block while we prepare what comes next.

    We wait where we ask for rows, and at the block's end: by then all has run, or the first error
    was raised and nothing after it was run. Belongs in a transaction, which is then rolled back.
    What `write` would say is not known in here.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@contextmanager
def transaction_sent_ahead() -> Iterator[None]:
    """A transaction of statements that are sent ahead, its commit with the last of them."""
    if connection.in_atomic_block:  # there is no commit yet: its errors must show before its end
        with transaction.atomic(), sent_ahead():
            yield
    else:
        with sent_ahead(), transaction.atomic():
            yield


def _sent(statement: str, params: Params) -> Any:
    """A cursor that was given the statement. Its parameters go to the server beside its text, not
    written into it as Django's cursor does: megabytes of arrays are then neither quoted here nor
    read as SQL there, which took a sixth of a batch's time. They are planned with, too, so that a
    plan fits the number of rows it is for."""
    database: Any = connections[DEFAULT_DB_ALIAS]  # once: to look it up takes microseconds
    database.ensure_connection()
    cursor = _Bound(database.connection)  # type: ignore[call-arg]
    sent = (database.make_debug_cursor if database.queries_logged else database.make_cursor)(cursor)
    sent.execute(statement, params)
    return sent
