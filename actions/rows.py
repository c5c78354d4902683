"""Rules as JSON that PostgreSQL has written, for the API: what is listed most is read fastest.

A rule's sentence is put into its row here, since triggers and effects speak Python. It is made once
for all rules that say the same: it follows from the columns of `_SAID` and a zone alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import orjson
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from actions.models import Action

SENTENCES_KEPT = 50_000  # some 1 kB each
_ANY_INSTANT = datetime(
    2000, 1, 1, tzinfo=UTC
)  # a sentence does not tell from when a rule is valid


def _instant(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_COLUMNS = {
    "id": "actions.id",
    "status": "actions.status",
    "status_reason": "status_reason",
    "action_type": "action_type",
    "symbol": "actions.symbol",
    "quantity": "trim_scale(quantity)::text",
    "amount_usd": "amount_usd::text",
    "action_params": "action_params",
    "trigger_type": "trigger_type",
    "trigger_params": "trigger_params",
    "runtime_state": "runtime_state",
    "valid_from": _instant("valid_from"),
    "valid_until": _instant("valid_until"),
    "max_executions": "max_executions",
    "executions_count": "executions_count",
    "cooldown_seconds": "cooldown_seconds",
    "portfolio_id": "actions.portfolio_id",
    "last_triggered_at": _instant("last_triggered_at"),
    "last_evaluated_at": _instant("last_evaluated_at"),
    "last_evaluation": "last_evaluation",
    "consecutive_failures": "consecutive_failures",
    "notes": "notes",
    "created_at": _instant("actions.created_at"),
    "updated_at": _instant("actions.updated_at"),
}
FIELDS = ("description", *_COLUMNS)

_ROW = f"json_build_object({', '.join(f"'{name}', {sql}" for name, sql in _COLUMNS.items())})::text"

# In the order of the attributes that `_spoken` sets.
_SAID = """json_build_array(action_type, actions.symbol, quantity::text, amount_usd::text,
    action_params, trigger_type, trigger_params, max_executions, cooldown_seconds,
    valid_until)::text"""

# What a person can change, and so what two of them can change under each other. What the engine
# writes with every look is not in it.
_VERSION = """md5(json_build_array(actions.status, action_type, actions.symbol, quantity,
    amount_usd, action_params, trigger_type, trigger_params, valid_from, valid_until,
    max_executions, cooldown_seconds, actions.portfolio_id, notes)::text)"""


class RuleRow(NamedTuple):
    """A rule's JSON, and the version of it that an edit must name."""

    json: bytes
    version: str


def rule_rows(*, actions: QuerySet[Action], zone: ZoneInfo) -> Sequence[bytes]:
    """The JSON of these rules, in their order: one query."""
    rows = actions.annotate(row=RawSQL(_ROW, []), said=RawSQL(_SAID, []))  # noqa: S611 -- constants
    return [_told(row, said, zone) for row, said in rows.values_list("row", "said")]


def rule_row(*, actions: QuerySet[Action], zone: ZoneInfo) -> RuleRow:
    """The one rule among `actions`. Raises Action.DoesNotExist where there is none."""
    found = actions.annotate(
        row=RawSQL(_ROW, []),  # noqa: S611 -- constants, here and below
        said=RawSQL(_SAID, []),  # noqa: S611
        version=RawSQL(_VERSION, []),  # noqa: S611
    )
    row, said, version = found.values_list("row", "said", "version").get()
    return RuleRow(_told(row, said, zone), version)


def version_of(*, action: Action) -> str:
    """The version of a rule, as it is stored."""
    stored = Action.objects.filter(pk=action.pk).annotate(version=RawSQL(_VERSION, []))  # noqa: S611
    return str(stored.values_list("version", flat=True).get())


def _told(row: str, said: str, zone: ZoneInfo) -> bytes:
    return b'{"description":%b,%b' % (_sentence(said, zone.key), row[1:].lstrip().encode())


@lru_cache(maxsize=SENTENCES_KEPT)
def _sentence(said: str, zone: str) -> bytes:
    """The sentence as JSON."""
    return orjson.dumps(_spoken(said).sentence(ZoneInfo(zone)))


def _spoken(said: str) -> Action:
    """As much of the rule as its sentence tells."""
    (
        action_type,
        symbol,
        quantity,
        amount_usd,
        action_params,
        trigger_type,
        trigger_params,
        max_executions,
        cooldown_seconds,
        valid_until,
    ) = orjson.loads(said)
    return Action(
        action_type=action_type,
        symbol=symbol,
        quantity=quantity,
        amount_usd=amount_usd,
        action_params=action_params,
        trigger_type=trigger_type,
        trigger_params=trigger_params,
        max_executions=max_executions,
        cooldown_seconds=cooldown_seconds,
        valid_from=_ANY_INSTANT,
        valid_until=datetime.fromisoformat(valid_until) if valid_until else None,
    )
