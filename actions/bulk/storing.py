"""Writes what the lines of a file ask for: each table in one statement a thousand rules.

Belongs in one transaction, in which the rules that are changed have been locked (lock_rules) before
anything was read. New rules wait for an instant, as each new rule does (watches.py).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User
from actions.bulk.checking import Outcome, Verdict
from actions.history import because
from actions.models import Action
from actions.rules import Wake
from actions.starting import starting_states
from actions.watches import set_watches, sleep_for_good
from market.arrays import instant_array, json_array, plain_array, text_array, uuid_array
from market.bulk import run, send
from market.history import keep_history
from market.services import follow, keep_terms

_LOCK = """
SELECT id FROM actions WHERE user_id = %s AND id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
"""

# Each column that an import writes, with its type.
_COLUMNS = {
    "id": "uuid",
    "portfolio_id": "uuid",
    "status": "text",
    "status_reason": "text",
    "action_type": "text",
    "symbol": "text",
    "quantity": "numeric",
    "amount_usd": "numeric",
    "action_params": "jsonb",
    "trigger_type": "text",
    "trigger_params": "jsonb",
    "runtime_state": "jsonb",
    "begun": "boolean",
    "valid_from": "timestamptz",
    "valid_until": "timestamptz",
    "max_executions": "integer",
    "cooldown_seconds": "integer",
    "rehearsal": "boolean",
    "notes": "text",
    "external_id": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "consecutive_failures": "integer",
}
_NEVER_CHANGED = frozenset({"id", "created_at"})


def _read(name: str, kind: str) -> str:
    if kind == "jsonb":
        return f"jsonb_array_elements(%({name})s::jsonb)"
    return f"unnest(%({name})s::{kind}[])"


_ROWS = f"""ROWS FROM ({", ".join(_read(name, kind) for name, kind in _COLUMNS.items())})
       AS row({", ".join(_COLUMNS)})"""

_INSERT = f"""
INSERT INTO actions (user_id, {", ".join(_COLUMNS)})
SELECT %(user)s, row.* FROM {_ROWS}
"""  # noqa: S608 -- constants

# A rule whose condition is another, or that sleeps for good, is taken from whoever has leased it.
_UPDATE = f"""
UPDATE actions a
   SET {", ".join(f"{name} = row.{name}" for name in _COLUMNS if name not in _NEVER_CHANGED)},
       processing_lease_until = CASE WHEN a.id = ANY(%(kept)s::uuid[])
                                     THEN a.processing_lease_until END,
       waking_quote = CASE WHEN a.id = ANY(%(kept)s::uuid[]) THEN a.waking_quote END
  FROM {_ROWS}
 WHERE a.id = row.id AND a.user_id = %(user)s
"""  # noqa: S608 -- constants


def lock_rules(*, user: User, ids: Collection[UUID]) -> None:
    """Locks those of the user's rules, in the order in which everybody does."""
    run(_LOCK, [user.pk, uuid_array(ids)])


class Store:
    """Writes the verdicts of one import, as they come."""

    def __init__(self, *, user: User, why: str, by: User, now: datetime) -> None:
        self._user, self._why, self._by, self._now = user, why, by, now
        self._followed: set[str] = set()
        self._kept: dict[timedelta, set[str]] = {}
        self._ended: list[UUID] = []

    def write(self, verdicts: Sequence[Verdict]) -> None:
        """Writes the rules of these lines, none of which is an error, and what they wait for."""
        self._start([each for each in verdicts if each.anew])
        if new := _rows(verdicts, Outcome.NEW):
            send(_INSERT, self._params(new))
        if changed := _rows(verdicts, Outcome.CHANGED):
            # By Django's own cursor, which tells the history who did it, and why.
            with because(self._why, user=self._by), connection.cursor() as cursor:
                cursor.execute(_UPDATE, {**self._params(changed), "kept": _leased(changed)})
        looked_at = [each for each in verdicts if each.rule and _is_active(each)]
        set_watches(
            {
                action.pk: (rule.symbols, Wake(at=max(self._now, rule.valid_from)))
                for each in looked_at
                if (action := each.action) and (rule := each.rule)
            }
        )
        self._note(looked_at)
        self._ended += [each.action.pk for each in verdicts if each.ended and each.action]

    def finish(self) -> None:
        """Last of all, so that nobody who needs a symbol's row waits longer than must be."""
        follow(symbols=self._followed)
        for span, symbols in sorted(self._kept.items()):
            keep_history(symbols=symbols, span=span)
        if self._ended:
            sleep_for_good(action_ids=self._ended)

    def _start(self, begun: Sequence[Verdict]) -> None:
        """Gives their triggers the states to start from."""
        pairs = [(each.rule, each.action) for each in begun if each.rule and each.action]
        keep_terms(symbols=frozenset(symbol for rule, _ in pairs for symbol in rule.symbols))
        states = starting_states([(rule, action.portfolio_id) for rule, action in pairs], self._now)
        for (rule, action), state in zip(pairs, states, strict=True):
            action.runtime_state = dict(state)
            action.begun = rule.valid_from <= self._now

    def _params(self, rows: Sequence[Action]) -> dict[str, Any]:
        return {**{name: _array(name, rows) for name in _COLUMNS}, "user": self._user.pk}

    def _note(self, looked_at: Iterable[Verdict]) -> None:
        for each in looked_at:
            if each.rule is None:
                continue
            self._followed |= each.rule.symbols
            if span := each.rule.trigger.needs(each.rule).span:
                self._kept.setdefault(span, set()).update(each.rule.trigger.charted(each.rule))


def _rows(verdicts: Sequence[Verdict], outcome: Outcome) -> list[Action]:
    return [each.action for each in verdicts if each.outcome is outcome and each.action]


def _leased(rows: Sequence[Action]) -> str:
    """Those of the rules that whoever has leased them keeps."""
    return uuid_array(row.pk for row in rows if row.processing_lease_until is not None)


def _is_active(verdict: Verdict) -> bool:
    return verdict.action is not None and verdict.action.status == Action.Statuses.ACTIVE


def _array(name: str, rows: Sequence[Action]) -> str:
    values = [getattr(row, name) for row in rows]
    match _COLUMNS[name]:
        case "jsonb":
            return json_array(values)
        case "uuid":
            return uuid_array(values)
        case "text":
            return text_array(values)
        case "timestamptz":
            return instant_array(values)
    return plain_array(values)
