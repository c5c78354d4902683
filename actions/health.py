"""How the engine does, in words and figures, for the first page of the admin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, QuerySet

from actions.faults import faulty_ticks
from actions.lease import count_awake
from actions.models import Action, ActionExecution, Delivery, Notification, Waking
from actions.pace import tick_interval
from actions.selectors import is_ticking, last_tick
from actions.words import span
from market.models import FeedIncident
from market.services import calendar
from market.status import newest_price_at, prices_are_stale

DAY = timedelta(days=1)
MOST_COUNTED = 1_000
_LEAST_LATE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of health: `words` say how it is, `model` and `query` name the list of what it is
    about, as an admin's list is filtered."""

    name: str
    well: bool
    words: str
    model: str
    query: str = ""


def engine_health(*, now: datetime) -> Sequence[Sign]:
    """The signs, in the order of a price's way; some ten statements, each answered by an index.

    What is counted is counted up to MOST_COUNTED.
    """
    return [
        _evaluator(now),
        _lag(now),
        _faults(now),
        _prices(now),
        _incidents(),
        _missed(now),
        _failed_executions(now),
        _failed_rules(now),
        _outbox(now),
        _given_up(now),
    ]


def _evaluator(now: datetime) -> Sign:
    tick = last_tick()
    if tick is None:
        return Sign("Evaluator", False, "None has ever run.", "actions.tick")
    interval = tick_interval(is_open=calendar().is_open(now))
    age = now - tick.started_at
    words = (
        f"Last tick {span(age)} ago, due every {interval.total_seconds():g} s; it took "
        f"{tick.duration.total_seconds() * 1000:.0f} ms, woke {tick.woken} and fired {tick.fired}."
    )
    return Sign("Evaluator", is_ticking(tick, now=now), words, "actions.tick")


def _lag(now: datetime) -> Sign:
    waiting = count_awake(now=now)
    if not waiting:
        return Sign(
            "Rules that wait", True, "None: all that woke were looked at.", "actions.waking"
        )
    oldest = Waking.objects.filter(until__lte=now).aggregate(at=Min("until"))["at"]
    age = now - oldest
    words = f"{waiting:,} awake and not leased, the longest for {span(age)}."
    return Sign("Rules that wait", age <= _LEAST_LATE, words, "actions.waking")


def _faults(now: datetime) -> Sign:
    recent = faulty_ticks(now=now)
    count = _count(recent)
    newest = recent.first() if count else None
    words = f"In {count} ticks of the last hour; the newest: {newest.errors[0]}" if newest else ""
    return Sign("Errors", not count, words or "None in the last hour.", "actions.tick")


def _prices(now: datetime) -> Sign:
    newest = newest_price_at()
    if newest is None:
        return Sign("Prices", False, "None has come yet.", "market.quote")
    stale = prices_are_stale(newest=newest, now=now)
    closed = not calendar().is_open(now)
    words = f"The newest is {span(max(now - newest, timedelta(0)))} old."
    if closed:
        words += " The market is closed."
    return Sign("Prices", closed or not stale, words, "market.quote")


def _incidents() -> Sign:
    count = _count(FeedIncident.objects.filter(settled_at__isnull=True))
    words = f"{_so_many(count)} open." if count else "None is open."
    query = "settled_at__isempty=1"
    return Sign("Incidents of the feed", not count, words, "market.feedincident", query)


def _missed(now: datetime) -> Sign:
    missed = Notification.objects.filter(
        kind=Notification.Kinds.MISSED, created_at__gt=now - DAY, created_at__lte=now
    )
    count = _count(missed)
    query = "kind__exact=missed"
    return Sign("Missed firings", not count, _in_a_day(count), "actions.notification", query)


def _failed_executions(now: datetime) -> Sign:
    failed = ActionExecution.objects.filter(execution_status="failed", triggered_at__gt=now - DAY)
    count = _count(failed)
    query = "execution_status__exact=failed"
    words = _in_a_day(count) + " Portfolios refused them." * bool(count)
    return Sign("Refused executions", True, words, "actions.actionexecution", query)


def _failed_rules(now: datetime) -> Sign:
    failed = Action.objects.filter(status=Action.Statuses.FAILED, last_triggered_at__gt=now - DAY)
    count = _count(failed)
    query = "status__exact=failed"
    return Sign("Failed rules", not count, _in_a_day(count), "actions.action", query)


def _outbox(now: datetime) -> Sign:
    due = Delivery.objects.filter(state=Delivery.States.PENDING, next_attempt_at__lte=now)
    fresh = _count(Notification.objects.filter(dispatched_at__isnull=True))
    count = _count(due)
    oldest = due.aggregate(at=Min("next_attempt_at"))["at"]
    age = now - oldest if oldest else timedelta(0)
    words = f"{_so_many(fresh)} to be dispatched, {_so_many(count)} due to be sent"
    words += f", the longest for {span(age)}." if count else "."
    query = "state__exact=pending"
    return Sign("Outbox", age <= timedelta(minutes=5), words, "actions.delivery", query)


def _given_up(now: datetime) -> Sign:
    failed = Delivery.objects.filter(state=Delivery.States.FAILED, created_at__gt=now - 2 * DAY)
    count = _count(failed)
    words = f"{_so_many(count)} of the last two days." if count else "None in the last two days."
    return Sign("Deliveries given up", not count, words, "actions.delivery", "state__exact=failed")


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MOST_COUNTED].count()


def _so_many(count: int) -> str:
    return f"{count:,} or more" if count >= MOST_COUNTED else str(count)


def _in_a_day(count: int) -> str:
    return f"{_so_many(count)} in the last 24 hours." if count else "None in the last 24 hours."
