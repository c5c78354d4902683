"""Statements that take thousands of rows as arrays (see arrays.py)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg import Error

Params = Mapping[str, Any] | Sequence[Any]
Rows = list[tuple[Any, ...]]

_PREPARED_AFTER = 2  # times that a statement was sent


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
    """Runs a statement that returns nothing, and says how many rows it wrote. Waits for that also
    among `sent_ahead`."""
    with _sent(statement, params) as cursor:
        if connection.connection.pgconn.pipeline_status:
            with connection.connection.pipeline():  # to begin one in another is to wait
                pass
        return int(cursor.rowcount)


def send(statement: str, params: Params) -> None:
    """Runs a statement that returns nothing. Among `sent_ahead` it is not waited for."""
    _sent(statement, params).close()


@contextmanager
def sent_ahead() -> Iterator[None]:
    """Lets PostgreSQL run what is sent in this block while we prepare what comes next.

    We wait where we ask for rows, and at the block's end: by then all has run, or the first error
    was raised and nothing after it was run. What writes belongs in a transaction, which is then
    rolled back.
    What a cursor of Django's says of the number of rows is not known in here.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@contextmanager
def transaction_sent_ahead(*, prepared: bool = False) -> Iterator[None]:
    """A transaction of statements that are sent ahead, from its BEGIN to its COMMIT.

    Where nothing is asked for in between, all of it is one journey to PostgreSQL and back. With
    `prepared`, PostgreSQL keeps its plan of each statement for the next such transaction: for what
    comes again and again and is always of a few rows. A plan for any number of rows is for none.
    """
    if connection.in_atomic_block:  # there is no commit yet: its errors must show before its end
        with transaction.atomic(), sent_ahead():
            yield
        return
    try:
        with ExitStack() as journey:
            journey.enter_context(sent_ahead())
            journey.enter_context(_preparing(prepared))
            send("BEGIN", [])
            with _as_in_a_transaction():
                yield
            _commit(journey)
    except BaseException:
        _roll_back()
        raise
    connection.run_and_clear_commit_hooks()


def wait_for_no_disk() -> None:
    """Has the commit of this transaction answered before it is on disk: a crash of the server may
    take it back as a whole, if it is younger than half a second and nobody waited for a later one.
    """
    send("SET LOCAL synchronous_commit TO off", [])


@contextmanager
def _preparing(prepared: bool) -> Iterator[None]:
    psycopg = connection.connection
    psycopg.prepare_threshold = _PREPARED_AFTER if prepared else None
    try:
        yield
    finally:
        psycopg.prepare_threshold = None


@contextmanager
def _as_in_a_transaction() -> Iterator[None]:
    """Has Django know of a transaction that it did not begin, and neither commits nor rolls back.

    Were it to, psycopg would wait for the server before and after BEGIN, after COMMIT and once
    more: a lone firing would go there and back a dozen times, which is what it takes long for.
    """
    connection.autocommit = False
    try:
        with transaction.atomic(savepoint=False):
            yield
    finally:
        connection.in_atomic_block, connection.autocommit = False, True


def _commit(journey: ExitStack) -> None:
    """Until it has returned, nobody knows whether what was sent is done."""
    send("COMMIT", [])
    journey.close()


def _roll_back() -> None:
    connection.needs_rollback = False
    connection.run_on_commit = []
    try:
        connection.connection.rollback()
    except (Error, AttributeError):  # it is lost, or was closed: the server rolls back by itself
        connection.close()


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
