"""Who changed what in a rule, when and why: read from what it was before each change.

The rows are written by triggers of the database, so that no way of changing a rule passes by them.
The user comes from the request (pghistory's middleware), or from the service that was called.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pghistory

from accounts.models import User
from actions.models import Action, ActionHistory
from actions.models.history import SETTINGS
from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger
from actions.sentence import REHEARSAL, duration, in_zone
from portfolios.models import Portfolio

NOBODY = "Trading Rules"  # who does what no person did
SUPPORT = "support"  # who of the staff it was is not for the owner

# What a rule means in shares and prices.
_TERMS = ("symbol", "quantity", "action_params", "trigger_type", "trigger_params")

# What it watches, and what for.
_WATCHED = (
    "symbol",
    "trigger_type",
    "trigger_params",
    "valid_from",
    "action_type",
    "action_params",
    "portfolio_id",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a rule: when, by whom, what from what to what (a line each), and why. `anew`:
    its trigger has started anew with it."""

    at: datetime
    who: str
    what: Sequence[str]
    why: str = ""
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Support:
    """Somebody of the staff who does something to a user's rule, and why."""

    staff: User
    reason: str

    def told(self, done: str) -> str:
        """What was done, as its owner reads it: "Paused by support: You asked us to."."""
        stop = "" if self.reason.endswith((".", "?", "!")) else "."
        return f"{done} by support: {self.reason}{stop}"


def because(why: str, *, user: User | None = None, support: Support | None = None) -> Any:
    """A context in which all that is written to rules is said to be done for this reason, and by
    this user, or by support, unless a request says by whom."""
    by = support.staff if support else user
    said = {"by": str(by.pk)} if by else {}
    return pghistory.context(why=why, **said, **({"support": True} if support else {}))


def history_of(*, action: Action, zone: ZoneInfo, for_staff: bool = False) -> list[Change]:
    """What became of the rule, newest first, with times in `zone`; three queries at most.

    Who of the staff has intervened is told `for_staff` alone.
    """
    before = list(ActionHistory.objects.filter(pgh_obj=action).order_by("pgh_id"))
    owner = action.user.get_username()
    first = before[0] if before else action
    changes = [Change(action.created_at, owner, (f"Made: {_sentence(first)}",), anew=True)]
    people = {str(action.user_id): owner, **_people(before, action.user_id)}
    told = _Words(zone, _portfolios([*before, action]))
    done = _is_done(action, before)
    # What was promoted once it was completed had been active until then.
    later = [_while_active(row) if _is_complete(row) else row for row in before[1:]]
    last = _while_active(action) if done else action
    for was, then in zip(before, [*later, last], strict=False):  # none where nothing was changed
        ended = then.status_reason if was.status != then.status else ""
        what = tuple(told.differences(was, then))
        why = (was.pgh_context or {}).get("why") or ended
        by_support = not for_staff and "support" in (was.pgh_context or {})
        who = SUPPORT if by_support else people.get(_by(was), NOBODY)
        changes.append(Change(was.pgh_created_at, who, what, why, _starts_anew(was, then)))
    if done:
        changes.append(
            Change(_done_at(action), NOBODY, ("Status: active → completed",), action.status_reason)
        )
    return changes[::-1]


@dataclass(frozen=True, slots=True)
class Era:
    """A span in which nobody changed a rule: as what it stood then."""

    begin: datetime
    end: datetime
    action: Action


def eras_of(*, action: Action, until: datetime) -> list[Era]:
    """What the rule was from when it was made until `until`, oldest first. One query."""
    before = list(ActionHistory.objects.filter(pgh_obj=action).order_by("pgh_id"))
    states = [(was.pgh_created_at, _as_it_was(action, was)) for was in before]
    if _is_done(action, before):
        states.append((_done_at(action), _while_active(action)))
    states.append((until, action))
    eras, begin = [], action.created_at
    for changed_at, state in states:
        end = min(changed_at, until)
        if begin < end:
            eras.append(Era(begin, end, state))
            begin = end
    return eras


def edited_since(*, actions: Iterable[Action], instant: datetime) -> set[UUID]:
    """Those of these rules whose terms (in shares and prices) people have set since `instant`."""
    actions = list(actions)
    edited = {action.pk for action in actions if action.created_at >= instant}
    touched = {action.pk: action for action in actions if action.updated_at >= instant}
    rows = ActionHistory.objects.filter(pgh_obj__in=touched.keys() - edited)
    for pk, before in groupby(rows.order_by("pgh_obj", "pgh_id"), key=attrgetter("pgh_obj_id")):
        for was, then in pairwise([*before, touched[pk]]):
            if then.updated_at >= instant and _terms(was) != _terms(then):
                edited.add(pk)
    return edited


