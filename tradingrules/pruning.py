"""What is forgotten in time, beside what the engine forgets every hour (actions/tasks.py).

Kept for ever: the ledger, executions, rules with their history, pauses, the admin's log.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django_q.models import Failure
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import ApiToken
from actions.models import Notification
from chat.models import Conversation, Message, Proposal

BATCH = 1_000  # rows in a transaction: none holds its locks for long
KEEP_FAILED_JOBS = timedelta(days=30)
KEEP_EXPIRED_API_TOKENS = timedelta(days=90)  # their owner sees for so long why a program stopped
_A_DAY = timedelta(days=1)


def prune(*, now: datetime, seconds: float | None = None) -> Mapping[str, int]:
    """Forgets what is old enough, a batch a transaction. Returns how many of each kind.

    After `seconds` it begins no further batch; what is left is forgotten the next time.
    """
    ends = None if seconds is None else monotonic() + seconds
    gone: dict[str, int] = {}
    for kind, rows in _forgettable(now):
        gone[kind] = 0
        while ends is None or monotonic() < ends:
            gone[kind] += (count := _forget_a_batch(rows))
            if count < BATCH:
                break
    return gone


def _forgettable(now: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    yield "sessions", Session.objects.filter(expire_date__lte=now)
    # Who signs in has a row of these a moment before the session itself is stored.
    lost = ~Exists(Session.objects.filter(session_key=OuterRef("session_key")))
    yield "browsers", UserSession.objects.filter(lost, last_seen_at__lte=now - _A_DAY)
    # With them goes that they were withdrawn: what has expired opens nothing anyhow.
    yield "refresh tokens", OutstandingToken.objects.filter(expires_at__lte=now)
    expired = now - KEEP_EXPIRED_API_TOKENS
    yield "API tokens", ApiToken.objects.filter(expires_at__lte=expired)
    # What was missed stands nowhere else; of all others the execution or the rule tells.
    before = now - timedelta(days=settings.KEEP_NOTIFICATIONS_DAYS)
    told = Notification.objects.filter(created_at__lte=before, dispatched_at__isnull=False)
    yield "notifications", told.exclude(kind=Notification.Kinds.MISSED)
    idle = now - timedelta(days=settings.KEEP_CONVERSATIONS_DAYS)
    yield "conversations", Conversation.objects.filter(updated_at__lte=idle)
    yield "failed jobs", Failure.objects.filter(stopped__lte=now - KEEP_FAILED_JOBS)


@transaction.atomic
def _forget_a_batch(rows: QuerySet[Any]) -> int:
    """Rows that somebody is just writing to are left for the next time."""
    free = rows.order_by().select_for_update(skip_locked=True, of=("self",))
    chosen = list(free.values_list("pk", flat=True)[:BATCH])
    if rows.model is Conversation:
        Proposal.objects.filter(message__conversation__in=chosen).delete()
        Message.objects.filter(conversation__in=chosen).delete()
    rows.model._base_manager.filter(pk__in=chosen).delete()
    return len(chosen)
