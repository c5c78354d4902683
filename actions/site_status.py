"""How the whole site is doing, for those who run it. Nothing here reads all rules or all quotes'
pasts: each figure comes from an index, from a table that is small, or is counted now and then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Min, Q, Sum
from django_q.models import OrmQ

from accounts.models import User
from actions.evaluator import Leader, leader
from actions.faults import MOST_FAULTS, Fault, faults_of, faulty_ticks
from actions.models import (
    Action,
    Census,
    Delivery,
    Notification,
    Tick,
    Trouble,
    Waking,
)
from actions.pace import tick_interval
from actions.rules import Status
from actions.selectors import is_ticking, last_tick
from actions.tick_record import EVER, without_tick
from market.services import calendar, quote_max_age
from market.status import FeedStatus, feed_status, quotes_known

PULSE = timedelta(minutes=5)
CENSUS_AGE = timedelta(minutes=1)
A_DAY = timedelta(days=1)
CLUSTER = "qcluster"  # how the sessions of the cluster's processes end their names


@dataclass(frozen=True, slots=True)
class Evaluator:
    """`lag_seconds` is how late the next tick is, 0 while it is not due. `pauses` are the spans of
    the last 24 hours in which no tick ran, the one that lasts included, but not what was before the
    first tick of all."""

    active: bool
    leader: Leader | None
    market_open: bool
    interval_seconds: float
    last_tick_at: datetime | None
    last_tick_seconds: float | None
    lag_seconds: float | None
    pauses: int
    paused_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """How many rules there are by status, counted at `counted_at` (None: not yet); how many are
    awake now; how many a minute woke and fired in the last five minutes."""

    counts: Mapping[Status, int]
    counted_at: datetime | None
    awake: int
    woken_a_minute: float
    fired_a_minute: float


@dataclass(frozen=True, slots=True)
class Quotes:
    """How many symbols are followed, how many of them have no price that rules see, and of when the
    newest price is."""

    symbols: int
    stale: int
    newest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is to be told: notifications not dispatched, e-mails and calls not sent, of which some
    have failed at least once, and since when the oldest of all waits."""

    undispatched: int
    unsent: int
    failing: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """The jobs of the cluster that wait, the oldest's instant, those at work, and how many sessions
    the processes of clusters have with the database (0: no cluster runs)."""

    waiting: int
    oldest_at: datetime | None
    at_work: int
    cluster_sessions: int


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """All of it. `troubles` are what has been wrong, not only for a moment."""

    at: datetime
    evaluator: Evaluator
    rules: Rules
    quotes: Quotes
    feed: FeedStatus
    outbox: Outbox
    queue: Queue
    errors: Sequence[Fault]
    troubles: Sequence[Trouble]


def may_monitor(user: User) -> bool:
    """Staff who have the permission, and superusers."""
    return user.is_staff and user.has_perm("actions.monitor")


def site_status(*, now: datetime) -> SiteStatus:
    """How the site is doing `now`; some twenty short queries, however many rules there are."""
    hours = calendar()
    return SiteStatus(
        at=now,
        evaluator=evaluator_status(now=now),
        rules=rules_status(now=now),
        quotes=Quotes(*quotes_known(now=now, max_age=quote_max_age())),
        feed=feed_status(symbols=(), now=now, calendar=hours),
        outbox=outbox_status(),
        queue=queue_status(now=now),
        errors=faults_of(ticks=faulty_ticks(now=now))[:MOST_FAULTS],
        troubles=list(Trouble.objects.filter(bad_since__isnull=False).order_by("bad_since")),
    )


def evaluator_status(*, now: datetime) -> Evaluator:
    """Whether it ticks, and who does."""
    is_open = calendar().is_open(now)
    tick = last_tick()
    silent = without_tick(since=now - A_DAY, until=now)
    pauses = [(begin, end) for begin, end in silent if begin > EVER]
    lengths = (min(end, now) - max(begin, now - A_DAY) for begin, end in pauses)
    return Evaluator(
        active=is_ticking(tick, now=now),
        leader=leader(),
        market_open=is_open,
        interval_seconds=tick_interval(is_open=is_open).total_seconds(),
        last_tick_at=tick.started_at if tick else None,
        last_tick_seconds=tick.duration.total_seconds() if tick else None,
        lag_seconds=_lag(tick, now).total_seconds() if tick else None,
        pauses=len(pauses),
        paused_seconds=sum(lengths, timedelta(0)).total_seconds(),
    )


def _lag(tick: Tick, now: datetime) -> timedelta:
    """How late the one after it is."""
    return max(timedelta(0), now - max(tick.ended_at, tick.started_at + tick.next_in))


def rules_status(*, now: datetime) -> Rules:
    """The counts are a minute old at most, or as old as the last count took."""
    census = _census(now)
    counts = census.counts if census else {}
    recent = Tick.objects.filter(started_at__gt=now - PULSE)
    pulse = recent.aggregate(woken=Sum("woken"), fired=Sum("fired"))
    minutes = PULSE / timedelta(minutes=1)
    return Rules(
        counts={status: counts.get(status.value, 0) for status in Status},
        counted_at=census.counted_at if census else None,
        awake=Waking.objects.count(),
        woken_a_minute=(pulse["woken"] or 0) / minutes,
        fired_a_minute=(pulse["fired"] or 0) / minutes,
    )


def outbox_status() -> Outbox:
    """By the partial indexes of what is not settled."""
    new = Notification.objects.filter(dispatched_at__isnull=True).order_by()
    told = new.aggregate(count=Count("*"), oldest=Min("created_at"))
    pending = Delivery.objects.filter(state=Delivery.States.PENDING).order_by()
    sent = pending.aggregate(
        count=Count("*"), oldest=Min("created_at"), failing=Count("pk", filter=Q(attempts__gt=0))
    )
    oldest = min(filter(None, (told["oldest"], sent["oldest"])), default=None)
    return Outbox(told["count"], sent["count"], sent["failing"], oldest)


def queue_status(*, now: datetime) -> Queue:
    """A job that waits is locked until the instant at which it came, one at work until later."""
    jobs = OrmQ.objects.order_by().aggregate(
        waiting=Count("pk", filter=Q(lock__lte=now)),
        oldest=Min("lock", filter=Q(lock__lte=now)),
        at_work=Count("pk", filter=Q(lock__gt=now)),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE %s",
            [f"%{CLUSTER}"],
        )
        (sessions,) = cursor.fetchone()
    return Queue(jobs["waiting"], jobs["oldest"], jobs["at_work"], sessions)


def _census(now: datetime) -> Census | None:
    """The newest count. Who finds it old counts anew, unless somebody else is counting."""
    census = Census.objects.first()
    if census and now - census.counted_at < CENSUS_AGE:
        return census
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('census'))")
        (mine,) = cursor.fetchone()
        if not mine:
            return census
        found = Action.objects.order_by().values_list("status").annotate(count=Count("*"))
        counted, _ = Census.objects.update_or_create(
            pk=1, defaults={"counted_at": now, "counts": dict(found)}
        )
    return counted
