"""What is forgotten in time, and what never is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from io import StringIO

import psycopg
import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Failure, Schedule, Task
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import ApiToken, User
from actions.models import Notification
from chat.models import Conversation, Message, Proposal
from portfolios.models import Transaction
from tests.factories import PortfolioFactory, UserFactory
from tradingrules import pruning, tasks
from tradingrules.pruning import prune

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def user(now: datetime) -> User:
    found: User = PortfolioFactory.create(deposit=100).user
    return found


def session(user: User, expires: datetime) -> str:
    key = f"key{Session.objects.count()}"
    Session.objects.create(session_key=key, session_data="", expire_date=expires)
    seen = expires - 14 * DAY
    UserSession.objects.create(user=user, session_key=key, ip="192.0.2.7", last_seen_at=seen)
    return key


def refresh_token(user: User, expires: datetime) -> str:
    jti = f"jti{OutstandingToken.objects.count()}"
    token = OutstandingToken.objects.create(user=user, jti=jti, token="x", expires_at=expires)
    BlacklistedToken.objects.create(token=token)
    return jti


def api_token(user: User, expires: datetime) -> str:
    name = f"token {ApiToken.objects.count()}"
    ApiToken.objects.create(
        user=user,
        name=name,
        scope="read",
        digest=name.encode(),
        ending="abcd",
        created_at=expires - 30 * DAY,
        expires_at=expires,
    )
    return name


def notification(user: User, at: datetime, kind: str = "fired", *, sent: bool = True) -> str:
    subject = f"told {Notification.objects.count()}"
    Notification.objects.create(
        user=user,
        kind=kind,
        subject=subject,
        body="",
        created_at=at,
        dispatched_at=at if sent else None,
    )
    return subject


def conversation(user: User, at: datetime) -> str:
    title = f"talk {Conversation.objects.count()}"
    talk = Conversation.objects.create(user=user, title=title, created_at=at, updated_at=at)
    said = Message.objects.create(conversation=talk, role="assistant", text="", created_at=at)
    Proposal.objects.create(
        user=user,
        message=said,
        intent="create_action",
        payload={},
        sentence="",
        created_at=at,
        expires_at=at + DAY,
    )
    return title


def failed_job(user: User, at: datetime) -> str:
    name = f"job {Task.objects.count()}"
    Task.objects.create(id=name, name=name, func="f", started=at, stopped=at, success=False)
    return name


@pytest.mark.parametrize(
    ("kind", "make", "model", "field", "kept_for"),
    [
        ("sessions", session, Session, "session_key", 0 * DAY),
        ("refresh tokens", refresh_token, OutstandingToken, "jti", 0 * DAY),
        ("API tokens", api_token, ApiToken, "name", 90 * DAY),
        ("notifications", notification, Notification, "subject", 400 * DAY),
        ("conversations", conversation, Conversation, "title", 400 * DAY),
        ("failed jobs", failed_job, Failure, "name", 30 * DAY),
    ],
)
def test_each_kind_is_forgotten_when_its_time_has_come_and_not_before(
    user: User,
    now: datetime,
    kind: str,
    make: Callable[[User, datetime], str],
    model: type[Notification],
    field: str,
    kept_for: timedelta,
) -> None:
    make(user, now - kept_for - SECOND)
    kept = make(user, now - kept_for + SECOND)
    assert prune(now=now)[kind] == 1
    assert [getattr(row, field) for row in model.objects.all()] == [kept]
    assert prune(now=now)[kind] == 0


def test_of_a_session_that_has_gone_the_browser_is_forgotten_and_of_an_open_one_not(
    user: User, now: datetime
) -> None:
    session(user, now - SECOND)
    kept = session(user, now + DAY)
    UserSession.objects.create(
        user=user, session_key="soon", ip="192.0.2.7", last_seen_at=now - SECOND
    )
    assert prune(now=now)["browsers"] == 1
    keys = set(UserSession.objects.values_list("session_key", flat=True))
    assert keys == {kept, "soon"}, "a session that is just being made has no row of its own yet"


def test_what_was_missed_or_is_still_to_be_sent_is_not_forgotten(user: User, now: datetime) -> None:
    kept = {
        notification(user, now - 500 * DAY, "missed"),
        notification(user, now - 500 * DAY, sent=False),
    }
    assert prune(now=now)["notifications"] == 0
    assert set(Notification.objects.values_list("subject", flat=True)) == kept


def test_the_site_says_how_long_messages_are_kept(
    user: User, now: datetime, settings: Settings
) -> None:
    settings.KEEP_NOTIFICATIONS_DAYS = settings.KEEP_CONVERSATIONS_DAYS = 30
    notification(user, now - 31 * DAY)
    conversation(user, now - 31 * DAY)
    gone = prune(now=now)
    assert (gone["notifications"], gone["conversations"]) == (1, 1)
    assert not Message.objects.exists()
    assert Transaction.objects.exists(), "the ledger stays"


def test_much_is_forgotten_in_batches_each_in_a_transaction_of_its_own(
    user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    for _ in range(7):
        notification(user, now - 500 * DAY)
    with CaptureQueriesContext(connection) as asked:
        assert prune(now=now)["notifications"] == 7
    deletes = [each["sql"] for each in asked if each["sql"].startswith('DELETE FROM "notif')]
    assert len(deletes) == 3
    for _ in range(7):
        notification(user, now - 500 * DAY)
    assert sum(prune(now=now, seconds=0).values()) == 0, "its time is over: the next day does it"


@pytest.mark.django_db(transaction=True)
def test_what_somebody_is_just_writing_to_is_left_for_the_next_time(now: datetime) -> None:
    talk = conversation(UserFactory.create(), now - 500 * DAY)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("UPDATE chat_conversations SET title = title")
        assert prune(now=now)["conversations"] == 0
        assert Conversation.objects.get().title == talk
    assert prune(now=now)["conversations"] == 1


def test_the_command_and_the_daily_job_say_what_was_forgotten(user: User) -> None:
    session(user, timezone.now() - DAY)
    said = StringIO()
    call_command("prune", stdout=said)
    assert "1 sessions" in said.getvalue()
    assert tasks.prune_the_site().startswith("0 sessions, ")
    migration = import_module("tradingrules.migrations.0003_schedule_pruning")
    for _ in range(2):
        migration.create_schedule(apps, None)
    (schedule,) = Schedule.objects.filter(func="tradingrules.tasks.prune_the_site")
    assert (schedule.schedule_type, schedule.repeats) == ("D", -1)
