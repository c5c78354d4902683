"""What a change makes of a rule's row, before it is written: one rule's, or thousands'.

The rows are locked by the caller, who writes them and what they wait for. `who` changes the rule,
as its owner is told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actions.drafting import Draft, apply
from actions.history import watching
from actions.lifecycle import BY_PEOPLE, check_transition
from actions.models import Action
from actions.parts import InvalidRule
from actions.rules import Rule, Status
from portfolios.models import Portfolio

STAYS_REHEARSAL = "An edit does not make a rehearsal trade. Promote it."
STAYS_REAL = "A rule that trades does not become a rehearsal. Pause it, and write a rehearsal."


class EditRefused(ValueError):
    """A rule that has ended, and stays as it was."""


def check_editable(action: Action) -> None:
    """Raises EditRefused where the rule has ended."""
    if not BY_PEOPLE[Status(action.status)]:
        raise EditRefused(f"The rule is {action.status}, and stays as it was. Write a new one.")


def edit(
    action: Action,
    draft: Draft,
    rule: Rule,
    portfolio: Portfolio | None,
    now: datetime,
    who: str = "you",
) -> bool:
    """Makes the rule what `draft` asks for, which `rule` is read from. True where its trigger
    starts anew: its state is the caller's to set then.

    Raises InvalidRule where it has been executed more often than it now may, and where a rehearsal
    would trade or what trades would not.
    """
    if draft.rehearsal != action.rehearsal:
        raise InvalidRule({"rehearsal": STAYS_REHEARSAL if action.rehearsal else STAYS_REAL})
    if rule.max_executions is not None and rule.max_executions <= action.executions_count:
        raise InvalidRule({"max_executions": _too_few(action.executions_count)})
    before = watching(action)
    apply(draft, rule, action, portfolio)
    action.updated_at = now
    anew = action.status == Action.Statuses.ACTIVE and watching(action) != before
    if anew:
        action.status_reason = f"Edited by {who}: its trigger has started anew."
        # What woke the rule was another condition: whoever has just leased it lets go of it.
        action.processing_lease_until = None
        action.waking_quote = None
    return anew


def end_watch(
    action: Action, status: Status, reason: str, followed: Mapping[str, Any], now: datetime
) -> None:
    """Pauses or cancels the rule. `followed` is what the mark that has kept its best price says,
    which goes with its watch. Raises TransitionRefused."""
    check_transition(Status(action.status), status)
    action.status = Action.Statuses(status)
    action.status_reason = reason
    action.updated_at = now
    # Whoever is just looking at the rule finds its lease gone, and lets go of it.
    action.processing_lease_until = None
    action.waking_quote = None
    action.runtime_state |= followed


def resume(action: Action, now: datetime, reason: str) -> Rule:
    """Lets the rule go on, for the `reason` that its owner reads; its trigger starts anew, in a
    state that is the caller's to set.

    Raises TransitionRefused where it cannot be resumed, InvalidRule where it has expired or can no
    longer be read.
    """
    check_transition(Status(action.status), Status.ACTIVE)
    action.status = Action.Statuses.ACTIVE
    rule = action.as_rule()
    if rule.valid_until is not None and now >= rule.valid_until:
        raise InvalidRule({"valid_until": "The rule has expired. Give it a later end first."})
    action.status_reason = reason
    action.consecutive_failures = 0
    action.updated_at = now
    return rule


def _too_few(executed: int) -> str:
    return f"It has been executed {executed} times already. Use a larger number, or null for any."
