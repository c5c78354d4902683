"""Queues what is to be told, in the caller's transaction."""

from datetime import datetime

from actions.models import Action, ActionExecution, Notification
from actions.receipts import Message, execution_message


def tell(
    *,
    action: Action,
    now: datetime,
    execution: ActionExecution | None = None,
    message: Message | None = None,
) -> None:
    """Tells the rule's owner of an execution, or something else: in the app, and by e-mail where
    an address is known. Exactly one of `execution` and `message` is given."""
    if execution is not None:
        message = execution_message(action, execution)
    if message is None:
        raise ValueError("There is nothing to tell: neither an execution nor a message.")
    channels = [Notification.Channels.IN_APP]
    if action.user.email:
        channels.append(Notification.Channels.EMAIL)
    Notification.objects.bulk_create(
        [_notification(action, execution, message, channel, now) for channel in channels]
    )


def _notification(
    action: Action,
    execution: ActionExecution | None,
    message: Message,
    channel: Notification.Channels,
    now: datetime,
) -> Notification:
    in_app = channel is Notification.Channels.IN_APP
    return Notification(
        user_id=action.user_id,
        action=action,
        execution=execution,
        channel=channel,
        subject=message.subject[:200],
        body=message.body,
        created_at=now,
        state=Notification.States.SENT if in_app else Notification.States.PENDING,
        next_attempt_at=None if in_app else now,
        sent_at=now if in_app else None,
    )
