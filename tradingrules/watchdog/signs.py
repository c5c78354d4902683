"""The signs of life that a cluster leaves in the database."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django_q.models import Task

from actions.evaluator import seconds_since_evaluator_spoke
from actions.models import Tick


@dataclass(frozen=True, slots=True)
class Signs:
    """What the database tells at one moment, of all machines together."""

    last_tick: int | None
    """The newest tick's primary key: it changes at the end of a tick."""
    last_job: datetime | None
    """When the job ended that ended last: the schedules have two a minute done."""
    silence: float | None
    """Seconds since the evaluator last said something to the database, in the middle of a tick or
    not; 0 while a statement runs, None when nobody evaluates."""


def read_signs() -> Signs:
    """Raises django.db.Error when the database cannot be asked."""
    return Signs(
        last_tick=Tick.objects.aggregate(newest=Max("pk"))["newest"],
        last_job=Task.objects.aggregate(latest=Max("stopped"))["latest"],
        silence=seconds_since_evaluator_spoke(),
    )
