"""One link in every e-mail ends all e-mails: without signing in, and only when it is meant."""

from datetime import datetime
from uuid import uuid4

import pytest
from django.core import mail
from django.core.signing import Signer
from django.test import Client

from accounts.models import User
from actions.models import Preferences
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.links import unsubscribe_path
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import preferences_of
from actions.receipts import Message
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory.create()


@pytest.fixture
def stranger() -> Client:
    """Nobody's client, which checks as a browser's would be checked."""
    return Client(enforce_csrf_checks=True)


def is_told_by_email(user: User, now: datetime) -> bool:
    mail.outbox.clear()
    tell(notices=[Notice(user.pk, None, Message("Sold", "..."))], now=now)
    dispatch(now=now)
    deliver_due(now=now)
    return bool(mail.outbox)


def test_the_link_in_the_email_unsubscribes_its_owner_with_one_click(
    user: User, stranger: Client, now: datetime
) -> None:
    assert is_told_by_email(user, now)
    (message,) = mail.outbox
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert link in message.body
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = link.removeprefix("http://localhost:8000")
    answer = stranger.post(path, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "You will get no more e-mails." in answer.text
    assert not is_told_by_email(user, now)


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_at_the_link_changes_nothing(
    user: User, stranger: Client, now: datetime, method: str
) -> None:
    answer = getattr(stranger, method)(unsubscribe_path(user.pk))
    assert answer.status_code == 200
    if method == "get":
        assert "Stop all e-mails about your rules?" in answer.text
        assert '<form method="post">' in answer.text
    assert not Preferences.objects.exists()
    assert is_told_by_email(user, now)


def test_a_second_click_is_the_same(user: User, stranger: Client) -> None:
    for _ in range(2):
        assert stranger.post(unsubscribe_path(user.pk)).status_code == 200
    assert preferences_of(user=user).email_on is False


def test_the_link_is_its_owners_whoever_is_signed_in(user: User, client: Client) -> None:
    other = UserFactory.create()
    client.force_login(other)
    client.post(unsubscribe_path(user.pk))
    assert preferences_of(user=user).email_on is False
    assert preferences_of(user=other).email_on is True


def test_a_token_that_was_tampered_with_is_not_found(user: User, stranger: Client) -> None:
    other = UserFactory.create()
    good = unsubscribe_path(user.pk)
    _, _, signature = good.rpartition(":")
    for path in (
        good[:-1],
        good + "x",
        f"/unsubscribe/{other.pk}:{signature}",
        f"/unsubscribe/{user.pk}",
        "/unsubscribe/x",
        # Signed by us, and not for this.
        f"/unsubscribe/{Signer().sign(str(other.pk))}",
    ):
        assert stranger.post(path).status_code == 404, path
        assert stranger.get(path).status_code == 404, path
    assert not Preferences.objects.exists()


def test_a_user_who_is_no_more_is_not_found(stranger: Client) -> None:
    assert stranger.post(unsubscribe_path(uuid4())).status_code == 404
