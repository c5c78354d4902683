"""The two tables of the specification, as PostgreSQL has them."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from tests.conftest import list_instruments
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

# column: (type, nullable, default as PostgreSQL writes it; None: no default)
ACTIONS = {
    "id": ("uuid", "NO", "gen_random_uuid()"),
    "user_id": ("uuid", "NO", None),
    "portfolio_id": ("uuid", "YES", None),
    "status": ("text", "NO", "'active'::text"),
    "action_type": ("text", "NO", None),
    "symbol": ("text", "YES", None),
    "quantity": ("numeric", "YES", None),
    "amount_usd": ("numeric", "YES", None),
    "trigger_type": ("text", "NO", None),
    "trigger_params": ("jsonb", "NO", None),
    "valid_from": ("timestamp with time zone", "YES", "statement_timestamp()"),
    "valid_until": ("timestamp with time zone", "YES", None),
    "max_executions": ("integer", "YES", "1"),
    "executions_count": ("integer", "NO", "0"),
    "cooldown_seconds": ("integer", "YES", None),
    "last_triggered_at": ("timestamp with time zone", "YES", None),
    "last_evaluated_at": ("timestamp with time zone", "YES", None),
    "processing_lease_until": ("timestamp with time zone", "YES", None),
    "notes": ("text", "YES", None),
    "created_at": ("timestamp with time zone", "NO", "statement_timestamp()"),
    "updated_at": ("timestamp with time zone", "NO", "statement_timestamp()"),
    # beyond the specification
    "action_params": ("jsonb", "NO", "'{}'::jsonb"),
    "runtime_state": ("jsonb", "NO", "'{}'::jsonb"),
    "begun": ("boolean", "YES", None),
    "waking_quote": ("jsonb", "YES", None),
    "status_reason": ("text", "NO", "''::text"),
    "consecutive_failures": ("integer", "NO", "0"),
    "last_evaluation": ("jsonb", "YES", None),
    "rehearsal": ("boolean", "NO", "false"),
    "promoted_at": ("timestamp with time zone", "YES", None),
    "external_id": ("text", "YES", None),
}
EXECUTIONS = {
    "id": ("uuid", "NO", "gen_random_uuid()"),
    "action_id": ("uuid", "NO", None),
    "triggered_at": ("timestamp with time zone", "NO", "statement_timestamp()"),
    "execution_status": ("text", "NO", None),
    "details": ("jsonb", "NO", None),
    "transaction_id": ("uuid", "YES", None),
    "error": ("text", "YES", None),
    # beyond the specification
    "sequence": ("integer", "NO", None),
    "idempotency_key": ("text", "YES", None),
    "request_fingerprint": ("text", "YES", None),
    "rehearsal": ("boolean", "NO", "false"),
}


@pytest.mark.parametrize(
    ("table", "columns"), [("actions", ACTIONS), ("action_executions", EXECUTIONS)]
)
def test_every_column_has_its_type_and_default(
    table: str, columns: dict[str, tuple[str, str, str | None]]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_name = %s",
            [table],
        )
        found = {name: (kind, null, default) for name, kind, null, default in cursor.fetchall()}
    assert found == columns


def test_every_index_of_the_specification_is_there() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename IN ('actions', 'action_executions')"
        )
        indexes = dict(cursor.fetchall())
    for name, first_column in [
        ("actions_user_idx", "(user_id"),
        ("actions_status_idx", "(status"),
        ("actions_symbol_idx", "(symbol"),
        ("actions_trigger_idx", "(trigger_type"),
        ("executions_once", "(action_id, sequence"),
    ]:
        assert first_column in indexes[name]
    assert "WHERE (status = 'active'::text)" in indexes["actions_evaluable_idx"]


RULE = {
    "action_type": "'SELL'",
    "symbol": "'AAPL'",
    "quantity": "1",
    "amount_usd": "NULL",
    "action_params": "'{}'",
    "trigger_type": "'price_below'",
    "trigger_params": "'{}'",
    "status": "'active'",
    "max_executions": "1",
    "executions_count": "0",
    "cooldown_seconds": "NULL",
    "valid_from": "now()",
    "valid_until": "NULL",
    "processing_lease_until": "NULL",
    "waking_quote": "NULL",
}


NO_SIZE = {"symbol": "NULL", "quantity": "NULL"}
TARGETS = {
    "action_type": "'REBALANCE'",
    "action_params": '\'{"targets": {"AAPL": "1"}}\'',
    **NO_SIZE,
}


def insert(user: User, **changes: str) -> None:
    row = RULE | changes
    columns, values = ", ".join(row), ", ".join(row.values())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO actions (user_id, {columns}) VALUES (%s, {values})", [user.pk])  # noqa: S608 - the test's own text


def test_a_rule_that_makes_sense_is_stored() -> None:
    insert(UserFactory.create())
    insert(UserFactory.create(), **TARGETS)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"status": "'asleep'"}, "actions_status_known"),
        ({"symbol": "NULL"}, "actions_trade_has_symbol"),
        ({"quantity": "NULL"}, "actions_trade_has_one_size"),
        ({"amount_usd": "5"}, "actions_trade_has_one_size"),
        ({"action_type": "'REBALANCE'", **NO_SIZE}, "actions_rebalance_has_targets"),
        ({**TARGETS, "symbol": "'AAPL'"}, "actions_rebalance_has_targets"),
        ({**TARGETS, "quantity": "1"}, "actions_rebalance_has_targets"),
        ({**TARGETS, "amount_usd": "1"}, "actions_rebalance_has_targets"),
        ({"quantity": "0"}, "actions_quantity_positive"),
        ({"quantity": "NULL", "amount_usd": "-1"}, "actions_amount_positive"),
        ({"max_executions": "0"}, "actions_max_executions_positive"),
        ({"executions_count": "2"}, "actions_executions_within_max"),
        ({"executions_count": "-1"}, "actions_executions_within_max"),
        ({"cooldown_seconds": "-1"}, "actions_cooldown_not_negative"),
        ({"valid_until": "now() - interval '1 s'"}, "actions_valid_span"),
        ({"processing_lease_until": "now()"}, "actions_lease_with_quote"),
        ({"waking_quote": "'{}'"}, "actions_lease_with_quote"),
        ({"rehearsal": "true", "promoted_at": "now()"}, "actions_promoted_is_real"),
        (
            {"status": "'paused'", "processing_lease_until": "now()", "waking_quote": "'{}'"},
            "actions_awake_is_active",
        ),
    ],
)
def test_the_database_itself_refuses_what_cannot_be(
    changes: dict[str, str], constraint: str
) -> None:
    list_instruments(["AAPL"])
    with pytest.raises(IntegrityError, match=constraint):
        insert(UserFactory.create(), **changes)
