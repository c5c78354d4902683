"""How PostgreSQL goes about waking and leasing rules, as it tells once it has run them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

# A word of each statement by which it is known.
STATEMENTS = {"waking": "found AS", "leasing": "due AS"}


@contextmanager
def explained() -> Iterator[dict[str, str]]:
    """The plans of those of STATEMENTS that are sent in this block, by their names.

    Each is run once for its plan, and that is taken back; then it is run as it was sent.
    """
    plans: dict[str, str] = {}

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        for name, word in STATEMENTS.items():
            if word in sql and name not in plans:
                plans[name] = _plan(sql, params)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def _plan(sql: str, params: Any) -> str:
    with transaction.atomic(), connection.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before_the_plan")
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) {sql}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("ROLLBACK TO SAVEPOINT before_the_plan")
        return plan
