"""Tells the owners of rules that are about to expire, a day before."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce

from actions.closest import closest_approaches
from actions.models import Action, Notification
from actions.notify.outbox import Notice, tell
from actions.receipts import expiring_message

AHEAD = timedelta(days=1)
SHORTEST_LIFE = timedelta(days=2)  # who sets a rule for less knows when it ends
RULES_AT_ONCE = 500


def announce_expiries(*, now: datetime) -> int:
    """Tells of each active rule that expires within a day, once for each end that it is given.

    Returns how many were told. Any number may do so at once: the database lets each end be told
    of once.
    """
    told = 0
    while count := _announce_some(now):
        told += count
    return told


@transaction.atomic
def _announce_some(now: datetime) -> int:
    announced = Notification.objects.filter(action=OuterRef("pk"), ends_at=OuterRef("valid_until"))
    ending = list(
        Action.objects.filter(
            ~Exists(announced),
            status=Action.Statuses.ACTIVE,
            valid_until__gt=now,
            valid_until__lte=now + AHEAD,
            valid_until__gte=Coalesce(F("valid_from"), F("created_at")) + SHORTEST_LIFE,
        )
        .select_related("user")
        .order_by("valid_until")[:RULES_AT_ONCE]
    )
    near = closest_approaches(rows=ending, now=now)
    messages = [(each, expiring_message(each, near.get(each.pk), now)) for each in ending]
    tell(
        notices=[
            Notice(each.user_id, each.pk, message, ends_at=each.valid_until)
            for each, message in messages
        ],
        now=now,
    )
    return len(ending)
