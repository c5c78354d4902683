"""The addresses in the environment as Django's settings, and the limits of a session with the
database."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def is_web(address: str) -> bool:
    """Whether it is a site's address: scheme and host, perhaps a port and a path, no more.

    Raises ValueError for a port that is none.
    """
    parts = urlsplit(address)
    _ = parts.port
    more = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not more


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


def with_limits(database: Mapping[str, Any], *, silence: int) -> dict[str, Any]:
    """The settings of a database with what its sessions are held to; what its address asks for has
    the last word. `silence`: the seconds after which nobody waits for the other end any more.
    """
    # A process that hangs amid a transaction holds its rules and its portfolio until PostgreSQL
    # ends its session. Whoever waits for a lock gives up before that, and tries again.
    session = f"-c idle_in_transaction_session_timeout={silence}s -c lock_timeout=15s"

    # A machine that vanishes from the network says nothing more either, and by default TCP takes
    # hours to notice. Both ends ask after half of that time, three times, and then let go:
    # PostgreSQL of the locks, and we of a connection that nobody answers. Sockets on one machine
    # need none of it.
    ask_after, ask_again = max(1, silence // 2), max(1, silence // 6)
    session += (
        f" -c tcp_keepalives_idle={ask_after} -c tcp_keepalives_interval={ask_again}"
        f" -c tcp_keepalives_count=3 -c tcp_user_timeout={silence}s"
    )
    connection = {
        "connect_timeout": 10,  # seconds, of each address that the host has
        "keepalives_idle": ask_after,
        "keepalives_interval": ask_again,
        "keepalives_count": 3,
        "tcp_user_timeout": silence * 1000,  # milliseconds
    }
    asked = database.get("OPTIONS", {})
    options = f"{session} {asked.get('options', '')}".rstrip()
    return {**database, "OPTIONS": connection | asked | {"options": options}}


def mailer_from_url(url: str) -> dict[str, Any]:
    """Django's settings for a mail server's address.

    Raises ImproperlyConfigured with the form that is expected.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or port == 0:
        raise ImproperlyConfigured(
            "EMAIL_URL must look like smtp://user:password@host:587 or smtps://host:465."
        )
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": port or (465 if parts.scheme == "smtps" else 25),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": parts.scheme == "smtps",
            "use_tls": parts.scheme == "smtp" and bool(parts.username),
            "timeout": 10,
        },
    }
