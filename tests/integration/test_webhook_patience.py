"""A receiver of webhooks that takes its time, or answers nonsense, holds up nobody."""

import socket
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from time import monotonic

import pytest

from accounts.models import User
from actions.models import Delivery
from actions.notify import webhook
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.notify.webhook import WebhookFailed, post
from actions.receipts import Message
from tests.factories import UserFactory
from tests.integration.test_webhooks import (
    _private_allowed,
    bare_call,
    hook,
    private_allowed,
    told,
    user,
)
from tests.receiver import Answer, Receiver, receiver

__all__ = ["_private_allowed", "hook", "user"]  # fixtures

HANGS_SECONDS = 30  # if it is let


def hang(hook: Receiver) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        hook.closing.wait(HANGS_SECONDS)

    return answer


@private_allowed
def test_a_receiver_that_hangs_holds_up_no_other(
    user: User, hook: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "EXCHANGE_SECONDS", 3.0)
    hook.answers = [hang(hook)]
    with receiver() as other:
        slow = told(user, hook.url(), now)
        quick = [told(UserFactory.create(email=""), other.url(), now) for _ in range(20)]
        began = monotonic()
        assert deliver_due(now=now) == 20
        assert monotonic() - began < HANGS_SECONDS
    slow.refresh_from_db()
    assert slow.state == "pending"
    assert "TimeoutError" in slow.last_error
    assert {Delivery.objects.get(pk=each.pk).state for each in quick} == {"sent"}


@private_allowed
def test_not_even_one_that_hangs_for_many_deliveries(
    user: User, hook: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "EXCHANGE_SECONDS", 3.0)
    hook.answers = [hang(hook)]
    with receiver() as other:
        told(user, hook.url(), now)
        tell(notices=[Notice(user.pk, None, Message("Another", "..."))] * 40, now=now)
        dispatch(now=now)
        for _ in range(20):
            told(UserFactory.create(email=""), other.url(), now)
        began = monotonic()
        assert deliver_due(now=now, seconds=4.5) == 20
        assert monotonic() - began < HANGS_SECONDS
    assert Delivery.objects.filter(user=user, attempts__gt=0).count() <= 3


@private_allowed
def test_a_trickle_of_bytes_does_not_extend_the_time(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not hook.closing.wait(0.1):
            handler.wfile.write(b"X-Drop: 1\r\n")

    monkeypatch.setattr(webhook, "EXCHANGE_SECONDS", 1.0)
    hook.answers = [trickle]
    began = monotonic()
    with pytest.raises(WebhookFailed, match="TimeoutError"):
        post(bare_call(hook.url()))
    assert monotonic() - began < HANGS_SECONDS


@private_allowed
def test_of_a_huge_answer_only_the_beginning_is_read(hook: Receiver) -> None:
    written = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while not hook.closing.is_set():
            written.append(handler.wfile.write(b"x" * 65536))

    hook.answers = [flood]
    began = monotonic()
    assert post(bare_call(hook.url())) == 200
    assert monotonic() - began < HANGS_SECONDS
    assert sum(written) < 50_000_000, "what the system's buffers take, and no more"


@private_allowed
@pytest.mark.parametrize(
    "nonsense",
    [b"", b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a" * 99_999],
)
def test_an_answer_that_is_not_http_is_a_failure(hook: Receiver, nonsense: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(nonsense)

    hook.answers = [answer]
    with pytest.raises(WebhookFailed):
        post(bare_call(hook.url()))


@private_allowed
def test_a_refused_connection_is_a_failure(user: User, now: datetime) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        delivery = told(user, f"http://127.0.0.1:{taken.getsockname()[1]}/", now)
        assert deliver_due(now=now) == 0
    delivery.refresh_from_db()
    assert "ConnectionRefusedError" in delivery.last_error
