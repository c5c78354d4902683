"""How PostgreSQL goes about what is sent to it: the nodes of its plans, statement by statement."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

Plan = list[dict[str, Any]]


@contextmanager
def plans() -> Iterator[dict[str, Plan]]:
    """The nodes of the plans of all statements that are sent, by statement."""
    seen: dict[str, Plan] = {}

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.lstrip().startswith(("WITH", "SELECT", "UPDATE", "DELETE", "INSERT")):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                (found,) = cursor.fetchone()
            seen[sql] = _nodes_of(found)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield seen


def carried_out(sql: str, params: Any) -> Plan:
    """Runs the statement: the nodes of its plan, with what each did."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        (found,) = cursor.fetchone()
    return _nodes_of(found)


def touched(node: dict[str, Any]) -> int:
    """The rows that a node looked at when it was carried out."""
    removed = node.get("Rows Removed by Join Filter", 0) + node.get("Rows Removed by Filter", 0)
    return int((node["Actual Rows"] + removed) * node["Actual Loops"] + 0.5)


def read_whole(plan: Plan) -> set[str]:
    """The tables that are read from end to end."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}


def indexes(plan: Plan) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def the_one(plans: dict[str, Plan], words: str) -> Plan:
    """The plan of the one statement that has these words in it."""
    (found,) = (plan for sql, plan in plans.items() if words in sql)
    return found


def _nodes_of(found: Any) -> Plan:
    plan = found if isinstance(found, list) else json.loads(found)
    return list(_nodes(plan[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
