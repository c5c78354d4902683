"""Reads rules and executions, always as somebody's."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from actions.models import Action, ActionExecution, Notification


def owned_action(*, user: User, action_id: UUID, lock: bool = False) -> Action:
    """The one gate to somebody's rule. Raises Action.DoesNotExist for another's.

    `lock` holds its row until the end of the caller's transaction.
    """
    actions = Action.objects.filter(user=user)
    if lock:
        actions = actions.select_for_update()
    return actions.get(pk=action_id)


def actions_of(*, user: User) -> QuerySet[Action]:
    """The user's rules, newest first."""
    return Action.objects.filter(user=user).order_by("-created_at", "id")


def executions_of(*, user: User) -> QuerySet[ActionExecution]:
    """What the user's rules did, newest first."""
    return (
        ActionExecution.objects.filter(action__user=user)
        .select_related("action")
        .order_by("-triggered_at", "-sequence")
    )


def unread_messages(*, user: User) -> QuerySet[Notification]:
    """What was told to the user in the app and not read yet, newest first."""
    return Notification.objects.filter(
        user=user, channel=Notification.Channels.IN_APP, read_at__isnull=True
    )
