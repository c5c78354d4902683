"""What is told is one row a message; how it is sent is decided from the rows, once."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.models import Delivery, Notification
from actions.notify.dispatch import MOST_SINGLE_EMAILS, dispatch
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import set_quiet_hours, set_webhook, switch_email, switch_webhook
from actions.receipts import Message
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="owner@example.org", time_zone="America/New_York")


def notices(user: User, count: int, ends_at: datetime | None = None) -> Iterator[Notice]:
    for number in range(count):
        message = Message(subject=f"Sold {number} “A{{B}}”\\", body='Why: "so"\nCash, {now}')
        yield Notice(user.pk, None, message, ends_at=ends_at)


def tell_some(user: User, count: int, now: datetime) -> None:
    tell(notices=notices(user, count), now=now)


def emails(user: User) -> list[int]:
    """How many notifications each of the user's e-mails carries, the fewest first."""
    return sorted(each.emailed.count() for each in Delivery.objects.filter(user=user))


# --- Telling ---


@pytest.mark.parametrize("count", [1, 1_000])
def test_any_number_of_notices_is_one_statement(user: User, now: datetime, count: int) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        tell_some(user, count, now)
    assert len(queries) == 1
    assert Notification.objects.filter(user=user, created_at=now).count() == count


def test_nothing_to_tell_is_no_statement(now: datetime) -> None:
    with CaptureQueriesContext(connection) as queries:
        tell(notices=[], now=now)
    assert len(queries) == 0


def test_a_message_is_stored_as_it_was_said(user: User, now: datetime) -> None:
    tell_some(user, 1, now)
    told = Notification.objects.get()
    assert told.subject == "Sold 0 “A{B}”\\"
    assert told.body == 'Why: "so"\nCash, {now}'
    assert (told.kind, told.read_at, told.dispatched_at, told.action) == ("fired", None, None, None)


def test_a_long_subject_is_cut(user: User, now: datetime) -> None:
    tell(notices=[Notice(user.pk, None, Message("x" * 500, "body"))], now=now)
    assert len(Notification.objects.get().subject) == 200


def test_what_is_rolled_back_was_never_told(user: User, now: datetime) -> None:
    with transaction.atomic():
        tell_some(user, 1, now)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()


# --- Dispatching ---


def test_a_notification_becomes_one_email_and_is_dispatched_once(user: User, now: datetime) -> None:
    tell_some(user, 1, now)
    assert dispatch(now=now) == 1
    assert dispatch(now=now) == 0
    delivery = Delivery.objects.get()
    told = Notification.objects.get()
    assert (told.email, told.webhook, told.dispatched_at) == (delivery, None, now)
    assert (delivery.channel, delivery.state, delivery.attempts) == ("email", "pending", 0)
    assert (delivery.next_attempt_at, delivery.give_up_at) == (now, now + 24 * HOUR)


def test_a_few_at_once_are_an_email_each(user: User, now: datetime) -> None:
    tell_some(user, MOST_SINGLE_EMAILS, now)
    dispatch(now=now)
    assert emails(user) == [1] * MOST_SINGLE_EMAILS


def test_many_at_once_are_one_digest(user: User, now: datetime) -> None:
    other = UserFactory.create()
    tell_some(user, MOST_SINGLE_EMAILS + 1, now)
    tell_some(other, 1, now)
    assert dispatch(now=now) == MOST_SINGLE_EMAILS + 2
    assert emails(user) == [MOST_SINGLE_EMAILS + 1]
    assert emails(other) == [1]


def test_what_waits_unsent_is_gathered_into_the_digest(user: User, now: datetime) -> None:
    tell_some(user, 4, now)
    dispatch(now=now)
    tell_some(user, 4, now + MINUTE)
    dispatch(now=now + MINUTE)
    assert emails(user) == [8]
    digest = Delivery.objects.get()
    tell_some(user, 1, now + 2 * MINUTE)
    dispatch(now=now + 2 * MINUTE)
    assert emails(user) == [9]
    assert Delivery.objects.get() == digest, "it was added to"


def test_what_a_sender_has_taken_is_left_as_it_is(user: User, now: datetime) -> None:
    tell_some(user, 4, now)
    dispatch(now=now)
    Delivery.objects.update(attempts=1)
    tell_some(user, 4, now)
    dispatch(now=now)
    assert emails(user) == [1] * 8


def test_a_webhook_gets_each_message_by_itself(user: User, now: datetime) -> None:
    set_webhook(user=user, url="https://hooks.example.org/x")
    tell_some(user, 8, now)
    dispatch(now=now)
    by_channel = Delivery.objects.filter(user=user)
    assert by_channel.filter(channel="email").count() == 1
    assert by_channel.filter(channel="webhook").count() == 8
    assert {each.posted.count() for each in by_channel.filter(channel="webhook")} == {1}
    switch_webhook(user=user, on=False)
    tell_some(user, 1, now)
    dispatch(now=now)
    assert by_channel.filter(channel="webhook").count() == 8


def test_who_has_unsubscribed_or_has_no_address_is_told_in_the_app_only(now: datetime) -> None:
    silent, unreachable = UserFactory.create(), UserFactory.create(email="")
    inactive = UserFactory.create(is_active=False)
    switch_email(user=silent, on=False)
    for each in (silent, unreachable, inactive):
        tell_some(each, 7, now)
    assert dispatch(now=now) == 21
    assert not Delivery.objects.exists()
    assert Notification.objects.filter(dispatched_at=now).count() == 21
    assert dispatch(now=now) == 0


@pytest.mark.parametrize(
    ("at", "sent_at"),
    [
        (datetime(2026, 11, 18, 2, 59, tzinfo=UTC), datetime(2026, 11, 18, 2, 59, tzinfo=UTC)),
        (datetime(2026, 11, 18, 3, 0, tzinfo=UTC), datetime(2026, 11, 18, 12, 0, tzinfo=UTC)),
        # The nights in which New York's clocks change: 8 and 10 hours until seven.
        (datetime(2026, 3, 8, 3, 0, tzinfo=UTC), datetime(2026, 3, 8, 11, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 2, 0, tzinfo=UTC), datetime(2026, 11, 1, 12, 0, tzinfo=UTC)),
    ],
)
def test_emails_wait_for_the_end_of_quiet_hours_and_webhooks_do_not(
    user: User, at: datetime, sent_at: datetime
) -> None:
    set_quiet_hours(user=user, begin=time(22), end=time(7))
    set_webhook(user=user, url="https://hooks.example.org/x")
    tell_some(user, 1, at)
    dispatch(now=at)
    email = Delivery.objects.get(channel="email")
    assert (email.next_attempt_at, email.give_up_at) == (sent_at, sent_at + 24 * HOUR)
    assert Delivery.objects.get(channel="webhook").next_attempt_at == at


def test_a_night_of_messages_is_one_digest_in_the_morning(user: User) -> None:
    set_quiet_hours(user=user, begin=time(22), end=time(7))
    evening = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)
    for hour in range(7):
        tell_some(user, 1, evening + hour * HOUR)
        dispatch(now=evening + hour * HOUR)
    digest = Delivery.objects.get()
    assert digest.emailed.count() == 7
    assert digest.next_attempt_at == datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def test_dispatching_takes_as_many_statements_for_many_users_as_for_one(now: datetime) -> None:
    def statements(users: int) -> int:
        for _ in range(users):
            tell_some(UserFactory.create(), 7, now)
        with CaptureQueriesContext(connection) as queries:
            assert dispatch(now=now) == 7 * users
        return len(queries)

    assert statements(1) == statements(20)
