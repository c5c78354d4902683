"""The servers that the environment names by their addresses, as Django's settings have them.

An address may hold a password, which is in no message.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def database_from_url(url: str) -> dict[str, Any]:
    """Django's settings for a PostgreSQL address, read by libpq's own parser.

    Raises ImproperlyConfigured with one line that names the address (password hidden) and the form
    that is expected.
    """
    try:
        parts = conninfo_to_dict(url) if url.startswith(("postgresql://", "postgres://")) else {}
    except ProgrammingError:
        parts = {}
    port = str(parts.pop("port", "") or "")
    name = parts.pop("dbname", None)
    if not name or not (port == "" or (port.isdigit() and 0 < int(port) < 65536)):
        raise ImproperlyConfigured(
            f"DATABASE_URL={hide_password(url)!r} is not a PostgreSQL address. "
            "Expected postgresql://user:password@host:5432/name."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": port,
        "OPTIONS": {key: value for key, value in parts.items() if value is not None},
    }


def hide_password(url: str) -> str:
    """The address with whatever may be a password left out, also where it is malformed."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return re.split(r"[:=@\s]", url, maxsplit=1)[0] + "***"
    user_info, at, place = rest.rpartition("@")
    user, colon, _ = user_info.partition(":")
    address, question, query = place.partition("?")
    if not at:  # what follows a colon and is no port may be a password that lost its @
        address = re.sub(r":(?!\d*(/|$)).*", ":***", address)
    if "password" in query.lower():
        query = "***"
    return f"{scheme}://{user}{':***' if colon else ''}{at}{address}{question}{query}"


def mailer_from_url(url: str, *, written_to: Path | None = None) -> dict[str, Any]:
    """Django's settings for a mail server. Without an address mail is written to the folder
    `written_to`, or handed to this machine's own server.

    Raises ImproperlyConfigured with one line that names the form that is expected.
    """
    if not url and written_to:
        return {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": written_to},
        }
    try:
        parts = urlsplit(url or "smtp://localhost:25")
        host, port = parts.hostname, parts.port
    except ValueError:  # of a port, or of brackets
        host = None
    if not host or parts.scheme not in {"smtp", "smtps"}:
        raise ImproperlyConfigured(
            "EMAIL_URL must look like smtp://user:password@host:587 or smtps://host:465."
        )
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": host,
            "port": port or (465 if parts.scheme == "smtps" else 25),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": parts.scheme == "smtps",
            "use_tls": parts.scheme == "smtp" and bool(parts.username),
            "timeout": 10,
        },
    }
