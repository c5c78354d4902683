"""A webhook is called with signed JSON, never for long, and never into our own network."""

import hashlib
import hmac
import logging
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from accounts.models import User
from actions.models import Delivery, Notification, Preferences
from actions.notify import webhook
from actions.notify.deliver import Gone, _record, deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import (
    PreferenceRefused,
    preferences_of,
    set_webhook,
    switch_email,
    switch_webhook,
)
from actions.notify.webhook import Call, WebhookFailed, WebhookRefused, check_url, post
from actions.receipts import Message
from tests.factories import UserFactory
from tests.receiver import Answer, Receiver, receiver, status

MINUTE = timedelta(minutes=1)
HANGS_SECONDS = 30  # if it is let


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


def addresses(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Has every name lead to these addresses, one after the other at each look-up, and the last one
    from then on. Returns the names that were looked up."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *args: Any, **kw: Any) -> Any:
        asked.append(host)
        return really(answers[min(len(asked), len(answers)) - 1], port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keeps everything on this machine: connections are refused, and where to is returned."""
    tried: list[Any] = []

    class Unconnected(socket.socket):
        def connect(self, place: Any) -> None:
            tried.append(place)
            raise ConnectionRefusedError("not in a test")

    monkeypatch.setattr("actions.notify.webhook.socket.socket", Unconnected)
    return tried


def hang(hook: Receiver) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        hook.closing.wait(HANGS_SECONDS)

    return answer


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


# --- Receivers that take their time ---


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


# --- Addresses that are not called ---

OURS = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
]


@pytest.mark.parametrize("host", OURS)
def test_a_private_address_is_refused_when_it_is_set_and_when_it_is_called(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = no_connection(monkeypatch)
    with pytest.raises(WebhookRefused, match="not an address of the public internet"):
        check_url(f"https://{host}/hook")
    with pytest.raises(WebhookRefused):
        post(bare_call(f"https://{host}:8443/hook"))
    assert tried == []


@pytest.mark.parametrize("answer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"])
def test_a_name_that_leads_to_a_private_address_is_refused_before_anything_is_connected_to(
    user: User, now: datetime, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    tried = no_connection(monkeypatch)
    asked = addresses(monkeypatch, answer)
    delivery = told(user, "https://hooks.example.org/hook", now)
    assert deliver_due(now=now) == 0
    assert asked == ["hooks.example.org"]
    assert tried == []
    delivery.refresh_from_db()
    assert "not an address of the public internet" in delivery.last_error


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_other_ways_to_write_loopback_are_refused(host: str, hook: Receiver) -> None:
    with pytest.raises((WebhookRefused, WebhookFailed)):
        post(bare_call(hook.url(host=host)))
    assert hook.received == []


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = no_connection(monkeypatch)
    entries = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in ("8.8.8.8", "192.168.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: entries)
    with pytest.raises(WebhookRefused, match=r"192\.168\.0\.1"):
        post(bare_call("https://hooks.example.org/"))
    assert tried == []


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = no_connection(monkeypatch)
    asked = addresses(monkeypatch, "8.8.8.8", "127.0.0.1")
    with pytest.raises(WebhookFailed, match="ConnectionRefusedError"):
        post(bare_call("https://hooks.example.org/"))
    assert asked == ["hooks.example.org"], "looked up once"
    assert tried == [("8.8.8.8", 443)]


@private_allowed
def test_the_setting_allows_private_addresses_and_the_host_header_is_the_names(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses(monkeypatch, "127.0.0.1")
    assert post(bare_call(hook.url(host="hooks.example.org"))) == 200
    assert hook.received[0].headers["Host"] == f"hooks.example.org:{hook.port}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/", "https://host/path"),
        ("https:///path", "https://host/path"),
        ("example.org/hook", "https://host/path"),
        ("https://user:pa55@example.org/", "user and password"),
        ("https://user@example.org/", "user and password"),
        ("https://@example.org/", "user and password"),
        ("http://example.org/", "Use https"),
        ("https://example.org:99999/", "no address"),
        ("https://example.org:0/", "https://host/path"),
        ("https://[::1/", "no address"),
        ("https://example.org/a b", "ASCII"),
        ("https://example.org/\r\nX: 1", "ASCII"),
        ("https://exämple.org/", "ASCII"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_the_remedy(url: str, why: str) -> None:
    with pytest.raises(WebhookRefused, match=why):
        check_url(url)


def test_plain_http_is_allowed_in_development(settings: Any) -> None:
    settings.DEBUG = True
    assert check_url("http://example.org:8080/hook") == "http://example.org:8080/hook"


def test_a_webhook_that_is_refused_is_not_stored(user: User) -> None:
    with pytest.raises(WebhookRefused):
        set_webhook(user=user, url="https://10.0.0.1/")
    assert not Preferences.objects.exists()
    with pytest.raises(PreferenceRefused, match="Set its address first"):
        switch_webhook(user=user, on=True)
    switch_email(user=user, on=True)


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for hooks.example.org, with its key, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on the PATH to make a certificate with")
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    name = ["-subj", "/CN=hooks.example.org", "-addext", "subjectAltName=DNS:hooks.example.org"]
    subprocess.run(
        [openssl, *words.split(), *name, "-keyout", key, "-out", made],
        check=True,
        capture_output=True,
    )
    made.write_text(made.read_text() + key.read_text())
    return made


@private_allowed
def test_a_certificate_is_verified_against_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses(monkeypatch, "127.0.0.1")
    with receiver(certificate) as hook:
        with pytest.raises(WebhookFailed, match="CERTIFICATE_VERIFY_FAILED"):
            post(bare_call(hook.url("hooks.example.org", "https")))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert post(bare_call(hook.url("hooks.example.org", "https"))) == 200
        with pytest.raises(WebhookFailed, match="Hostname mismatch"):
            post(bare_call(hook.url("other.example.org", "https")))
    assert len(hook.received) == 1
