"""Cards: confirmed once, before they expire, after a second look; or dismissed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from actions.api.shapes import NewRule, RuleChanges
from actions.drafting import Draft
from actions.execute_now import GateRefused, execute_now
from actions.lifecycle import TransitionRefused
from actions.models import Action, RuleDraft
from actions.parts import InvalidRule
from actions.selectors import owned_action
from actions.services import (
    EditRefused,
    RuleChanged,
    cancel_action,
    create_action,
    update_action,
)
from actions.wizard.drafts import open_draft
from chat.facts import Facts, facts_of
from chat.models import Message, Proposal
from chat.turn import Wanted

VALID = timedelta(minutes=15)

# What the services may say to a proposal whose time has passed: words for the user.
REFUSALS = (InvalidRule, TransitionRefused, EditRefused, RuleChanged, GateRefused)


class ProposalClosed(ValueError):
    """It has expired or was dismissed, or was confirmed and cannot be dismissed any more."""


class ProposalOutdated(ValueError):
    """What its card says no longer holds; the card says the new, and waits."""


def store(*, user: User, message: Message, wanted: Wanted, now: datetime) -> Proposal:
    """Keeps what is wanted until the user decides."""
    return Proposal.objects.create(
        user=user,
        message=message,
        intent=wanted.intent,
        payload=dict(wanted.payload),
        sentence=wanted.sentence,
        facts=dict(wanted.facts),
        created_at=now,
        expires_at=now + VALID,
    )


def owned_proposal(*, user: User, proposal_id: UUID, lock: bool = False) -> Proposal:
    """The one gate to somebody's proposal. Raises Proposal.DoesNotExist for another's."""
    proposals = Proposal.objects.filter(user=user)
    if lock:
        proposals = proposals.select_for_update()
    return proposals.get(pk=proposal_id)


def confirm(*, user: User, proposal_id: UUID, now: datetime) -> Proposal:
    """Does what is proposed, once. Confirmed again it is answered with the same outcome.

    Raises ProposalClosed; ProposalOutdated where the user should look again, which renews what the
    card says; and whatever the service refuses, REFUSALS. Nothing is done then, and a card that
    has not expired can be confirmed again.
    """
    with transaction.atomic():
        proposal = owned_proposal(user=user, proposal_id=proposal_id, lock=True)
        if proposal.status == Proposal.Statuses.CONFIRMED:
            return proposal
        _check_open(proposal, now)
        facts = _facts(user, proposal, now)
        outdated = facts is not None and facts.differ(proposal.facts)
        if facts is not None and outdated:
            proposal.facts = facts.as_json()
        else:
            proposal.outcome = _carried_out(user, proposal, now)
            proposal.status = Proposal.Statuses.CONFIRMED
            proposal.decided_at = now
        proposal.save()
    if outdated:
        raise ProposalOutdated(
            "Things have changed since the card was shown. Look at what it says now, and confirm "
            "it again."
        )
    return proposal


@transaction.atomic
def dismiss(*, user: User, proposal_id: UUID, now: datetime) -> Proposal:
    """Puts it away. Dismissed again nothing more happens. Raises ProposalClosed."""
    proposal = owned_proposal(user=user, proposal_id=proposal_id, lock=True)
    if proposal.status == Proposal.Statuses.DISMISSED:
        return proposal
    if proposal.status == Proposal.Statuses.CONFIRMED:
        raise ProposalClosed("It has been confirmed already, and was done.")
    proposal.status = Proposal.Statuses.DISMISSED
    proposal.decided_at = now
    proposal.save()
    return proposal


def _check_open(proposal: Proposal, now: datetime) -> None:
    match proposal.state(now):
        case "dismissed":
            raise ProposalClosed("It was dismissed. Say again what you want.")
        case "expired":
            raise ProposalClosed("It has expired, and nothing was done. Say again what you want.")


def _facts(user: User, proposal: Proposal, now: datetime) -> Facts | None:
    """As they are by now; None for what has none."""
    payload = proposal.payload
    match proposal.intent:
        case Proposal.Intents.CREATE:
            draft = _new(payload)
        case Proposal.Intents.UPDATE:
            action = owned_action(user=user, action_id=UUID(payload["action_id"]))
            draft = replace(Draft.of(action), **_changes(payload))
        case Proposal.Intents.EXECUTE:
            action = owned_action(user=user, action_id=UUID(payload["action_ids"][0]))
            draft = Draft.of(action)
        case _:
            return None
    return facts_of(user=user, draft=draft, now=now)


def _carried_out(user: User, proposal: Proposal, now: datetime) -> dict[str, Any]:
    payload = proposal.payload
    match proposal.intent:
        case Proposal.Intents.CREATE:
            done = [create_action(user=user, draft=_new(payload), now=now)]
            text = f"Created: {done[0].sentence(user.zone)}"
        case Proposal.Intents.UPDATE:
            done = [
                update_action(
                    user=user,
                    action_id=UUID(payload["action_id"]),
                    changes=_changes(payload),
                    version=payload["version"],
                    now=now,
                )
            ]
            text = f"Changed: {done[0].sentence(user.zone)}"
        case Proposal.Intents.CANCEL:
            done = [_cancelled(user, UUID(each), now) for each in payload["action_ids"]]
            text = "Ended for good." if len(done) == 1 else f"Ended {len(done)} rules for good."
        case _:
            done = [owned_action(user=user, action_id=UUID(payload["action_ids"][0]))]
            key = f"chat {proposal.pk}"
            fired = execute_now(
                user=user,
                action_id=done[0].pk,
                key=key,
                now=now,
                as_rehearsal=payload.get("rehearsal", False),
            )
            text = str(fired.details.get("summary", ""))
    return {"text": text, "action_ids": [str(action.pk) for action in done]}


def _cancelled(user: User, action_id: UUID, now: datetime) -> Action:
    return cancel_action(user=user, action_id=action_id, now=now)


@transaction.atomic
def take_to_wizard(*, user: User, proposal_id: UUID, now: datetime) -> RuleDraft:
    """Opens the wizard's draft of the rule that is proposed, and closes the card: one of the two
    makes the rule, never both. Raises Proposal.DoesNotExist, ProposalClosed."""
    proposal = dismiss(user=user, proposal_id=proposal_id, now=now)
    if proposal.intent != Proposal.Intents.CREATE:
        raise ProposalClosed("Only a new rule is taken to the wizard.")
    return open_draft(user=user, draft=_new(proposal.payload), now=now)


def _new(payload: Mapping[str, Any]) -> Draft:
    return NewRule.model_validate(payload["action"]).draft()


def _changes(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return RuleChanges.model_validate(payload["changes"]).given()
