"""What is queued is sent once, and again when the mail server fails."""

from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from accounts.models import User
from actions.models import Notification
from actions.notify.deliver import CLAIM, deliver_due
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="owner@example.org")


def queued(user: User, now: datetime) -> Notification:
    return Notification.objects.create(
        user=user,
        channel="email",
        subject="Sold 10 AAPL\nat $150.00",
        body="Your rule ...",
        created_at=now,
        next_attempt_at=now,
    )


def test_an_email_carries_its_rows_id_and_one_line_of_subject(user: User, now: datetime) -> None:
    notification = queued(user, now)
    assert deliver_due(now=now) == 1
    (message,) = mail.outbox
    assert message.subject == "Sold 10 AAPL at $150.00"
    assert message.extra_headers["Message-ID"] == f"<{notification.pk}@trading-rules>"
    notification.refresh_from_db()
    assert (notification.state, notification.sent_at) == ("sent", now)


def test_a_failing_mail_server_is_tried_again_later_and_given_up_after_a_day(
    user: User, now: datetime
) -> None:
    notification = queued(user, now)
    with patch.object(EmailMessage, "send", side_effect=ConnectionRefusedError("no server")):
        assert deliver_due(now=now) == 0
        notification.refresh_from_db()
        assert (notification.state, notification.attempts) == ("pending", 1)
        assert notification.next_attempt_at == now + MINUTE
        assert notification.last_error == "no server"
        assert deliver_due(now=now + MINUTE / 2) == 0
        notification.refresh_from_db()
        assert notification.attempts == 1, "not before its time"
        deliver_due(now=now + timedelta(days=1))
    notification.refresh_from_db()
    assert notification.state == "failed"
    assert notification.next_attempt_at is None


def test_what_a_dead_sender_had_claimed_is_sent_by_another(user: User, now: datetime) -> None:
    notification = queued(user, now)
    with (
        patch.object(EmailMessage, "send", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        deliver_due(now=now)
    assert deliver_due(now=now + MINUTE) == 0, "still claimed"
    assert deliver_due(now=now + CLAIM) == 1
    notification.refresh_from_db()
    assert (notification.state, notification.attempts) == ("sent", 2)
