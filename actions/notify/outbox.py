"""Queues what is to be told, in the caller's transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import User
from actions.models import Notification
from actions.receipts import Message


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell the owner of a rule: of one of its executions, or of the rule itself."""

    user_id: UUID
    action_id: UUID
    message: Message
    execution_id: UUID | None = None


def tell(*, notices: Iterable[Notice], now: datetime) -> None:
    """Tells each owner: in the app, and by e-mail where an address is known. Two statements."""
    notices = list(notices)
    if not notices:
        return
    owners = User.objects.filter(id__in={notice.user_id for notice in notices}).exclude(email="")
    reachable = set(owners.values_list("id", flat=True))
    rows = [_notification(notice, Notification.Channels.IN_APP, now) for notice in notices]
    rows += [
        _notification(notice, Notification.Channels.EMAIL, now)
        for notice in notices
        if notice.user_id in reachable
    ]
    Notification.objects.bulk_create(rows)


def _notification(notice: Notice, channel: Notification.Channels, now: datetime) -> Notification:
    in_app = channel is Notification.Channels.IN_APP
    return Notification(
        user_id=notice.user_id,
        action_id=notice.action_id,
        execution_id=notice.execution_id,
        channel=channel,
        subject=notice.message.subject[:200],
        body=notice.message.body,
        created_at=now,
        state=Notification.States.SENT if in_app else Notification.States.PENDING,
        next_attempt_at=None if in_app else now,
        sent_at=now if in_app else None,
    )
