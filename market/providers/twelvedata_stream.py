"""Twelve Data's WebSocket: one connection, and what its messages mean. No database, no clock.

As in web.py, what goes wrong becomes words of our own; and since the library logs the headers that
it sends, the key's among them, it has nowhere to log to.
"""

import json
import logging
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from market.providers import Company, Complaint
from market.providers.twelvedata import code_of, is_error
from market.providers.web import clean, instant, json_of, number, optional, shares
from market.quotes import BadQuote, Sample

LARGEST = 2**20  # bytes of a message; the largest real ones list the symbols of a subscription
KEY_REFUSED = frozenset({401, 403})
_PATH = "/v1/quotes/price"
_CLOSING_SECONDS = 2
_TOO_LONG = 1009  # the code with which a message that is too long ends a connection

_nowhere = logging.Logger("websockets")
_nowhere.disabled = True


class StreamFailed(Exception):
    """There is no connection, or no more. `refused`: the key or its plan is; it will be again."""

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.refused = refused


@dataclass(slots=True)
class Heard:
    """What one message says: a price and whose it is, who is subscribed to, or what is wrong.

    `fault` concerns the whole connection, in words; `refused` as in StreamFailed.
    """

    sample: Sample | None = None
    company: Company | None = None
    complaints: list[Complaint] = field(default_factory=list)
    fault: str = ""
    refused: bool = False


class Line:
    """An open connection. All but `hear` may raise StreamFailed, too."""

    def __init__(self, connection: ClientConnection, secret: str) -> None:
        self._connection = connection
        self._secret = secret

    def subscribe(self, symbols: Collection[str]) -> None:
        self._say("subscribe", params={"symbols": ",".join(symbols)})

    def unsubscribe(self, symbols: Collection[str]) -> None:
        self._say("unsubscribe", params={"symbols": ",".join(symbols)})

    def heartbeat(self) -> None:
        self._say("heartbeat")

    def hear(self, seconds: float) -> Heard | None:
        """The next message, None where none comes in `seconds`. Raises StreamFailed."""
        try:
            message = self._connection.recv(timeout=max(0.0, seconds), decode=False)
        except TimeoutError:
            return None
        except (ConnectionClosed, OSError) as error:
            raise _broken(error) from None
        return read(message, self._secret)

    def _say(self, action: str, **more: object) -> None:
        try:
            self._connection.send(json.dumps({"action": action} | more))
        except (WebSocketException, OSError) as error:
            raise _broken(error) from None


class TwelveDataStream:
    """Where the stream is, and of how many symbols at once the plan lets it tell."""

    def __init__(
        self, *, key: str, url: str, symbols: int, connect_seconds: float, ping_seconds: float
    ) -> None:
        self.symbols = symbols
        self._key = key
        self._url = url.rstrip("/")
        self._connect_seconds = connect_seconds
        self._ping_seconds = ping_seconds

    def __repr__(self) -> str:
        return f"<the stream of {self._url}>"

    @contextmanager
    def connect(self) -> Iterator[Line]:
        """A connection that is closed at the end. A dead one is noticed by its lack of pongs.

        Raises StreamFailed.
        """
        try:
            connection = connect(
                self._url + _PATH,
                # With a socket of ours no redirect is followed, which would be sent the key, too.
                sock=self._socket(),
                additional_headers={"X-TD-APIKEY": self._key},
                proxy=None,
                open_timeout=self._connect_seconds,
                ping_interval=self._ping_seconds,
                ping_timeout=self._ping_seconds,
                close_timeout=_CLOSING_SECONDS,
                max_size=LARGEST,
                logger=_nowhere,
            )
        except (WebSocketException, OSError, ValueError) as error:
            raise _not_connected(error, self._connect_seconds) from None
        with connection:
            yield Line(connection, self._key)

    def _socket(self) -> socket.socket:
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        return socket.create_connection((str(parts.hostname), port), self._connect_seconds)


def read(message: bytes, secret: str = "") -> Heard:
    """What a message says. Never raises; one that says nothing is empty."""
    raw = message.replace(secret.encode(), b"***") if secret else message
    try:
        body = json_of(raw)
    except ValueError:
        return Heard(fault=f"a message of {len(message)} bytes that is no JSON")
    if not isinstance(body, dict):
        return Heard(fault="a message that is no JSON object")
    event = body.get("event")
    if event == "price":
        return _price(body)
    if event == "subscribe-status":
        return Heard(complaints=_not_carried(body.get("fails")))
    if event == "error" or is_error(body):
        return _error(body)
    return Heard()  # a heartbeat's echo, or what was invented since


def _price(body: Mapping[str, Any]) -> Heard:
    symbol = body.get("symbol")
    if not isinstance(symbol, str):
        return Heard(fault="a price without a symbol")
    try:
        sample = Sample(
            symbol=symbol,
            price=number(body.get("price")),
            as_of=instant(body.get("timestamp")),
            volume=optional(shares, body.get("day_volume")),
        )
    except (ValueError, BadQuote) as wrong:
        return Heard(complaints=[Complaint(symbol, "stream: bad price", clean(wrong))])
    return Heard(sample, Company(currency=clean(body.get("currency") or "")))


def _not_carried(fails: object) -> list[Complaint]:
    found = []
    for fail in fails if isinstance(fails, list) else []:
        symbol = fail.get("symbol") if isinstance(fail, dict) else fail
        words = fail.get("message", "") if isinstance(fail, dict) else ""
        if isinstance(symbol, str):
            reason = clean(words) or "the subscription was refused"
            found.append(Complaint(symbol, "stream: not carried", reason, lasting=True))
    return found


def _error(body: Mapping[str, Any]) -> Heard:
    code = code_of(body)
    words = clean(body.get("message") or "an error without words")
    return Heard(fault=f"{code}: {words}" if code else words, refused=code in KEY_REFUSED)


def _not_connected(error: Exception, seconds: float) -> StreamFailed:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return StreamFailed(f"HTTP {status} instead of a stream", refused=status in KEY_REFUSED)
    if isinstance(error, TimeoutError):
        return StreamFailed(f"no connection within {seconds:g} s")
    if isinstance(error, ConnectionRefusedError):
        return StreamFailed("the connection was refused")
    if isinstance(error, ssl.SSLError):
        return StreamFailed("its certificate could not be verified")
    if isinstance(error, ValueError):
        return StreamFailed("it leads to another address, which is not followed")
    return StreamFailed(f"no connection ({type(error).__name__})")


def _broken(error: Exception) -> StreamFailed:
    if isinstance(error, ConnectionClosed) and error.sent and error.sent.code == _TOO_LONG:
        return StreamFailed(f"a message of more than {LARGEST} bytes")
    if isinstance(error, ConnectionClosed) and error.rcvd:
        return StreamFailed(f"the service ended the connection ({error.rcvd.code})")
    return StreamFailed("the connection broke")
