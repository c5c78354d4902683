"""Reads rules and executions, always as somebody's."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, QuerySet, When

from accounts.models import User
from actions.limits import Refused, first_refusal
from actions.models import Action, ActionExecution
from actions.rules import InvalidRule, View
from market.services import calendar


def owned_action(*, user: User, action_id: UUID, lock: bool = False) -> Action:
    """The one gate to somebody's rule. Raises Action.DoesNotExist for another's.

    `lock` holds its row until the end of the caller's transaction.
    """
    actions = Action.objects.filter(user=user)
    if lock:
        actions = actions.select_for_update()
    return actions.get(pk=action_id)


def actions_of(*, user: User) -> QuerySet[Action]:
    """The user's rules: those that are active before the others, each newest first."""
    return Action.objects.filter(user=user).order_by(
        Case(When(status=Action.Statuses.ACTIVE, then=0), default=1), "-created_at", "id"
    )


def executions_of(*, user: User) -> QuerySet[ActionExecution]:
    """What the user's rules did, newest first."""
    return (
        ActionExecution.objects.filter(action__user=user)
        .select_related("action")
        .order_by("-triggered_at", "-sequence")
    )


def standing_refusal(action: Action, now: datetime) -> Refused | None:
    """The gate that would refuse the rule at `now`, whatever its trigger says."""
    try:
        rule = action.as_rule()
    except InvalidRule:
        return None
    view = View(now=now, woken_at=now, calendar=calendar(), max_age=timedelta(0))
    return first_refusal(rule, view)
