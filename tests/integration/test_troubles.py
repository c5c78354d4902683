"""Operators are told of what stays wrong, once, by whichever process looks, and when it is over."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.db import connection
from django_q.models import OrmQ
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.models import Delivery, Notification, Tick, Trouble
from actions.troubles import look_for_trouble
from market.hours import Exchange
from market.models import FeedIncident
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.postgres import run_cluster
from tests.processes import begin

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _operators(settings: Settings, feed: Feed) -> None:
    settings.ADMINS = ["ops@example.org"]
    settings.OPERATORS_AFTER_MINUTES = 5
    settings.SITE_URL = "https://rules.example.org"


@pytest.fixture
def user() -> User:
    return UserFactory.create()


def looked(now: datetime, minutes: int, *, ticking: bool = True) -> list[str]:
    """The subjects of what is sent while somebody looks every half minute for so long."""
    before = len(mail.outbox)
    for half in range(2 * minutes + 1):
        at = now + half * MINUTE / 2
        if ticking:
            run_tick(now=at)
        look_for_trouble(now=at)
    return [str(message.subject) for message in mail.outbox[before:]]


def test_where_all_is_well_nothing_is_written_or_sent(now: datetime) -> None:
    assert looked(now, 10) == []
    assert not Trouble.objects.exists()


def test_ticks_that_do_not_come_are_told_after_the_patience_once_and_when_they_come_again(
    now: datetime,
) -> None:
    run_tick(now=now)
    assert looked(now, 5, ticking=False) == [], "five minutes less the half in which it is in time"
    assert looked(now + 5 * MINUTE, 30, ticking=False) == ["Trading Rules: No tick runs: for 5 min"]
    (letter,) = mail.outbox
    assert letter.to == ["ops@example.org"]
    assert "Wrong since 2026-11-17 15:01:00 UTC." in letter.body
    assert "The last tick was at 2026-11-17 15:00:00 UTC." in letter.body
    assert "https://rules.example.org/monitoring" in letter.body
    assert looked(now + 36 * MINUTE, 4) == []
    assert looked(now + 41 * MINUTE, 10) == ["Trading Rules: No tick runs: over"]


def test_ticks_that_come_now_and_then_are_trouble_all_the_same(now: datetime) -> None:
    told = []
    for minutes in range(0, 20, 3):
        run_tick(now=now + minutes * MINUTE)
        told += looked(now + minutes * MINUTE + 40 * SECOND, 2, ticking=False)
    assert told == ["Trading Rules: No tick runs: for 5 min"]


def incident(now: datetime) -> None:
    FeedIncident.objects.create(
        kind="no answer", verdict="failed", provider="test", reason="Key refused.",
        first_at=now, last_at=now,
    )  # fmt: skip


def message(user: User, now: datetime) -> None:
    Notification.objects.create(
        user=user, kind="fired", subject="s", body="b", created_at=now - 10 * MINUTE
    )


def overdue(user: User, now: datetime) -> None:
    _delivery(user, now, next_attempt_at=now - 10 * MINUTE)


def failing(user: User, now: datetime) -> None:
    for _ in range(5):
        _delivery(user, now, next_attempt_at=now + timedelta(days=1), attempts=3)


def _delivery(user: User, now: datetime, **more: object) -> None:
    Delivery.objects.create(
        user=user, channel="email", created_at=now, give_up_at=now + timedelta(days=1), **more
    )


def faults(user: User, now: datetime) -> None:
    for minutes in range(10):
        Tick.objects.create(
            started_at=now + minutes * MINUTE,
            duration=SECOND,
            symbols=1,
            woken=1,
            fired=0,
            errors=[f"Rule {n}: RuntimeError" for n in range(10)],
        )


def job(user: User, now: datetime) -> None:
    OrmQ.objects.create(key="tradingrules", payload="", lock=now - 10 * MINUTE)


@pytest.mark.parametrize(
    ("wrong", "subject", "words"),
    [
        (lambda user, now: incident(now), "The feed is down", "Key refused."),
        (message, "Messages wait", "The oldest message that nobody dispatched is "),
        (overdue, "Messages wait", "A delivery has been due for "),
        (failing, "Deliveries fail", "At least 5 deliveries have failed 3 times or more."),
        (faults, "Many rules fail", "10 rules could not be looked at in the last 5 min."),
        (job, "Jobs wait", "The oldest job has waited for "),
    ],
)
def test_each_kind_of_trouble_is_told(
    user: User,
    now: datetime,
    wrong: Callable[[User, datetime], None],
    subject: str,
    words: str,
) -> None:
    wrong(user, now)
    assert looked(now, 6) == [f"Trading Rules: {subject}: for 5 min"]
    assert words in mail.outbox[0].body


def test_a_feed_that_is_silent_while_the_market_is_closed_is_no_trouble(
    feed: Feed, now: datetime
) -> None:
    feed.calendar = Exchange()
    incident(now)
    assert looked(now + timedelta(hours=8), 10) == []


def test_a_mail_server_that_fails_is_tried_again_after_two_minutes(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tick(now=now)
    attempts = []

    def refuses(subject: str, body: str) -> None:
        attempts.append(subject)
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr("actions.troubles.mail_admins", refuses)
        assert looked(now, 10, ticking=False) == []
    assert len(attempts) == 3
    assert not Trouble.objects.get().is_told
    (told,) = looked(now + 11 * MINUTE, 5, ticking=False)
    assert told.startswith("Trading Rules: No tick runs: for 1")


def test_without_operators_it_is_put_down_as_told(now: datetime, settings: Settings) -> None:
    settings.ADMINS = []
    run_tick(now=now)
    assert looked(now, 10, ticking=False) == []
    assert Trouble.objects.get().is_told


def look_many_times(instants: list[datetime]) -> int:
    """How much was told."""
    return sum(look_for_trouble(now=now) for now in instants)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_several_processes_that_look_at_once_one_tells(now: datetime) -> None:
    url = run_cluster().url(connection.settings_dict["NAME"])
    instants = [now + minutes * MINUTE for minutes in range(12)]
    looking = [begin(url, look_many_times, instants) for _ in range(3)]
    assert sum(one.result(seconds=240) for one in looking) == 1
    assert Trouble.objects.get(kind="ticks").is_told
