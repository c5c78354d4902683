"""How the log is written: a line of JSON for each event in production, plain lines in development.

What a line may say of whom is decided here, whichever library wrote it: ids, and nothing else. See
docs/adr/0020.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpRequest

# What a line may have beside its words. Whatever else a library adds to a record is left out.
FIELDS = frozenset(
    {
        "tick",
        "action_id",
        "execution_id",
        "user_id",
        "delivery_id",
        "outcome",
        "woken",
        "fired",
        "milliseconds",
        "status_code",
    }
)
LEFT_OUT = "[left out]"
_WRITTEN_AS_THEY_ARE = (UUID, int, float)
_SHORTEST_SECRET = 6  # what is shorter would be found in every word
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
# PostgreSQL says there what stood in a row.
_DETAIL = re.compile(r"(DETAIL|CONTEXT): {2}.*?(?=\n|\\n|$)")


class Scrubber:
    """Takes out of a line what is nobody's to read: these secrets, addresses, contents of rows."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        as_json = {json.dumps(secret)[1:-1] for secret in known}
        self._secrets = sorted(known | as_json, key=len, reverse=True)

    def __call__(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, LEFT_OUT)
        if "@" in line:  # hardly a line has any, and patterns take their time
            line = _EMAIL.sub(LEFT_OUT, line)
        if ":  " in line:
            line = _DETAIL.sub(rf"\1: {LEFT_OUT}", line)
        return line


class JsonLine(logging.Formatter):
    """An event as one line of JSON: `at` (RFC 3339, UTC), `level`, `logger`, `message`, those of
    FIELDS that it has, and `exception` with its traceback.

    A record that has `each`, a list of such fields, is a line for each of them.
    """

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._scrubbed = Scrubber(secrets)

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event = {
            "at": at.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        exception = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        lines = [_as_json({**event, **fields, **exception}) for fields in fields_of(record)]
        return self._scrubbed("\n".join(lines))


class ReadableLine(logging.Formatter):
    """An event for people: its words, and behind them what it is about; a line for `each`."""

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}{about}", style="{")
        self._scrubbed = Scrubber(secrets)

    def format(self, record: logging.LogRecord) -> str:
        lines = []
        for fields in fields_of(record):
            about = " ".join(f"{name}={value}" for name, value in fields.items())
            record.about = f" ({about})" if about else ""
            lines.append(super().format(record))
        return self._scrubbed("\n".join(lines))


class WithoutAddresses(logging.Filter):
    """A request is told by the pattern of its address, which names no token, and by its user's id.

    For what Django says of requests that it refused: their addresses may open somebody's doors.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            match = request.resolver_match
            route = f"/{match.route}" if match else "an address that is none"
            record.args = tuple(
                route if isinstance(arg, str) and arg.startswith("/") else arg
                for arg in record.args
            )
            user = getattr(request, "_cached_user", None)  # not asked for: a log asks no database
            if user is not None and user.pk:
                record.user_id = user.pk
        return True


def logging_settings(*, secrets: Iterable[str], readable: bool) -> dict[str, Any]:
    """Django's LOGGING: lines on the standard error output, for people or for programs, that tell
    none of the `secrets`."""
    line = ReadableLine if readable else JsonLine
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "context": {"()": "rest.logs.Context"},
            "without_addresses": {"()": WithoutAddresses},
        },
        "formatters": {"line": {"()": line, "secrets": secrets}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["context", "without_addresses"],
            }
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            # Its own handlers would say everything twice, and mail each error to the operators.
            "django": {"handlers": [], "level": "INFO"},
            "axes": {"level": "ERROR"},  # its warnings name whoever failed to sign in
            "django-q": {"level": "WARNING"},
            "django.server": {"level": "WARNING"},
            # It warns of each connection that is refused; a feed's incident says so once.
            "urllib3": {"level": "ERROR"},
            "httpx2": {"level": "WARNING"},  # it tells of every request
        },
    }


def fields_of(record: logging.LogRecord) -> list[dict[str, Any]]:
    """Of each line of a record those of FIELDS that it has: numbers, ids, and all else as text."""
    common = _fields(record.__dict__)
    each = getattr(record, "each", None)
    return [common] if each is None else [common | _fields(fields) for fields in each]


def _fields(known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, _WRITTEN_AS_THEY_ARE) else str(value)
        for name, value in known.items()
        if name in FIELDS and value is not None
    }


def _as_json(event: dict[str, Any]) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:  # half a character, which is no UTF-8, or a number beyond 64 bits
        return json.dumps(event, default=str)
