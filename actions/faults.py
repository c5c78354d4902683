"""What went wrong in ticks of late: the one place where it is gathered, whoever is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from actions.models import Tick

RECENT = timedelta(hours=1)
MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong, and when."""

    at: datetime
    message: str

    @property
    def is_of_a_rule(self) -> bool:
        """Whether it is a rule's, of whoever's, and not of the market or the evaluator."""
        return self.message.startswith("Rule ")


def faulty_ticks(*, now: datetime, within: timedelta = RECENT) -> QuerySet[Tick]:
    """The ticks in which something went wrong, the newest first."""
    ticks = Tick.objects.filter(started_at__gt=now - within).exclude(errors=[])
    return ticks.order_by("-started_at")


def faults_of(*, ticks: QuerySet[Tick]) -> Sequence[Fault]:
    """All that went wrong in the first MOST_FAULTS of these ticks, in their order."""
    return [
        Fault(tick.started_at, message) for tick in ticks[:MOST_FAULTS] for message in tick.errors
    ]
