"""Drafts of rules: opened, written to, used once, and forgotten."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import User
from actions.drafting import Draft
from actions.models import Action, RuleDraft
from actions.rows import version_of
from actions.selectors import owned_action
from actions.services import create_action, update_action
from actions.wizard.forms import Asker
from actions.wizard.outline import Outline, answers_of
from actions.wizard.part_form import Answers
from portfolios.selectors import portfolios_of


class Incomplete(ValueError):
    """A draft that says too little for a rule."""


def asker_for(*, user: User) -> Asker:
    return Asker(user.zone, list(portfolios_of(user=user)))


def new_draft(*, user: User, now: datetime, answers: Mapping[str, Answers]) -> RuleDraft:
    """A draft of a new rule, which is not stored yet."""
    return RuleDraft(id=uuid4(), user=user, answers=answers, created_at=now, updated_at=now)


def edit_draft(*, user: User, action_id: UUID, now: datetime) -> RuleDraft:
    """A draft of what a rule is to become, which is not stored yet. Raises Action.DoesNotExist."""
    action = owned_action(user=user, action_id=action_id)
    draft = new_draft(
        user=user, now=now, answers=answers_of(Draft.of(action), asker_for(user=user))
    )
    draft.action, draft.version = action, version_of(action=action)
    return draft


def open_draft(*, user: User, draft: Draft, now: datetime) -> RuleDraft:
    """Stores a draft that is filled in: `/actions/new?draft=<id>` shows it to its user, who may
    change it before it becomes a rule."""
    opened = new_draft(user=user, now=now, answers=answers_of(draft, asker_for(user=user)))
    opened.save(force_insert=True)
    return opened


def owned_draft(*, user: User, draft_id: UUID) -> RuleDraft:
    """The one gate to somebody's draft. Raises RuleDraft.DoesNotExist for another's."""
    return RuleDraft.objects.select_related("action", "made").get(user=user, pk=draft_id)


@transaction.atomic
def write_answers(*, draft: RuleDraft, key: str, typed: Answers, now: datetime) -> RuleDraft:
    """Stores what was sent with a page. Two at once are one after the other; other pages stay.

    A draft that is not stored yet is. Raises RuleDraft.DoesNotExist for another user's.
    """
    RuleDraft.objects.bulk_create([draft], ignore_conflicts=True)
    stored = RuleDraft.objects.select_for_update().get(user=draft.user_id, pk=draft.pk)
    if stored.made_id is None:
        stored.answers = {**stored.answers, key: typed}
        stored.revision += 1
        stored.updated_at = now
        stored.save(update_fields=["answers", "revision", "updated_at"])
    return stored


@transaction.atomic
def keep_typed(*, draft: RuleDraft, revision: int, key: str, typed: Answers, now: datetime) -> None:
    """Stores what is being typed, unless a page was sent meanwhile."""
    same = RuleDraft.objects.select_for_update().filter(
        pk=draft.pk, user=draft.user_id, revision=revision, made=None
    )
    for stored in same:
        stored.answers = {**stored.answers, key: typed}
        stored.updated_at = now
        stored.save(update_fields=["answers", "updated_at"])


@transaction.atomic
def use_draft(*, draft: RuleDraft, now: datetime) -> Action:
    """Makes the rule of a draft, or edits the one that it is of; a draft is used once.

    Used again, it returns what was made of it. Raises Incomplete, and what create_action and
    update_action raise.
    """
    RuleDraft.objects.bulk_create([draft], ignore_conflicts=True)
    stored = RuleDraft.objects.select_for_update().get(user=draft.user_id, pk=draft.pk)
    if stored.made_id is not None:
        return Action.objects.get(pk=stored.made_id)
    asker = asker_for(user=draft.user)
    wanted = Outline(stored.answers, asker).draft()
    if wanted is None:
        raise Incomplete("Something is still missing.")
    if stored.action is None:
        made = create_action(user=draft.user, draft=wanted, now=now)
    else:
        made = update_action(
            user=draft.user,
            action_id=stored.action.pk,
            changes=_changes(stored.action, wanted, asker),
            now=now,
            version=stored.version,
        )
    stored.made = made
    stored.updated_at = now
    stored.save(update_fields=["made", "updated_at"])
    return made


def prune_drafts(*, now: datetime, keep: timedelta) -> int:
    """Forgets drafts that nobody has touched for `keep`. Returns how many."""
    return RuleDraft.objects.filter(updated_at__lt=now - keep).delete()[0]


def _changes(action: Action, wanted: Draft, asker: Asker) -> Mapping[str, Any]:
    """The fields of the rule that were changed. It is compared with the rule as the forms show it:
    what they write otherwise than it was given (all that holds by default, say) is no change."""
    rule = Draft.of(action)
    shown = Outline(answers_of(rule, asker), asker).draft() or rule
    names = (field.name for field in fields(Draft))
    return {
        name: getattr(wanted, name)
        for name in names
        if getattr(wanted, name) != getattr(shown, name)
    }
