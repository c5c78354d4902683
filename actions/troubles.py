"""Tells those who run the site what stays wrong, and when it is over: once, whoever looks.

A row a kind keeps how it has gone, so that of many processes one tells. Mail that cannot be sent is
tried again; after a crash in between it may come twice.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core.mail import mail_admins
from django.db import transaction
from django.db.models import Min, Q

from actions.faults import faulty_ticks
from actions.models import Delivery, Notification, Trouble
from actions.persistence import Course, News, followed, news
from actions.site_status import evaluator_status, queue_status
from actions.words import span
from market.services import calendar
from market.status import feed_failure

logger = logging.getLogger(__name__)

FAILING_RULES = 10  # faults of ours in a pulse
FAILING_DELIVERIES = 5
_ATTEMPTS = 3  # after so many a delivery counts as failing
_PULSE = timedelta(minutes=5)
_AGAIN = timedelta(minutes=2)  # mail that was not sent is tried again after this


class Due(NamedTuple):
    """News of a kind that is to be told, by whoever has claimed it."""

    kind: str
    news: News
    words: str
    since: datetime


def look_for_trouble(*, now: datetime) -> int:
    """Looks once at everything that may go wrong for long, and tells what is due. Returns how much
    that was. Belongs outside any transaction: mail may take seconds."""
    told = 0
    for kind, found in FINDINGS.items():
        if due := _noted(kind, found(now), now):
            told += _told(due, now)
    return told


@transaction.atomic
def _noted(kind: str, words: str, now: datetime) -> Due | None:
    """Puts down what was found (nothing: all is well), and claims the news of it, if any is due."""
    patience = timedelta(minutes=settings.OPERATORS_AFTER_MINUTES)
    row = Trouble.objects.select_for_update(skip_locked=True).filter(pk=kind).first()
    if row is None:  # it has always been well, or somebody else is at it
        if words:
            Trouble.objects.bulk_create(
                [Trouble(kind=kind, bad_since=now, words=words)], ignore_conflicts=True
            )
        return None
    was = Course(row.bad_since, row.good_since, row.is_told)
    course = followed(was, is_bad=bool(words), now=now, patience=patience)
    due = news(course, now=now, patience=patience)
    claimed = due is not None and (row.try_at is None or row.try_at <= now)
    if course == was and not claimed and words in {"", row.words}:
        return None
    row.bad_since, row.good_since = course.bad_since, course.good_since
    row.words = words or row.words
    row.try_at = now + _AGAIN if claimed else row.try_at
    row.save()
    return Due(kind, due, row.words, row.bad_since or now) if due and claimed else None


def _told(due: Due, now: datetime) -> bool:
    """Says it in the log and by e-mail. Returns whether it is told; if not, it stays due."""
    wrong = due.news is News.WRONG
    title = f"{_TITLES[due.kind]}: {'for ' + span(now - due.since) if wrong else 'over'}"
    logger.log(logging.ERROR if wrong else logging.INFO, "%s. %s", title, due.words)
    try:
        mail_admins(title, _letter(due, wrong))
    except Exception as error:  # a mail server's, of whatever kind
        logger.warning("operators were not told: %s", type(error).__name__)
        return False
    Trouble.objects.filter(pk=due.kind).update(is_told=wrong, try_at=None)
    return True


def _letter(due: Due, wrong: bool) -> str:
    state = f"Wrong since {due.since:%Y-%m-%d %H:%M:%S} UTC." if wrong else "All is well again."
    found = due.words if wrong else f"It was: {due.words}"
    return f"{state}\n\n{found}\n\n{settings.SITE_URL}/monitoring\n"


def _without_ticks(now: datetime) -> str:
    status = evaluator_status(now=now)
    if status.active:
        return ""
    last = status.last_tick_at
    return (
        f"The last tick was at {last:%Y-%m-%d %H:%M:%S} UTC." if last else "No tick has ever run."
    )


def _feed_down(now: datetime) -> str:
    return feed_failure(now=now) if calendar().is_open(now) else ""


def _outbox_grows_old(now: datetime) -> str:
    new = Notification.objects.filter(dispatched_at__isnull=True, created_at__lt=now - _PULSE)
    overdue = Delivery.objects.filter(
        state=Delivery.States.PENDING, next_attempt_at__lt=now - _PULSE
    )
    oldest = new.order_by().aggregate(at=Min("created_at"))["at"]
    if oldest:
        return f"The oldest message that nobody dispatched is {span(now - oldest)} old."
    due = overdue.order_by().aggregate(at=Min("next_attempt_at"))["at"]
    return f"A delivery has been due for {span(now - due)}." if due else ""


def _rules_fail(now: datetime) -> str:
    ticks = faulty_ticks(now=now, within=_PULSE)
    failed = {
        line.split(":")[0]
        for errors in ticks.values_list("errors", flat=True)
        for line in errors
        if line.startswith("Rule ")
    }
    if len(failed) < FAILING_RULES:
        return ""
    return f"{len(failed)} rules could not be looked at in the last {span(_PULSE)}."


def _deliveries_fail(now: datetime) -> str:
    tried = Q(state=Delivery.States.PENDING, attempts__gte=_ATTEMPTS)
    failing = Delivery.objects.filter(tried).order_by()[: FAILING_DELIVERIES + 1].count()
    if failing < FAILING_DELIVERIES:
        return ""
    return f"At least {FAILING_DELIVERIES} deliveries have failed {_ATTEMPTS} times or more."


def _queue_grows_old(now: datetime) -> str:
    oldest = queue_status(now=now).oldest_at
    if oldest is None or now - oldest < _PULSE:
        return ""
    return f"The oldest job has waited for {span(now - oldest)}."


FINDINGS: Mapping[str, Callable[[datetime], str]] = {
    "ticks": _without_ticks,
    "feed": _feed_down,
    "outbox": _outbox_grows_old,
    "rules": _rules_fail,
    "deliveries": _deliveries_fail,
    "queue": _queue_grows_old,
}
_TITLES = {
    "ticks": "No tick runs",
    "feed": "The feed is down",
    "outbox": "Messages wait",
    "rules": "Many rules fail",
    "deliveries": "Deliveries fail",
    "queue": "Jobs wait",
}
