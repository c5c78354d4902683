"""A webhook is never called into our own network, and only where the name's certificate says so."""

import shutil
import socket
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from actions.models import Preferences
from actions.notify.deliver import deliver_due
from actions.notify.preferences import (
    PreferenceRefused,
    set_webhook,
    switch_email,
    switch_webhook,
)
from actions.notify.webhook import WebhookFailed, WebhookRefused, check_url, post
from tests.integration.test_webhooks import (
    _private_allowed,
    bare_call,
    hook,
    private_allowed,
    told,
    user,
)
from tests.receiver import Receiver, receiver

__all__ = ["_private_allowed", "hook", "user"]  # fixtures


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
