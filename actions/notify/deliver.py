"""Sends what is queued: at least once, each from its row, again after a failure."""

import logging
from datetime import datetime, timedelta

from django.core.mail import EmailMessage
from django.db import connection

from actions.models import Notification

logger = logging.getLogger(__name__)

CLAIM = timedelta(minutes=2)  # a sender that dies leaves its rows to others after this long
FIRST_RETRY = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(days=1)

_CLAIM = """
WITH due AS (
    SELECT id FROM notifications
     WHERE state = 'pending' AND next_attempt_at <= %(now)s
     ORDER BY next_attempt_at LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
)
UPDATE notifications n SET next_attempt_at = %(again)s, attempts = attempts + 1
  FROM due WHERE n.id = due.id
RETURNING n.id
"""


def deliver_due(*, now: datetime, limit: int = 100) -> int:
    """Sends up to `limit` of the notifications that are due. Returns how many were sent.

    Several senders may run at once. One that dies after sending and before recording it leaves a
    message that is sent again, with the same Message-ID.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "again": now + CLAIM, "limit": limit})
        ids = [row[0] for row in cursor.fetchall()]
    due = Notification.objects.filter(id__in=ids).select_related("user").order_by("created_at")
    return sum(_send(notification, now) for notification in due)


def _send(notification: Notification, now: datetime) -> bool:
    try:
        _email(notification).send()
    except Exception as error:  # whatever the mail server does, the row stays to be tried again
        logger.warning("notification %s was not sent: %s", notification.pk, error)
        _try_again(notification, str(error), now)
        return False
    notification.state = Notification.States.SENT
    notification.sent_at = now
    notification.next_attempt_at = None
    notification.last_error = ""
    notification.save()
    return True


def _email(notification: Notification) -> EmailMessage:
    return EmailMessage(
        subject=" ".join(notification.subject.split()),
        body=notification.body,
        to=[notification.user.email],
        headers={"Message-ID": f"<{notification.pk}@trading-rules>"},
    )


def _try_again(notification: Notification, error: str, now: datetime) -> None:
    notification.last_error = error[:500]
    if now - notification.created_at >= GIVE_UP_AFTER:
        notification.state = Notification.States.FAILED
        notification.next_attempt_at = None
    else:
        wait = FIRST_RETRY * 2 ** min(notification.attempts - 1, 6)
        notification.next_attempt_at = now + wait
    notification.save()
