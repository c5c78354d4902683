"""A webhook is called with signed JSON, and again where it was not answered."""

import hashlib
import hmac
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from actions.models import Delivery, Notification
from actions.notify.deliver import Gone, _record, deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import (
    preferences_of,
    set_webhook,
)
from actions.notify.webhook import Call
from actions.receipts import Message
from tests.factories import UserFactory
from tests.receiver import Receiver, receiver, status

MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
def _private_allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True


private_allowed = pytest.mark.usefixtures("_private_allowed")


@pytest.fixture
def user(db: None) -> User:
    return UserFactory.create(email="")


def told(user: User, url: str, now: datetime) -> Delivery:
    """A delivery to this address that is due."""
    set_webhook(user=user, url=url)
    tell(notices=[Notice(user.pk, None, Message("Sold “10” AAPL", "Why: so"))], now=now)
    dispatch(now=now)
    return Delivery.objects.get(user=user, channel="webhook", attempts=0)


def bare_call(url: str) -> Call:
    return Call(url=url, headers={"Content-Type": "application/json"}, body=b"{}")


# --- What is sent ---


@private_allowed
def test_the_call_says_what_happened_and_its_signature_can_be_verified(
    user: User, hook: Receiver, now: datetime
) -> None:
    delivery = told(user, hook.url(path="/hook?key=1"), now)
    assert deliver_due(now=now) == 1
    (received,) = hook.received
    assert received.path == "/hook?key=1"
    assert received.headers["Host"] == f"127.0.0.1:{hook.port}"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Trading-Rules-Delivery"] == str(delivery.pk)
    assert received.headers["Trading-Rules-Timestamp"] == str(int(now.timestamp()))
    secret = preferences_of(user=user).webhook_secret
    signed = received.headers["Trading-Rules-Timestamp"].encode() + b"." + received.body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert received.headers["Trading-Rules-Signature"] == f"v1={mac}"
    assert received.json == {
        "event": "fired",
        "delivery": str(delivery.pk),
        "notification": str(Notification.objects.get().pk),
        "created_at": now.isoformat(),
        "subject": "Sold “10” AAPL",
        "body": "Why: so",
        "rehearsal": False,
        "rule": None,
        "execution": None,
    }
    delivery.refresh_from_db()
    assert (delivery.state, delivery.sent_at) == ("sent", now)


@private_allowed
def test_a_new_address_has_a_new_secret_and_what_waits_goes_there(
    user: User, hook: Receiver, now: datetime
) -> None:
    told(user, "http://127.0.0.1:1/", now)
    before = preferences_of(user=user).webhook_secret
    after = set_webhook(user=user, url=hook.url()).webhook_secret
    assert before != after
    assert len(after) >= 40
    assert deliver_due(now=now) == 1


@private_allowed
def test_the_secret_is_in_no_log_and_in_no_representation(
    user: User, hook: Receiver, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.answers = [status(500)]
    delivery = told(user, hook.url(path="/key-of-mine"), now)
    deliver_due(now=now)
    delivery.refresh_from_db()
    preferences = preferences_of(user=user)
    call = Call(preferences.webhook_url, {"Trading-Rules-Signature": "v1=abc"}, b"body")
    seen = f"{caplog.text} {delivery.last_error} {delivery!r} {preferences!r} {call!r}"
    for hidden in (preferences.webhook_secret, "key-of-mine", "v1=", "body"):
        assert hidden not in seen
    assert "was not sent: Answered 500." in caplog.text


# --- Answers ---


@private_allowed
def test_a_receiver_that_fails_is_called_again_with_the_same_id_and_a_new_timestamp(
    user: User, hook: Receiver, now: datetime
) -> None:
    hook.answers = [status(500), status(204)]
    delivery = told(user, hook.url(), now)
    assert deliver_due(now=now) == 0
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_error) == ("pending", "Answered 500.")
    assert delivery.next_attempt_at == now + MINUTE
    assert deliver_due(now=now + MINUTE) == 1
    first, second = hook.received
    assert first.body == second.body
    assert first.headers["Trading-Rules-Delivery"] == second.headers["Trading-Rules-Delivery"]
    assert first.headers["Trading-Rules-Timestamp"] != second.headers["Trading-Rules-Timestamp"]
    assert first.headers["Trading-Rules-Signature"] != second.headers["Trading-Rules-Signature"]


@private_allowed
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(
    user: User, hook: Receiver, now: datetime, code: int
) -> None:
    hook.answers = [status(code, Location=hook.url(path="/elsewhere"))]
    delivery = told(user, hook.url(), now)
    assert deliver_due(now=now) == 0
    assert [received.path for received in hook.received] == ["/hook"]
    delivery.refresh_from_db()
    assert delivery.last_error == f"Answered {code}: redirects are not followed."


@private_allowed
def test_gone_switches_the_webhook_off_and_tells_the_owner_once(
    user: User, hook: Receiver, now: datetime
) -> None:
    hook.answers = [status(410)]
    told(user, hook.url(), now)
    message = Message("Another", "...")
    tell(notices=[Notice(user.pk, None, message)] * 3, now=now)
    dispatch(now=now)
    assert deliver_due(now=now) == 0
    assert preferences_of(user=user).webhook_on is False
    off = Notification.objects.get(kind="webhook_off")
    assert off.user == user
    assert "410 Gone" in off.body
    called = len(hook.received)
    dispatch(now=now + MINUTE)
    assert deliver_due(now=now + MINUTE) == 0
    assert len(hook.received) == called, "it is not called any more"
    assert not Delivery.objects.filter(state="pending").exists()


def test_gone_from_an_address_that_was_replaced_meanwhile_switches_nothing_off(
    user: User, now: datetime
) -> None:
    delivery = told(user, "https://hooks.example.org/new", now)
    _record(delivery, Gone("https://hooks.example.org/old"), now)
    assert preferences_of(user=user).webhook_on is True
    assert not Notification.objects.filter(kind="webhook_off").exists()
    delivery.refresh_from_db()
    assert delivery.state == "failed"
