"""Calls a user's webhook: signed, bounded in time, and never into our own network.

The standard library's client is used, and none that does more: it follows no redirect, keeps no
connection, reads no proxy from the environment, and lets the connection be made to an address that
was checked.
"""

import hashlib
import hmac
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

EXCHANGE_SECONDS = 10.0  # for the whole call, from the connection to the answer's headers
CONNECT_SECONDS = 3.0  # for one address of a host that may have several
SIGNATURE_VERSION = "v1"

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")  # deprecated, and still understood by some


class WebhookRefused(ValueError):
    """An address that may not be called: says why."""


class WebhookFailed(Exception):
    """A call that did not come to an answer: says how far it came."""


@dataclass(frozen=True, slots=True)
class Call:
    """One POST: to where, with which headers, saying what."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Call(to {urlsplit(self.url).hostname})"  # the rest may be somebody's key


def sign(*, secret: str, timestamp: int, body: bytes) -> str:
    """The signature of a body sent at `timestamp` (Unix seconds): HMAC-SHA256 of both, in hex."""
    signed = f"{timestamp}.".encode() + body
    return f"{SIGNATURE_VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def check_url(url: str) -> str:
    """Returns `url` if it may be called as far as can be told without looking up its host.

    Raises WebhookRefused.
    """
    _parts(url)
    return url


def post(call: Call) -> int:
    """Makes the call and returns the answer's status. The answer's body is not read.

    Takes no longer than EXCHANGE_SECONDS, beside what the system's resolver takes for the name.
    Raises WebhookRefused, before anything is connected to, and WebhookFailed.
    """
    parts = _parts(call.url)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    try:
        connection = _CheckedConnection(parts)
        try:
            connection.request("POST", target, call.body, dict(call.headers))
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException) as error:
        raise WebhookFailed(f"{type(error).__name__}: {error}") from error


def _parts(url: str) -> SplitResult:
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise WebhookRefused(
            "Write the address in ASCII without spaces: percent-encode other characters in its "
            "path, and use the xn-- form of its host."
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as wrong:
        raise WebhookRefused(f"That is no address: {wrong}.") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise WebhookRefused("Write the address as https://host/path.")
    if parts.scheme == "http" and not (settings.DEBUG or settings.WEBHOOK_ALLOW_PRIVATE):
        raise WebhookRefused("Use https: by plain http anybody on the way could read it.")
    if "@" in parts.netloc:
        raise WebhookRefused("Leave out the user and password: calls are signed instead.")
    try:
        _check_address(ip_address(host))
    except WebhookRefused:
        raise
    except ValueError:
        pass  # a name: where it leads is checked at each call
    return parts


def _check_address(address: IPv4Address | IPv6Address) -> None:
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return
    if not all(each.is_global and not each.is_multicast for each in (address, *_inside(address))):
        raise WebhookRefused(
            f"{address} is not an address of the public internet. Webhooks are not sent to "
            "private, loopback or reserved ones; whoever runs this site can allow it."
        )


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses to which a gateway may carry what is sent to this IPv6 address."""
    if isinstance(address, IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _COMPATIBLE:
        carried.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return [inner for inner in carried if inner is not None]


class _CheckedConnection(HTTPConnection):
    """A connection to an address that was checked, whatever the name says a moment later."""

    def __init__(self, parts: SplitResult) -> None:
        self._tls = parts.scheme == "https"
        self.default_port = 443 if self._tls else 80  # which the Host header leaves out
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._deadline = monotonic() + EXCHANGE_SECONDS

    def connect(self) -> None:
        """Looks the name up once, checks every address it has, and connects to one of these."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError as wrong:
            raise WebhookRefused(f"{self.host!r} is not a host's name: {wrong}.") from None
        for *_, place in found:
            _check_address(ip_address(str(place[0])))
        plain = self._reach(found)
        try:
            if self._tls:
                plain.settimeout(_left(self._deadline))
                context = ssl.create_default_context()
                plain = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        # http.client uses no more of a socket than this.
        self.sock: Any = _TimedSocket(plain, self._deadline)

    def _reach(self, found: list[Any]) -> socket.socket:
        failure: OSError = OSError("the name has no address")
        for family, kind, protocol, _, place in found:
            reached = socket.socket(family, kind, protocol)
            try:
                reached.settimeout(min(CONNECT_SECONDS, _left(self._deadline)))
                reached.connect(place)
            except OSError as error:
                reached.close()
                failure = error
            else:
                return reached
        raise failure


class _TimedSocket:
    """A socket whose every step must end before one deadline, which no trickle of bytes extends."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self._plain, self._deadline = plain, deadline

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(_left(self._deadline))
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._plain, self._deadline))

    def close(self) -> None:
        self._plain.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self._plain, self._deadline = plain, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plain.settimeout(_left(self._deadline))
        return self._plain.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError(f"no answer within {EXCHANGE_SECONDS:.0f} s")
    return left
