"""What people do with rules: each function is one use case in one transaction.

Pages, admin, API and chat call these and nothing else. Instants are handed in. A rule that cannot
be is refused with InvalidRule, which names every field that is wrong. `user` is the rule's owner;
where it is support that pauses, resumes or cancels the rule, `support` says who and why.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from actions.changing import EditRefused, check_editable, edit, end_watch, resume
from actions.drafting import LONGEST_COOLDOWN_SECONDS, Draft, apply, parse, portfolio_of
from actions.history import Support, because
from actions.lifecycle import BY_PEOPLE, check_promotion, check_transition
from actions.limits import has_expired
from actions.models import Action
from actions.parts import InvalidRule
from actions.rows import version_of
from actions.rules import Rule, Status
from actions.selectors import owned_action
from actions.starting import starting_state
from actions.watches import first_look, sleep_for_good
from actions.water_marks import followed
from market.history import keep_history
from market.services import follow, keep_terms

__all__ = [
    "LONGEST_COOLDOWN_SECONDS",
    "UNDO_WITHIN",
    "Draft",
    "EditRefused",
    "RuleChanged",
    "UndoRefused",
    "cancel_action",
    "create_action",
    "make_real",
    "pause_action",
    "promote_action",
    "resume_action",
    "take_back",
    "update_action",
]


class RuleChanged(ValueError):
    """Somebody else has changed the rule since it was read."""


class UndoRefused(ValueError):
    """What was done was done too long ago, or something else has been done since."""


UNDO_WITHIN = timedelta(minutes=1)
EXPIRED_REHEARSAL = "The rehearsal has expired. Write a new rule, with a later end."
UNWATCHED = frozenset({"notes", "external_id"})  # what changes nothing of when a rule is looked at
NAMED_ONCE = "actions_external_id_unique"


@transaction.atomic
def create_action(*, user: User, draft: Draft, now: datetime) -> Action:
    """Stores the rule, active, to be looked at in the next tick.

    Raises InvalidRule, naming each field that is wrong.
    """
    rule = parse(draft, now)
    action = Action(user=user, created_at=now, updated_at=now)
    apply(draft, rule, action, portfolio_of(user, draft, rule))
    _start(action, rule, now)
    with _one_of_its_name(draft):
        action.save(force_insert=True)
    _look_from(action, rule, now)
    return action


@transaction.atomic
def update_action(
    *,
    user: User,
    action_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
    version: str | None = None,
) -> Action:
    """Changes fields of the rule: `changes` maps those of Draft, and `status`, to their new values.

    The rule that comes of it is checked as a whole, as a new one is. Where what its trigger watches
    or waits for is changed, the trigger starts anew, and says so; otherwise it goes on. `status`
    is set last, as by pause_action, resume_action and cancel_action. `version` is the one that the
    changes were thought out for (rows.rule_row).

    Raises InvalidRule, TransitionRefused, EditRefused for a rule that has ended, RuleChanged where
    it is no longer of that version. Nothing is changed then.
    """
    action = owned_action(user=user, action_id=action_id, lock=True)
    _check_version(action, version)
    fields = dict(changes)
    status = fields.pop("status", None)
    if fields:
        _edit(action, fields, now)
    if status is not None and (status != action.status or not fields):
        return _move(user, action_id, Status(status), now)
    return action


def pause_action(
    *, user: User, action_id: UUID, now: datetime, support: Support | None = None
) -> Action:
    """The rule sleeps until it is resumed. Raises TransitionRefused where it cannot be paused."""
    reason = support.told("Paused") if support else "Paused by you."
    return _end_watch(user, action_id, Status.PAUSED, reason, now, support)


def cancel_action(
    *, user: User, action_id: UUID, now: datetime, support: Support | None = None
) -> Action:
    """Ends the rule for good; it stays to be seen. Raises TransitionRefused."""
    reason = support.told("Cancelled") if support else "Cancelled by you."
    return _end_watch(user, action_id, Status.CANCELLED, reason, now, support)


@transaction.atomic
def resume_action(
    *, user: User, action_id: UUID, now: datetime, support: Support | None = None
) -> Action:
    """Wakes a paused or failed rule. Its trigger starts anew: peaks and crossings are forgotten.

    Raises TransitionRefused where it cannot be resumed, InvalidRule where it has expired or can no
    longer be read.
    """
    action = owned_action(user=user, action_id=action_id, lock=True)
    anew = f"{support.told('Resumed')} Its" if support else "Resumed by you: its"
    rule = resume(action, now, f"{anew} trigger has started anew.")
    _start(action, rule, now)
    with because(support.told("Resumed") if support else "Resumed.", user=user, support=support):
        action.save()
    _look_from(action, rule, now)
    return action


@transaction.atomic
def promote_action(
    *, user: User, action_id: UUID, now: datetime, version: str | None = None
) -> Action:
    """Has a rehearsal trade from `now` on, as a rule that is made now would.

    Its trigger starts anew, and what it did as a rehearsal does not count: neither for its number
    of executions, nor for its cooldown, nor as failures. It is active then, save for one that is
    paused, which stays so. A rule that trades already stays as it is. `version` as in
    update_action.

    Raises TransitionRefused for one that is cancelled, RuleChanged, InvalidRule where it has
    expired or can no longer be read.
    """
    action = owned_action(user=user, action_id=action_id, lock=True)
    if not action.rehearsal:
        return action
    _check_version(action, version)
    rule = make_real(action=action, now=now)
    _start(action, rule, now)
    with because("Promoted.", user=user):
        action.save()
    if rule.status is Status.ACTIVE:
        _look_from(action, rule, now)
    return action


def make_real(*, action: Action, now: datetime) -> Rule:
    """The rehearsal as the rule that a promotion makes of it; nothing is stored.

    Raises what promote_action raises, and has changed nothing then.
    """
    status = check_promotion(Status(action.status))
    if has_expired(action.as_rule(), now):
        raise InvalidRule({"valid_until": EXPIRED_REHEARSAL})
    action.rehearsal, action.promoted_at = False, now
    action.status = Action.Statuses(status)
    action.status_reason = "Promoted by you: it trades, and its trigger has started anew."
    action.executions_count = action.consecutive_failures = 0
    action.last_triggered_at = action.last_evaluated_at = action.last_evaluation = None
    action.updated_at = now
    # Whoever is just looking at the rehearsal finds its lease gone, and lets go of it.
    action.processing_lease_until = None
    action.waking_quote = None
    return action.as_rule()


@transaction.atomic
def take_back(
    *, user: User, action_id: UUID, was: Status, ended_at: datetime, now: datetime
) -> Action:
    """Undoes the pause or the cancellation of `ended_at`: the rule is `was` again, and its trigger
    goes on from what it remembered then.

    Raises UndoRefused after UNDO_WITHIN, or where the rule is no longer as it was left then.
    """
    action = owned_action(user=user, action_id=action_id, lock=True)
    ended = Status(action.status)
    allowed = was in {Status.ACTIVE, Status.PAUSED} and ended in BY_PEOPLE[was]
    if not allowed or action.updated_at != ended_at:
        raise UndoRefused("The rule has been changed since, and stays as it is.")
    if now - ended_at > UNDO_WITHIN:
        raise UndoRefused("That was more than a minute ago, and stays as it is.")
    action.status = Action.Statuses(was)
    action.status_reason = "Taken back by you: it goes on as before."
    action.updated_at = now
    action.save()
    if was is Status.ACTIVE:
        _look_from(action, action.as_rule(), now)
    return action


def _move(user: User, action_id: UUID, status: Status, now: datetime) -> Action:
    match status:
        case Status.ACTIVE:
            return resume_action(user=user, action_id=action_id, now=now)
        case Status.PAUSED:
            return pause_action(user=user, action_id=action_id, now=now)
        case Status.CANCELLED:
            return cancel_action(user=user, action_id=action_id, now=now)
    action = owned_action(user=user, action_id=action_id)
    check_transition(Status(action.status), status)  # refuses: only the engine ends rules so
    return action


@transaction.atomic
def _end_watch(
    user: User,
    action_id: UUID,
    status: Status,
    reason: str,
    now: datetime,
    support: Support | None,
) -> Action:
    action = owned_action(user=user, action_id=action_id, lock=True)
    turn = followed(action_ids=[action.pk]).get(action.pk)
    end_watch(action, status, reason, turn.state if turn else {}, now)
    with because(reason, user=user, support=support):
        action.save()
    sleep_for_good(action_ids=[action.pk])
    return action


def _edit(action: Action, fields: Mapping[str, Any], now: datetime) -> None:
    """Changes the rule, whose row is locked, and has it looked at if it is active."""
    check_editable(action)
    draft = replace(Draft.of(action), **fields)
    rule = parse(draft, now)
    if edit(action, draft, rule, portfolio_of(action.user, draft, rule), now):
        _start(action, rule, now)
    elif turn := followed(action_ids=[action.pk]).get(action.pk):
        action.runtime_state |= turn.state  # its watch, which led to it, is replaced below
    with _one_of_its_name(draft), because("Edited.", user=action.user):
        action.save()
    if action.status == Action.Statuses.ACTIVE and fields.keys() - UNWATCHED:
        _look_from(action, rule, now)


def _check_version(action: Action, version: str | None) -> None:
    if version is not None and version != version_of(action=action):
        raise RuleChanged("The rule has been changed since you read it. Read it again.")


@contextmanager
def _one_of_its_name(draft: Draft) -> Iterator[None]:
    """Around what writes the rule. Raises InvalidRule where another rule of the user's has its
    external id."""
    if draft.external_id is None:
        yield
        return
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if NAMED_ONCE not in str(error):
            raise
        raise InvalidRule({"external_id": "Another rule of yours has this name."}) from None


def _start(action: Action, rule: Rule, now: datetime) -> None:
    """Gives the trigger the state to start from."""
    keep_terms(symbols=rule.symbols)  # or else a split could pass between the quote and the commit
    action.runtime_state = dict(starting_state(rule, action.portfolio_id, now))
    action.begun = rule.valid_from <= now


def _look_from(action: Action, rule: Rule, now: datetime) -> None:
    follow(symbols=rule.symbols)
    if span := rule.trigger.needs(rule).span:
        keep_history(symbols=rule.trigger.charted(rule), span=span)
    first_look(action_id=action.pk, symbols=rule.symbols, at=max(now, rule.valid_from))
