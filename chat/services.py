"""Conversations: what is said is stored, answered by the model or by the reader, and stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from chat import agent, keyless, proposals
from chat.models import Conversation, Message
from chat.selectors import owned_conversation
from chat.turn import Asker, Reply, Said, Turn

LONGEST = 1_000  # characters of a message
TITLE = 60
REMEMBERED = 40  # messages that are looked back at
_DAY = timedelta(hours=24)


class InvalidText(ValueError):
    """A message that is empty or too long."""


class TooManyMessages(ValueError):
    """The user has sent as many messages as a day allows."""


def say(*, user: User, text: str, now: datetime, conversation_id: UUID | None = None) -> Message:
    """Stores what the user says, in a new conversation where none is named, and the answer to it,
    which is returned.

    Raises InvalidText, TooManyMessages, Conversation.DoesNotExist for another's: nothing is stored
    then. While a model thinks, no transaction is open.
    """
    text = _checked(text)
    conversation, history = _said(user, text, conversation_id, now)
    turn = _replier()(Asker(user, now), history, text)
    return _answered(conversation, turn, now)


def show_executions(*, user: User, conversation_id: UUID, shown: bool, now: datetime) -> None:
    """Whether what rules do from now on is shown among the messages of the conversation."""
    conversation = owned_conversation(user=user, conversation_id=conversation_id)
    conversation.executions_since = now if shown else None
    conversation.save(update_fields=["executions_since"])


def _replier() -> Reply:
    return agent.reply if settings.OPENAI_API_KEY else keyless.reply


def _checked(text: str) -> str:
    text = text.replace("\0", "").strip()
    if not text:
        raise InvalidText("Say what you want, such as “sell 10 AAPL if it drops below 150”.")
    if len(text) > LONGEST:
        raise InvalidText(f"That is {len(text)} characters long. Use at most {LONGEST}.")
    return text


@transaction.atomic
def _said(
    user: User, text: str, conversation_id: UUID | None, now: datetime
) -> tuple[Conversation, Sequence[Said]]:
    """The conversation with the new message, and what was said in it before."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two at once are counted as two
    sent = Message.objects.filter(
        conversation__user=user, role=Message.Roles.USER, created_at__gt=now - _DAY
    ).count()
    if sent >= settings.CHAT_MESSAGES_PER_DAY:
        raise TooManyMessages(
            f"You have sent {sent} messages in 24 hours, which is as many as are allowed. Your "
            "rules go on; the pages and the API work as always."
        )
    if conversation_id is None:
        conversation = Conversation.objects.create(
            user=user, title=text[:TITLE], created_at=now, updated_at=now
        )
    else:
        conversation = owned_conversation(user=user, conversation_id=conversation_id)
    history = _history(conversation)
    conversation.messages.create(role=Message.Roles.USER, text=text, created_at=now)
    conversation.updated_at = now
    conversation.save(update_fields=["updated_at"])
    return conversation, history


def _history(conversation: Conversation) -> list[Said]:
    newest = conversation.messages.order_by("-id").prefetch_related("proposals")[:REMEMBERED]
    return [Said(message.role, _with_cards(message)) for message in reversed(newest)]


def _with_cards(message: Message) -> str:
    cards = [f"[Card: {card.sentence} ({card.status})]" for card in message.proposals.all()]
    return "\n".join([message.text, *cards])


@transaction.atomic
def _answered(conversation: Conversation, turn: Turn, now: datetime) -> Message:
    message = Message.objects.create(
        conversation=conversation,
        role=Message.Roles.ASSISTANT,
        text=turn.text,
        tool_calls=turn.calls,
        tokens_in=turn.tokens_in,
        tokens_out=turn.tokens_out,
        cost_usd=turn.cost_usd,
        created_at=now,
    )
    for wanted in turn.wanted:
        proposals.store(user=conversation.user, message=message, wanted=wanted, now=now)
    return message
