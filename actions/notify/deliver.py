"""Sends what is due: at least once, each from its row, again after a failure, for a day."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from http import HTTPStatus
from time import monotonic
from uuid import UUID

from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import QuerySet

from actions.models import Delivery, Notification, Preferences
from actions.notify.letters import letter
from actions.notify.outbox import Notice, tell
from actions.notify.payload import webhook_call
from actions.notify.preferences import preferences_of
from actions.notify.webhook import Call, WebhookFailed, post
from actions.receipts import Message
from market.arrays import plain_array

logger = logging.getLogger(__name__)

CLAIM = timedelta(minutes=2)  # a sender that dies leaves its rows to others after this long
FIRST_RETRY = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(hours=24)
SENDERS = 8  # threads: one that waits for a slow receiver leaves the others free
LONGEST_ERROR = 500

# Of each user and channel the longest due one, and none of those that we are sending to: a receiver
# that hangs, for however many deliveries, keeps one thread of ours.
_CLAIM = """
WITH due AS (
    SELECT id FROM deliveries d
     WHERE state = 'pending' AND next_attempt_at <= %(now)s
       AND (user_id, channel) NOT IN (SELECT * FROM unnest(%(users)s::uuid[], %(channels)s::text[]))
       AND NOT EXISTS (
           SELECT FROM deliveries before
            WHERE before.state = 'pending'
              AND before.user_id = d.user_id AND before.channel = d.channel
              AND (before.next_attempt_at, before.id) < (d.next_attempt_at, d.id))
     ORDER BY next_attempt_at LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET next_attempt_at = %(again)s, attempts = attempts + 1
  FROM due WHERE d.id = due.id
RETURNING d.id
"""


class Gone(Exception):
    """The webhook answered that it is no more (410)."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__("Answered 410 Gone: the webhook was switched off.")


def deliver_due(*, now: datetime, seconds: float = 45) -> int:
    """Sends the deliveries that are due, for at most `seconds` and what is then under way.

    Returns how many were sent. Any number of senders may run at once. One that dies after sending
    and before recording it leaves a delivery that is sent again, with the same id.
    """
    began = monotonic()
    sent = 0
    # Threads do nothing but talk to receivers; the database is this thread's alone.
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as pool:
        under_way: dict[Future[None], Delivery] = {}
        while True:
            claimed = []
            if monotonic() - began < seconds:
                claimed = _claim(SENDERS - len(under_way), list(under_way.values()), now)
            for delivery in claimed:
                if send := _prepare(delivery, now):
                    under_way[pool.submit(send)] = delivery
            if not claimed and not under_way:
                return sent
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                sent += _record(under_way.pop(future), future.exception(), now)


class RetryRefused(ValueError):
    """A delivery that has not been given up, or is there no more."""


@transaction.atomic
def retry_delivery(*, delivery_id: UUID, now: datetime) -> None:
    """Sends one that was given up after all: at once, and if need be again for another day.

    Raises RetryRefused for any other. One that its owner does not want any more is silenced, as
    ever.
    """
    delivery = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
    if delivery is None:
        raise RetryRefused("It is so old that it has been forgotten.")
    if delivery.state != Delivery.States.FAILED:
        state = delivery.get_state_display().lower()
        raise RetryRefused(f"Only what was given up can be sent again; this one is {state!r}.")
    delivery.state = Delivery.States.PENDING
    delivery.next_attempt_at = now
    delivery.give_up_at = now + GIVE_UP_AFTER
    delivery.attempts = 1  # the waits between attempts begin anew; with none it would be fresh
    delivery.save()


def prune_deliveries(*, now: datetime, keep: timedelta) -> int:
    """Forgets the settled deliveries that were made longer ago than `keep`; what they said stays.

    Returns how many.
    """
    settled = Delivery.objects.exclude(state=Delivery.States.PENDING)
    old = settled.filter(created_at__lt=now - keep).values_list("pk", flat=True)
    return settled.filter(pk__in=list(old)).delete()[0]


def _claim(limit: int, busy: Sequence[Delivery], now: datetime) -> list[Delivery]:
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "now": now,
                "again": now + CLAIM,
                "limit": limit,
                "users": plain_array(delivery.user_id for delivery in busy),
                "channels": plain_array(delivery.channel for delivery in busy),
            },
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Delivery.objects.filter(id__in=ids).select_related("user").order_by("created_at"))