def keep_as_it_was(*, actions: Iterable[Action], label: str, why: str) -> None:
    """Puts down that something happened to these rules that none of their settings tells."""
    copied = (*SETTINGS, "status", "status_reason", "updated_at")
    ActionHistory.objects.bulk_create(
        ActionHistory(
            pgh_obj=action,
            pgh_label=label,
            pgh_context={"why": why},
            **{name: getattr(action, name) for name in copied if name != "portfolio"},
            portfolio_id=action.portfolio_id,
        )
        for action in actions
    )


def watching(row: Any) -> tuple[Any, ...]:
    """What a trigger's state is the state of, for a rule or a row of its history: where one of
    these changes, it starts anew."""
    return tuple(getattr(row, name) for name in _WATCHED)


# A row of what was, or the rule as it is: both have the columns that people set.
_Row = Any


def _is_done(action: Action, before: Sequence[_Row]) -> bool:
    """Whether the rule was completed while it was active, which no row tells (see the model)."""
    if not _is_complete(action):
        return False
    # A paused rule that expires has a row; one that a person let go on before has one by a person.
    paused = bool(before) and before[-1].status == Action.Statuses.PAUSED
    return not paused or bool(_by(before[-1]))


def _is_complete(row: _Row) -> bool:
    return bool(row.status == Action.Statuses.COMPLETED)


def _while_active(row: _Row) -> _Row:
    """The rule as it was before it was completed."""
    active = copy(row)
    active.status, active.status_reason = Action.Statuses.ACTIVE, ""
    return active


def _done_at(action: Action) -> datetime:
    return max(filter(None, (action.last_evaluated_at, action.updated_at)))


def _as_it_was(action: Action, row: _Row) -> Action:
    """The rule with the settings of a row."""
    then = copy(action)
    for name in (*SETTINGS, "status"):
        column = "portfolio_id" if name == "portfolio" else name
        setattr(then, column, getattr(row, column))
    return then


def _by(row: _Row) -> str:
    """The id of the user who made the change, empty where nobody did."""
    context = row.pgh_context or {}
    return context.get("user") or context.get("by") or ""


def _starts_anew(was: _Row, then: _Row) -> bool:
    """Whether the trigger was started anew: by a resumption, or by an edit."""
    resumed = was.status != then.status
    edited = watching(was) != watching(then)
    return bool(then.status == Action.Statuses.ACTIVE and (resumed or edited))


def _terms(row: _Row) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _TERMS)


def _people(before: Iterable[_Row], owner: UUID) -> dict[str, str]:
    ids = {_by(row) for row in before} - {"", str(owner)}
    return {str(user.pk): user.get_username() for user in User.objects.filter(pk__in=ids)}


def _portfolios(rows: Iterable[_Row]) -> dict[UUID, str]:
    ids: set[UUID] = {row.portfolio_id for row in rows} - {None}
    if len(ids) < 2:
        return {}
    return dict(Portfolio.objects.filter(pk__in=ids).values_list("pk", "name"))


@dataclass(frozen=True, slots=True)
class _Words:
    """Says what differs between two states of a rule, with times in `zone`."""

    zone: ZoneInfo
    portfolios: dict[UUID, str]

    def differences(self, was: _Row, then: _Row) -> Iterator[str]:
        before, after = self._said(was), self._said(then)
        for name, value in after.items():
            if before[name] != value:
                yield f"{name}: {before[name]} → {value}"
        if before == after:
            yield "Only what the rule remembers of the market was changed."

    def _said(self, row: _Row) -> dict[str, str]:
        """Each of the things that people set, in words."""
        return {
            "What it does": _effect(row),
            "When": _trigger(row),
            "Portfolio": self.portfolios.get(row.portfolio_id, "the primary one"),
            "Valid from": self._instant(row.valid_from, "at once"),
            "Valid until": self._instant(row.valid_until, "no end"),
            "Executions at most": "any" if row.max_executions is None else str(row.max_executions),
            "Cooldown": duration(row.cooldown_seconds) if row.cooldown_seconds else "none",
            "Notes": f"“{row.notes}”" if row.notes else "none",
            "Trades": "nothing, as a rehearsal" if row.rehearsal else "for real",
            "External id": row.external_id or "none",
            "Status": row.status,
        }

    def _instant(self, instant: datetime | None, otherwise: str) -> str:
        return in_zone(instant, self.zone) if instant else otherwise


def _sentence(row: _Row) -> str:
    return f"{REHEARSAL if row.rehearsal else ''}{_effect(row)} {_trigger(row)}."


def _effect(row: _Row) -> str:
    sizes = {"quantity": row.quantity, "amount_usd": row.amount_usd}
    given = {name: size for name, size in sizes.items() if size is not None}
    try:
        effect = parse_effect(row.action_type, sizes=given, params=row.action_params)
    except InvalidRule:
        return f"{row.action_type} {row.action_params}"
    message = row.action_params.get("message")
    return effect.describe(row.symbol) + (f" (“{message}”)" if message else "")


def _trigger(row: _Row) -> str:
    try:
        return parse_trigger(row.trigger_type, row.trigger_params).describe(row.symbol)
    except InvalidRule:
        return f"{row.trigger_type} {row.trigger_params}"
