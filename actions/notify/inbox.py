"""The notifications in the app: what a user has been told, and what of it is not read yet."""

from accounts.models import User
from actions.models import Notification


def unread_count(*, user: User, at_most: int) -> int:
    """How many notifications the user has not read; counting ends at `at_most`."""
    unread = Notification.objects.filter(user=user, read_at__isnull=True)
    return unread[:at_most].count()
