"""How the log is written: a line of JSON for each event in production, plain lines in development.

What a line may say of whom is decided here, whichever library wrote it: ids, and nothing else. See
docs/adr/0020.
"""

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from pythonjsonlogger.core import LogData
from pythonjsonlogger.orjson import OrjsonFormatter

# What a line may have beside its words. Whatever else a library adds to a record is left out.
FIELDS = (
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
)
LEFT_OUT = "[left out]"
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
        return _EMAIL.sub(LEFT_OUT, _DETAIL.sub(rf"\1: {LEFT_OUT}", line))


class JsonLine(OrjsonFormatter):
    """An event as one line of JSON: `at` (RFC 3339, UTC), `level`, `logger`, `message`, those of
    FIELDS that it has, and `exception` with its traceback."""

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        super().__init__(["message"])
        self._scrubbed = Scrubber(secrets)

    def add_fields(
        self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        at = datetime.fromtimestamp(record.created, UTC)
        log_data |= {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        log_data |= fields_of(record)
        if traceback := message_dict.get("exc_info"):
            log_data["exception"] = traceback

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubbed(super().format(record))


class ReadableLine(logging.Formatter):
    """An event for people: its words, and behind them what it is about."""

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}{about}", style="{")
        self._scrubbed = Scrubber(secrets)

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        record.about = f" ({fields})" if fields else ""
        return self._scrubbed(super().format(record))


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


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Those of FIELDS that a record has, ids as text."""
    found = ((name, record.__dict__.get(name)) for name in FIELDS)
    return {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in found
        if value is not None
    }
