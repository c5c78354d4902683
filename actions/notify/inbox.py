"""The notifications in the app: what a user has been told, and what of it is not read yet."""

from datetime import datetime

from django.db.models import QuerySet

from accounts.models import User
from actions.models import Notification


def notifications_of(*, user: User) -> QuerySet[Notification]:
    """All that the user has been told, newest first, with the executions that it is about."""
    return Notification.objects.filter(user=user).select_related("execution")


def mark_read(*, user: User, until: datetime, now: datetime) -> int:
    """Marks as read what the user was told up to `until`, and returns how many that are."""
    unread = Notification.objects.filter(user=user, read_at__isnull=True, created_at__lte=until)
    return unread.update(read_at=now)
