"""How the evaluator is, as far as a user may know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from accounts.models import User
from actions.coverage import missed_after
from actions.faults import MOST_FAULTS, RECENT, Fault, faults_of, faulty_ticks
from actions.models import Action
from actions.pace import tick_interval
from actions.rules import Status
from actions.selectors import is_ticking, last_tick
from market.services import calendar


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The evaluator's state. `rules` counts the user's rules by status, `errors` are the newest of
    the last hour that are the user's to know."""

    active: bool
    market_open: bool
    interval_seconds: float
    stale_after_seconds: float
    last_tick_at: datetime | None
    last_tick_seconds: float | None
    last_evaluation_at: datetime | None
    rules: Mapping[Status, int]
    errors: Sequence[Fault]


def monitoring_status(*, user: User, now: datetime) -> Monitoring:
    """Whether the evaluator ticks, and what went wrong of late."""
    is_open = calendar().is_open(now)
    interval = tick_interval(is_open=is_open)
    tick = last_tick()
    mine = Action.objects.filter(user=user)
    counts = dict(mine.values_list("status").annotate(count=Count("*")).order_by())
    return Monitoring(
        active=is_ticking(tick, now=now),
        market_open=is_open,
        interval_seconds=interval.total_seconds(),
        stale_after_seconds=missed_after(interval).total_seconds(),
        last_tick_at=tick.started_at if tick else None,
        last_tick_seconds=tick.duration.total_seconds() if tick else None,
        last_evaluation_at=mine.aggregate(at=Max("last_evaluated_at"))["at"],
        rules={status: counts.get(status.value, 0) for status in Status},
        errors=_errors(user, now),
    )


def _errors(user: User, now: datetime) -> Sequence[Fault]:
    told = faults_of(ticks=faulty_ticks(now=now))
    faults = [fault for fault in told if not fault.is_of_a_rule]  # it may be another's
    failing = Action.objects.filter(
        user=user, last_evaluated_at__gt=now - RECENT, last_evaluation__has_key="faults"
    ).order_by("-last_evaluated_at")[:MOST_FAULTS]
    faults += [
        Fault(
            action.last_evaluated_at or now, f"Rule {action.pk}: {action.last_evaluation['reason']}"
        )
        for action in failing
        if action.last_evaluation
    ]
    return sorted(faults, key=lambda fault: fault.at, reverse=True)[:MOST_FAULTS]