def _prepare(delivery: Delivery, now: datetime) -> Callable[[], None] | None:
    """What is to be done to send it; None where that is settled already."""
    try:
        send = _sending(delivery, now)
    except Exception as error:  # one bad delivery never stops the rest
        _record(delivery, error, now)
        return None
    if send is None:
        _settle(delivery, Delivery.States.SILENCED)
    return send


def _sending(delivery: Delivery, now: datetime) -> Callable[[], None] | None:
    """How to send it; None where its owner does not want it any more."""
    user = delivery.user
    choices = preferences_of(user=user)
    if delivery.channel == Delivery.Channels.EMAIL:
        if not (choices.email_on and user.email and user.is_active):
            return None
        mail = letter(delivery, _carried(delivery.emailed.all()))
        return lambda: _mail(mail)
    if not (choices.webhook_on and user.is_active):
        return None
    (notification,) = _carried(delivery.posted.all())
    call = webhook_call(delivery, notification, choices, now)
    return lambda: _call(call)


def _carried(notifications: QuerySet[Notification]) -> list[Notification]:
    related = notifications.select_related("user", "action", "execution")
    return list(related.order_by("-created_at", "pk"))


def _mail(mail: EmailMessage) -> None:
    mail.send()


def _call(call: Call) -> None:
    status = post(call)
    if status == HTTPStatus.GONE:
        raise Gone(call.url)
    if 300 <= status < 400:
        raise WebhookFailed(f"Answered {status}: redirects are not followed.")
    if not 200 <= status < 300:
        raise WebhookFailed(f"Answered {status}.")


def _record(delivery: Delivery, error: BaseException | None, now: datetime) -> bool:
    """Writes down what came of an attempt. Returns whether it was sent."""
    if error is None:
        # Even if our claim ran out meanwhile: it was sent, and need not be again.
        _settle(delivery, Delivery.States.SENT, sent_at=now, last_error="")
    elif isinstance(error, Gone):
        _switch_off(delivery, error, now)
    elif isinstance(error, Exception):
        about = {"delivery_id": delivery.pk, "user_id": delivery.user_id}
        logger.warning("a delivery was not sent: %s", error, extra=about)
        _try_again(delivery, str(error), now)
    else:
        raise error
    return error is None


def _settle(delivery: Delivery, state: Delivery.States, **also: object) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state=state, next_attempt_at=None, **also)


def _try_again(delivery: Delivery, error: str, now: datetime) -> None:
    error = error.replace("\0", "")[:LONGEST_ERROR]
    if now >= delivery.give_up_at:
        _settle(delivery, Delivery.States.FAILED, last_error=error)
        return
    wait_for = FIRST_RETRY * 2 ** min(delivery.attempts - 1, 16)
    # Only while it is ours: whoever took it over meanwhile decides.
    Delivery.objects.filter(
        pk=delivery.pk, state=Delivery.States.PENDING, attempts=delivery.attempts
    ).update(next_attempt_at=min(now + wait_for, delivery.give_up_at), last_error=error)


@transaction.atomic
def _switch_off(delivery: Delivery, gone: Gone, now: datetime) -> None:
    _settle(delivery, Delivery.States.FAILED, last_error=str(gone))
    called = Preferences.objects.filter(user=delivery.user, webhook_url=gone.url, webhook_on=True)
    if called.update(webhook_on=False):
        tell(notices=[Notice(delivery.user_id, None, _off_message())], now=now)


def _off_message() -> Message:
    return Message(
        subject="Your webhook was switched off",
        body="It answered 410 Gone, which means that it is no more. "
        "Set a new address, or switch it on again, to be told there.",
        kind=Notification.Kinds.WEBHOOK_OFF,
    )
