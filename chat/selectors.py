"""Reads conversations, always as somebody's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from actions.models import ActionExecution
from actions.selectors import executions_of
from chat.models import Conversation, Message

MOST_ENTRIES = 200
MOST_EXECUTIONS = 50


def owned_conversation(*, user: User, conversation_id: UUID) -> Conversation:
    """The one gate to somebody's conversation. Raises Conversation.DoesNotExist for another's."""
    return Conversation.objects.select_related("user").get(user=user, pk=conversation_id)


def conversations_of(*, user: User) -> QuerySet[Conversation]:
    """The user's conversations, the latest first."""
    return Conversation.objects.filter(user=user)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a conversation as it is shown: a message, or what a rule did meanwhile."""

    at: datetime
    message: Message | None = None
    execution: ActionExecution | None = None


def entries(*, conversation: Conversation) -> Sequence[Entry]:
    """What was said, oldest first, with what the user's rules did among it where that is wanted."""
    newest = conversation.messages.order_by("-id").prefetch_related("proposals")[:MOST_ENTRIES]
    found = [Entry(each.created_at, message=each) for each in reversed(newest)]
    if since := conversation.executions_since:
        fired = executions_of(user=conversation.user).filter(triggered_at__gte=since)
        found += [
            Entry(each.triggered_at, execution=each) for each in fired[:MOST_EXECUTIONS][::-1]
        ]
    return sorted(found, key=lambda entry: entry.at)
