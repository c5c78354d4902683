"""Rules as JSON that PostgreSQL has written, for the API: what is listed most is read fastest.

A rule's sentence is put into its row here, since triggers and effects speak Python. It is made once
for all rules that say the same: it follows from the columns of `_SAID` and a zone alone.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from accounts.models import User
from actions.models import Action
from market.bulk import run

SENTENCES_KEPT = 10_000  # some 0.6 kB each
_ANY_INSTANT = datetime(
    2000, 1, 1, tzinfo=UTC
)  # a sentence does not tell from when a rule is valid


def _instant(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_COLUMNS = {
    "id": "id",
    "status": "status",
    "status_reason": "status_reason",
    "action_type": "action_type",
    "symbol": "symbol",
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
    "portfolio_id": "portfolio_id",
    "rehearsal": "rehearsal",
    "promoted_at": _instant("promoted_at"),
    "last_triggered_at": _instant("last_triggered_at"),
    "last_evaluated_at": _instant("last_evaluated_at"),
    "last_evaluation": "last_evaluation",
    "consecutive_failures": "consecutive_failures",
    "notes": "notes",
    "external_id": "external_id",
    "created_at": _instant("created_at"),
    "updated_at": _instant("updated_at"),
}
FIELDS = ("description", *_COLUMNS)

_ROW = f"json_build_object({', '.join(f"'{name}', {sql}" for name, sql in _COLUMNS.items())})::text"

# In the order of the attributes that `_spoken` sets.
_SAID = """json_build_array(action_type, symbol, quantity::text, amount_usd::text,
    action_params, trigger_type, trigger_params, max_executions, cooldown_seconds,
    valid_until, rehearsal)::text"""

# What a person can change, and so what two of them can change under each other. What the engine
# writes with every look is not in it.
_VERSION = """md5(json_build_array(status, action_type, symbol, quantity,
    amount_usd, action_params, trigger_type, trigger_params, valid_from, valid_until,
    max_executions, cooldown_seconds, portfolio_id, notes, rehearsal, external_id)::text)"""

_ONE = f"SELECT {_ROW}, {_SAID}, {_VERSION} FROM actions WHERE user_id = %s AND id = %s"  # noqa: S608
_VERSION_OF = f"SELECT {_VERSION} FROM actions WHERE id = %s"  # noqa: S608 -- constants


# What the list can be asked for, by the name of the parameter.
_WANTED = {
    "status": "status = %s",
    "symbol": "symbol = upper(%s)",
    "action_type": "action_type = %s",
    "trigger_type": "trigger_type = %s",
    "portfolio_id": "portfolio_id = %s",
    "rehearsal": "rehearsal = %s",
    "external_id": "external_id = %s",
    "search": "(strpos(lower(symbol), lower(%s)) > 0 OR strpos(lower(notes), lower(%s)) > 0)",
}
_ORDERED = ("updated_at", "last_triggered_at", "symbol", "status", "executions_count")
ORDERS = {
    "-created_at": "created_at DESC, id",  # as the index of a user's rules has it
    "created_at": "created_at, id DESC",  # backwards
    **{name: f"{name} NULLS LAST, created_at DESC, id" for name in _ORDERED},
    **{f"-{name}": f"{name} DESC NULLS LAST, created_at DESC, id" for name in _ORDERED},
}


class RuleRow(NamedTuple):
    """A rule's JSON, and the version of it that an edit must name."""

    json: bytes
    version: str


def rule_rows(
    *, user: User, wanted: Mapping[str, object], order: str, limit: int, offset: int
) -> Sequence[bytes]:
    """The JSON of the user's rules, in one query: those that are as `wanted` says, by the names of
    the list's parameters, in one of ORDERS."""
    conditions = ["user_id = %s", *(_WANTED[name] for name in wanted)]
    arguments: list[object] = [user.pk]
    for name, value in wanted.items():
        arguments += [value] * _WANTED[name].count("%s")
    statement = (
        f"SELECT {_ROW}, {_SAID} FROM actions WHERE {' AND '.join(conditions)} "  # noqa: S608 -- constants
        f"ORDER BY {ORDERS[order]} LIMIT %s OFFSET %s"
    )
    rows = run(statement, [*arguments, limit, offset])
    return [_told(row, said, user.time_zone) for row, said in rows]


def rule_row(*, user: User, action_id: UUID) -> RuleRow:
    """A rule of the user's. Raises Action.DoesNotExist for another's."""
    found = run(_ONE, [user.pk, action_id])
    if not found:
        raise Action.DoesNotExist
    ((row, said, version),) = found
    return RuleRow(_told(row, said, user.time_zone), version)


def version_of(*, action: Action) -> str:
    """The version of a rule, as it is stored."""
    ((version,),) = run(_VERSION_OF, [action.pk])
    return str(version)


def _told(row: str, said: str, zone: str) -> bytes:
    return f'{{"description":{_sentence(said, zone)},{row[1:]}'.encode()


@lru_cache(maxsize=SENTENCES_KEPT)
def _sentence(said: str, zone: str) -> str:
    """The sentence as JSON. No bytes: those of orjson hold on to the 4 kB in which they were
    written, however few they are."""
    return orjson.dumps(_spoken(said).sentence(ZoneInfo(zone))).decode()


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
        rehearsal,
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
        rehearsal=rehearsal,
    )
