"""What is to be sent is sent from its row: at least once, with one id, for at most a day."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from accounts.models import User
from actions import tasks
from actions.engine import run_tick
from actions.models import Action, Delivery, Notification
from actions.notify.deliver import CLAIM, deliver_due, prune_deliveries
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import switch_email
from actions.receipts import Message
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def user() -> User:
    return UserFactory.create(email="owner@example.org")


def queued(user: User, now: datetime, subject: str = "Sold 10 AAPL\nat $150.00") -> Delivery:
    tell(notices=[Notice(user.pk, None, Message(subject, "Your rule ..."))], now=now)
    dispatch(now=now)
    return Delivery.objects.get(user=user, attempts=0, state="pending")


def sending(effect: object) -> Any:
    return patch.object(EmailMultiAlternatives, "send", autospec=True, side_effect=effect)


def test_an_email_carries_its_deliverys_id_and_one_line_of_subject(
    user: User, now: datetime
) -> None:
    delivery = queued(user, now)
    assert deliver_due(now=now) == 1
    (message,) = mail.outbox
    assert message.to == ["owner@example.org"]
    assert message.subject == "Sold 10 AAPL at $150.00"
    assert message.extra_headers["Message-ID"] == f"<{delivery.pk}@trading-rules>"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.sent_at) == ("sent", now)
    assert deliver_due(now=now + DAY) == 0


def test_a_failing_mail_server_is_tried_again_after_twice_as_long_each_time_for_a_day(
    user: User, now: datetime
) -> None:
    delivery = queued(user, now)
    waits = []
    with sending(ConnectionRefusedError("no server")):
        at = now
        while True:
            assert deliver_due(now=at - timedelta(seconds=1)) == 0, "not before its time"
            assert deliver_due(now=at) == 0
            delivery.refresh_from_db()
            if delivery.next_attempt_at is None:
                break
            waits.append(delivery.next_attempt_at - at)
            at = delivery.next_attempt_at
    assert waits[:10] == [MINUTE * 2**doubled for doubled in range(10)]
    assert sum(waits, timedelta(0)) == DAY
    assert (delivery.state, delivery.attempts) == ("failed", len(waits) + 1)
    assert delivery.last_error == "no server"
    assert deliver_due(now=now + 2 * DAY) == 0


def test_what_a_dead_sender_had_claimed_is_sent_by_another(user: User, now: datetime) -> None:
    delivery = queued(user, now)
    with sending(KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        deliver_due(now=now)
    assert deliver_due(now=now + MINUTE) == 0, "still claimed"
    assert deliver_due(now=now + CLAIM) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("sent", 2)


def test_a_sender_that_dies_between_sending_and_recording_sends_it_again_with_the_same_id(
    user: User, now: datetime
) -> None:
    queued(user, now)
    really: Callable[[EmailMultiAlternatives], int] = EmailMultiAlternatives.send

    def send_and_die(message: EmailMultiAlternatives) -> None:
        really(message)
        raise KeyboardInterrupt

    with sending(send_and_die), pytest.raises(KeyboardInterrupt):
        deliver_due(now=now)
    assert deliver_due(now=now + CLAIM) == 1
    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    assert first.body == second.body


def test_one_bad_delivery_does_not_stop_the_rest(user: User, now: datetime) -> None:
    others = [UserFactory.create() for _ in range(3)]
    bad = queued(user, now, subject="bad")
    for other in others:
        queued(other, now)
    User.objects.filter(pk=user.pk).update(time_zone="Nowhere/Land")
    tell(notices=[Notice(user.pk, None, Message(f"{n}", "")) for n in range(6)], now=now)
    Notification.objects.filter(user=user).update(email=bad, dispatched_at=now)
    assert deliver_due(now=now) == 3
    assert {message.to[0] for message in mail.outbox} == {other.email for other in others}
    bad.refresh_from_db()
    assert (bad.state, bad.attempts) == ("pending", 1)
    assert "Nowhere/Land" in bad.last_error


def test_who_unsubscribes_gets_not_even_what_waits_already(user: User, now: datetime) -> None:
    delivery = queued(user, now)
    switch_email(user=user, on=False)
    assert deliver_due(now=now) == 0
    assert mail.outbox == []
    delivery.refresh_from_db()
    assert (delivery.state, delivery.next_attempt_at) == ("silenced", None)
    assert Notification.objects.filter(user=user).exists(), "it is still told in the app"


def test_a_digest_names_the_newest_first_and_counts_what_it_leaves_out(
    user: User, now: datetime
) -> None:
    for number in range(88):
        tell(
            notices=[Notice(user.pk, None, Message(f"Notice {number:03}", "..."))],
            now=now + timedelta(seconds=number),
        )
    dispatch(now=now + HOUR)
    assert deliver_due(now=now + HOUR) == 1
    (message,) = mail.outbox
    assert message.subject == "88 notices about your rules"
    assert "and 38 more." in message.body
    lines = [line for line in message.body.splitlines() if "Notice " in line]
    assert lines[0] == "Tue 17 Nov 15:01  Notice 087"
    assert lines[-1].endswith("Notice 038")
    assert len(lines) == 50
    (html,) = [part.content for part in message.alternatives]  # type: ignore[attr-defined]
    assert html.count("Notice ") == 50
    assert "and 38 more." in html


@pytest.fixture
def sold(user: User, instruments: None, feed: Feed, now: datetime) -> list[Action]:
    """Two rules that have fired: one was refused, one bought."""
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(1_000), at=now)
    actions = [
        create_action(
            user=user,
            draft=Draft(
                action_type="BUY",
                symbol="AAPL",
                quantity=quantity,
                trigger_type="price_below",
                trigger_params={"threshold": "150"},
                notes="<b>",
            ),
            now=now + timedelta(seconds=quantity > 5),
        )
        for quantity in (Decimal(2), Decimal(100))
    ]
    feed.says("AAPL", "149.50", now + MINUTE)
    assert run_tick(now=now + MINUTE).fired == 2
    return actions


def test_an_email_says_what_was_traded_why_and_what_is_left_and_leads_to_the_rule(
    sold: list[Action], settings: Any, now: datetime
) -> None:
    settings.SITE_URL = "https://rules.example.org"
    dispatch(now=now + MINUTE)
    assert deliver_due(now=now + MINUTE) == 2
    bought, refused = sorted(mail.outbox, key=lambda message: message.subject)
    assert bought.subject == "Bought 2 AAPL at $149.50 for $299.00."
    (html,) = [part.content for part in bought.alternatives]  # type: ignore[attr-defined]
    for text in (bought.body, html):
        assert "Buy 2 AAPL when the price is at or below $150.00, once." in text
        assert "AAPL at $149.50 is at or below $150.00." in text
        assert "$701.00" in text
        assert f"https://rules.example.org/actions/{sold[0].pk}" in text
    assert bought.body.count("Bought 2 AAPL at $149.50 for $299.00.") == 1
    assert "<img" not in html
    assert refused.subject.startswith("Refused: Buy 100 AAPL.")
    (html,) = [part.content for part in refused.alternatives]  # type: ignore[attr-defined]
    assert "Nothing was traded." in refused.body
    assert "Nothing was traded." in html


def test_many_rules_that_fired_are_counted_in_the_subject(
    user: User, instruments: None, feed: Feed, now: datetime
) -> None:
    for _ in range(12):
        create_action(
            user=user,
            draft=Draft(
                action_type="NOTIFY",
                symbol="AAPL",
                trigger_type="price_below",
                trigger_params={"threshold": "150"},
            ),
            now=now,
        )
    feed.says("AAPL", "149", now)
    run_tick(now=now)
    dispatch(now=now)
    assert deliver_due(now=now) == 1
    assert mail.outbox[0].subject == "12 of your rules fired"


def test_settled_deliveries_are_forgotten_after_a_while_and_what_they_said_is_kept(
    user: User, now: datetime
) -> None:
    sent = queued(user, now)
    deliver_due(now=now)
    waiting = queued(user, now)
    assert prune_deliveries(now=now + DAY, keep=DAY) == 0, "not yet"
    assert prune_deliveries(now=now + DAY + MINUTE, keep=DAY) == 1
    assert list(Delivery.objects.all()) == [waiting]
    assert Notification.objects.filter(user=user).count() == 2
    assert sent.pk != waiting.pk


def test_the_clusters_job_dispatches_and_sends(user: User) -> None:
    now = timezone.now()
    tell(notices=[Notice(user.pk, None, Message("Sold", "..."))], now=now)
    assert tasks.deliver_notifications() == "1 sent"
    assert tasks.deliver_notifications() == "0 sent"
    Delivery.objects.update(created_at=now - tasks.KEEP_DELIVERIES - MINUTE)
    assert tasks.prune() == "0 prices, 1 deliveries, 0 drafts, 0 ticks forgotten"
