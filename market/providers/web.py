"""One GET over the network, with an end to its patience, and what it brought. No database.

What goes wrong becomes FeedFailed in words of our own: those of a library's exception could hold a
header, and with it the key.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from market.budget import next_minute
from market.providers import FeedFailed
from market.providers.timely import TimelyAdapter
from market.quotes import PRICE_MAX, PRICE_STEP, Bar

LARGEST = 16 * 2**20  # bytes of an answer; the largest real ones are a few hundred thousand
_CHUNK = 2**16
_LONGEST = 99  # digits, as _is_number has it
_NONE, _LONGEST_REST = timedelta(0), timedelta(hours=1)  # that a provider asks for
_WORDS = 200  # characters of the provider's own that are kept

# A connection that was refused has cost nothing and reached nobody: it is tried once more. All else
# may have been billed, and the next tick asks anyway.
_ONCE_MORE = Retry(
    total=1,
    connect=1,
    read=False,
    redirect=False,
    status=False,
    other=False,
    respect_retry_after_header=False,
)

_is_number = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?").fullmatch


class HeaderKeys(AuthBase):
    """Puts keys into headers, where no log of addresses and no proxy's cache holds them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request

    def __repr__(self) -> str:
        return "<keys>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: numbers with a point are Decimal, `NaN` and its like are text."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Web:
    """Asks one server. Instants and keys are handed in; nothing is remembered between requests."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        keys: Mapping[str, str],
        secrets: tuple[str, ...],
        connect_seconds: float,
        read_seconds: float,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._auth = HeaderKeys(keys)
        self._secrets = tuple(secret for secret in secrets if secret)
        self._connect = connect_seconds
        self._read = read_seconds

    def __repr__(self) -> str:
        return f"<{self._name} at {self._url}>"

    def get(self, path: str, params: Mapping[str, str]) -> Reply:
        """The parsed answer, whatever its status. Raises FeedFailed where there is none."""
        with requests.Session() as session:
            session.trust_env = False  # a .netrc would replace our header by its own
            session.mount("https://", TimelyAdapter(max_retries=_ONCE_MORE))
            session.mount("http://", TimelyAdapter(max_retries=_ONCE_MORE))
            try:
                response = session.get(
                    self._url + path,
                    params=params,
                    auth=self._auth,
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                    timeout=(self._connect, self._read),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    return self._reply(response)
            except (requests.RequestException, HTTPError, OSError) as error:
                raise self._failure(error) from None

    def _reply(self, response: requests.Response) -> Reply:
        if response.is_redirect:
            words = f"HTTP {response.status_code}, to another address, which is not followed"
            raise FeedFailed("request refused", words)
        raw = self._bytes(response)
        try:
            body = json_of(raw)
        except ValueError:
            raise self._no_json(response.status_code, raw) from None
        return Reply(response.status_code, response.headers, body)

    def _bytes(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise FeedFailed("too long", f"an answer of more than {LARGEST} bytes", billed=True)
        raw = b"".join(parts)
        for secret in self._secrets:  # who complains about a key may well quote it
            raw = raw.replace(secret.encode(), b"***")
        return raw

    def _no_json(self, status: int, raw: bytes) -> FeedFailed:
        if status >= 500:
            return FeedFailed("server error", f"HTTP {status} without a reason")
        what = "an empty answer" if not raw.strip() else f"{len(raw)} bytes that are no JSON"
        return FeedFailed("no JSON", f"HTTP {status} with {what}", billed=True)

    def _failure(self, error: Exception) -> FeedFailed:
        if isinstance(error, requests.ConnectTimeout):
            return FeedFailed("time-out", f"no connection within {self._connect:g} s")
        if isinstance(error, requests.Timeout | ReadTimeoutError | TimeoutError):
            return self._timed_out()
        if isinstance(error, requests.exceptions.SSLError):
            return FeedFailed("no secure connection", "its certificate could not be verified")
        if isinstance(error, requests.ConnectionError) and _never_connected(error):
            return FeedFailed("no connection", "the connection was refused, or its name is unknown")
        if isinstance(error, requests.ConnectionError | HTTPError | OSError):
            words = "the connection broke before the answer ended"
            return FeedFailed("cut off", words, billed=True)
        return FeedFailed("no answer", f"the request failed ({type(error).__name__})")

    def _timed_out(self) -> FeedFailed:
        return FeedFailed("time-out", f"no whole answer within {self._read:g} s", billed=True)


def json_of(raw: bytes) -> Any:
    """Numbers with a point are Decimal, `NaN` and its like are text. Raises ValueError."""
    try:
        return json.loads(raw, parse_float=_exactly, parse_constant=str)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _exactly(written: str) -> Decimal | str:
    """The number; as it is written where its exponent is beyond any: it is wrong by itself, and
    the rest of the answer may be good."""
    try:
        return Decimal(written)
    except InvalidOperation:
        return written


def clean(words: object) -> str:
    """The provider's own words, fit to be shown and stored: short and one line."""
    printable = "".join(one if one.isprintable() else " " for one in str(words))
    text = " ".join(printable.split())
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _never_connected(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError"}


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime:
    """When a provider that is asked too often wants to be asked again: a minute's end, or later.

    An hour at most, so that one odd header does not silence all rules for a day.
    """
    seconds = headers.get("Retry-After", "")
    waits = timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 6 else _NONE
    return max(next_minute(now), now + min(waits, _LONGEST_REST))


def number(value: object) -> Decimal:
    """A number as it came over the wire, as text or as a number. Raises ValueError."""
    if isinstance(value, Decimal):
        if value and abs(value.adjusted()) > _LONGEST:  # 1e999999999 has as many digits
            raise ValueError(f"{_short(value)} is not a number")
        return value
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _is_number(text):
        raise ValueError(f"{_short(value)} is not a number")
    return Decimal(text)


def factor(new: object, old: object) -> Fraction:
    """New shares for each old one. Raises ValueError for what is no split."""
    shares_before, shares_after = number(old), number(new)
    if shares_before <= 0 or shares_after <= 0 or shares_before == shares_after:
        raise ValueError(f"{_short(new)} for {_short(old)} is no split")
    return Fraction(shares_after) / Fraction(shares_before)


def optional[N](read: Callable[[object], N], value: object) -> N | None:
    """What is read, or None where it cannot be: for what a quote may lack."""
    try:
        return read(value)
    except ValueError:
        return None


def in_order(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    """A symbol's sessions, oldest first; of several bars of one session the last that was told."""
    by_session = {bar.session: bar for bar in bars}
    return tuple(by_session[day] for day in sorted(by_session))


def shares(value: object) -> int:
    """A volume. Raises ValueError for what is none, or below 0."""
    volume = number(value)
    if not 0 <= volume < 2**63:
        raise ValueError(f"{_short(value)} is not a volume")
    return int(volume)


def instant(value: object) -> datetime:
    """An instant given as seconds since 1970. Raises ValueError."""
    try:
        return datetime.fromtimestamp(int(number(value)), UTC)
    except (OverflowError, OSError):
        raise ValueError(f"{_short(value)} is no instant") from None


def positive(value: object) -> Decimal:
    """A price that can be kept. Raises ValueError."""
    price = number(value)
    if not PRICE_STEP <= price <= PRICE_MAX:
        raise ValueError(f"{_short(value)} is not a price")
    return price


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
