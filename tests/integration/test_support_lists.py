"""The admin's lists: what they find, how often they ask the database, and by which indexes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from actions.models import (
    Action,
    ActionExecution,
    ActionHistory,
    Delivery,
    Notification,
    Waking,
    Watch,
)
from actions.notify.dispatch import dispatch
from bench.population import Population
from portfolios.models import Holding, Portfolio, Transaction
from support import paging
from tests.support import change_page

pytestmark = pytest.mark.django_db

RULES, SYMBOLS = 3_000, 20

_HAPPENED = """
WITH done AS (
    INSERT INTO action_executions (action_id, sequence, triggered_at, execution_status, details,
                                   error)
    SELECT id, 1, created_at + interval '1 minute' * (row_number() OVER ()),
           CASE WHEN symbol = 'S00001' THEN 'failed' ELSE 'success' END,
           '{"summary": "Told.", "reason": "So it was.", "rule": "A rule.", "trades": []}',
           CASE WHEN symbol = 'S00001' THEN 'Refused.' END
      FROM actions RETURNING id, action_id, triggered_at
)
INSERT INTO notifications (user_id, action_id, execution_id, kind, subject, body, created_at)
SELECT a.user_id, a.id, done.id, 'fired', 'Told.', 'Told.', done.triggered_at
  FROM done JOIN actions a ON a.id = done.action_id
"""
_NOTED = "UPDATE actions SET notes = 'seen'"
_AWAKE = """
INSERT INTO wakings (action_id, until, book, looked_at, created_at)
SELECT id, created_at, user_id, '-infinity', created_at FROM actions
"""

LARGE = (
    Action,
    ActionExecution,
    ActionHistory,
    Delivery,
    Notification,
    Waking,
    Watch,
    Portfolio,
    Holding,
    Transaction,
    User,
)


@pytest.fixture
def site(now: datetime) -> Population:
    """Three people with a thousand rules each, which have all fired once, told, and been edited."""
    population = Population(symbols=SYMBOLS, at=now)
    population.grow(RULES)
    for number, user in enumerate(User.objects.order_by("username")):
        user.email = f"Person{number}@Example.org"
        user.save()
    with connection.cursor() as cursor:
        for statement in (_HAPPENED, _NOTED, _AWAKE):
            cursor.execute(statement)
        dispatch(now=now)
        cursor.execute("ANALYZE")
    return population


def path(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def listed(client: Client, model: type[Model], **query: str) -> list[Any]:
    page = client.get(path(model), query)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


def whose(row: Any) -> User:
    """The user whose row it is."""
    for name in ("user", "action", "pgh_obj", "portfolio"):
        if hasattr(row, name):
            found = getattr(row, name)
            return found if isinstance(found, User) else whose(found)
    assert isinstance(row, User)
    return row


def test_rows_are_found_by_a_beginning_of_an_id_by_person_and_by_symbol(
    site: Population, admin_client: Client
) -> None:
    person = User.objects.get(username="bench-1")
    action = Action.objects.filter(user=person, symbol="S00003").latest("id")
    execution = ActionExecution.objects.get(action=action)
    for model in LARGE:
        for typed in ("person1@example", "BENCH-1", str(person.pk), str(person.pk)[:13]):
            rows = listed(admin_client, model, q=typed)
            assert rows, (model, typed)
            assert {whose(row) for row in rows} == {person}, (model, typed)
        assert listed(admin_client, model, q="no%") == [], model
    for model in (Action, ActionExecution, Notification, ActionHistory, Watch, Waking):
        (row,) = listed(admin_client, model, q=str(action.pk)[:18])
        assert whose(row) == person
    assert listed(admin_client, ActionExecution, q=f" {execution.pk}") == [execution]
    for model in (Action, ActionExecution, Notification, Watch):
        rows = listed(admin_client, model, q="s00003")
        assert len(rows) == 50
        assert {getattr(row, "action", row).symbol for row in rows} == {"S00003"}, model
    assert {row.instrument_id for row in listed(admin_client, Holding, q="s00003")} == {"S00003"}
    for model in LARGE:
        row = listed(admin_client, model)[0]
        assert admin_client.get(change_page(row)).status_code == 200, model


def test_a_list_asks_no_more_however_many_rows_it_shows(
    site: Population, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statements(model: type[Model], rows: int) -> int:
        monkeypatch.setattr(admin.site.get_model_admin(model), "list_per_page", rows)
        with CaptureQueriesContext(connection) as queries:
            listed(admin_client, model)
        return len(queries)

    for model in LARGE:
        few = statements(model, 1)
        assert statements(model, 50) == few <= 5, model


def test_a_list_counts_and_pages_no_further_than_anybody_reads(
    site: Population, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MOST_LISTED", 120)
    page = admin_client.get(path(Action))
    found = page.context["cl"]
    assert (found.result_count, found.paginator.num_pages) == (120, 3)
    assert "the first 120. Search for the others." in page.content.decode()
    assert len(listed(admin_client, Action, p="3")) == 20
    assert admin_client.get(path(Action), {"p": "4"}).status_code == 302
    few = admin_client.get(path(Action), {"q": str(Action.objects.first().pk)})  # type: ignore[union-attr]
    assert "the first" not in few.context["title"]


def test_every_list_and_every_search_reads_a_few_rows_of_an_index(
    site: Population, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of tables of 3,000 rows, which are so small that PostgreSQL would rather read them whole."""
    monkeypatch.setattr(paging, "MOST_LISTED", 120)
    with connection.cursor() as cursor:
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    action = Action.objects.latest("id")
    for model in LARGE:
        if model is Waking:
            continue  # only a rule that is awake has a row in it
        for typed in ("", str(action.pk), str(action.pk)[:8], "S00007"):
            with connection.cursor() as cursor:  # its own order is an index's
                cursor.execute(f"SET LOCAL enable_sort = {'on' if typed else 'off'}")
            with plans() as seen:
                listed(admin_client, model, q=typed)
            assert sum(map(rows_read, seen)) < 1_500, (model, typed)
            scans = {node["Node Type"] for plan in seen for node in nodes(plan) if _large(node)}
            assert "Seq Scan" not in scans, (model, typed)
    for query in ({"status__exact": "failed"}, {"trigger_type": "drift"}):
        with plans() as seen:
            assert listed(admin_client, Action, **query) == []
        assert sum(map(rows_read, seen)) < 500, query
    with plans() as seen:
        assert len(listed(admin_client, ActionExecution, execution_status__exact="failed")) == 50
    assert sum(map(rows_read, seen)) < 1_000


@contextmanager
def plans() -> Iterator[list[dict[str, Any]]]:
    """The plans of what is asked, each as PostgreSQL ran it."""
    seen: list[dict[str, Any]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                ((found,),) = cursor.fetchall()
            seen.append(found[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield seen


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def _large(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") in {model._meta.db_table for model in LARGE}


def rows_read(plan: dict[str, Any]) -> int:
    """Of the large tables, those included that a filter passed over."""
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan)
        if _large(node)
    )
