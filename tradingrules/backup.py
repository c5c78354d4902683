"""Dumps of the database, made and read by PostgreSQL's own programs.

A dump is of one instant: whatever is written meanwhile is in it whole or not at all. Its name is
the instant at which it was begun, so that names sort by age.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import ProgrammingError, connection
from psycopg import sql
from psycopg.conninfo import make_conninfo

PREFIX, SUFFIX = "tradingrules-", ".dump"
LAST_WORDS = 10  # lines
LONGEST_NAME = 63  # bytes, of a database


class BackupFailed(Exception):
    """Says what went wrong, and the last words of the program that failed."""


def dump(folder: Path, *, now: datetime) -> Path:
    """Writes a dump into the folder and returns its path. Nothing is left of one that fails."""
    if not folder.is_dir():
        raise BackupFailed(f"There is no folder {folder}. Make it, readable for nobody else.")
    place = folder / f"{PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    unfinished = place.with_suffix(".unfinished")
    try:
        unfinished.touch(mode=0o600)  # it holds everybody's portfolio
        _run("pg_dump", "--format=custom", f"--file={unfinished}")
        unfinished.rename(place)
    except OSError as error:
        raise BackupFailed(f"{unfinished} could not be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return place


def prune(folder: Path, *, keep: int) -> list[Path]:
    """Removes all dumps in the folder but the `keep` newest. Returns those that it removed."""
    dumps = sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))
    old = dumps[: max(0, len(dumps) - keep)]
    for path in old:
        path.unlink()
    return old


def restore(path: Path, database: str) -> None:
    """Makes the database, which must not exist yet, and fills it from the dump: all of it or none.

    On the server that the settings name, whose own database is left alone.
    """
    if not path.is_file():
        raise BackupFailed(f"There is no dump {path}.")
    if not 1 <= len(database.encode()) <= LONGEST_NAME:  # PostgreSQL would cut it
        raise BackupFailed(f"Give the new database a name of 1 to {LONGEST_NAME} characters.")
    try:
        _execute("CREATE DATABASE {} TEMPLATE template0", database)
    except ProgrammingError as refused:
        raise BackupFailed(f"{str(refused).strip()}.") from None
    try:
        _run(
            "pg_restore",
            *("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"),
            str(path),
            database=database,
        )
    except BackupFailed:
        drop(database)
        raise


def drop(database: str) -> None:
    """Drops a database that this module has made."""
    _execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


@contextmanager
def working_on(database: str) -> Iterator[None]:
    """Has this process work on another database of the same server."""
    ours = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = ours


def verify(database: str, **options: Any) -> None:
    """Brings a restored database to this version and puts it through what must hold: the ledger
    adds up, and every sleeping rule waits for what its trigger asks for.

    Watches that differ are put right. `options` go to the commands. Raises CommandError.
    """
    with working_on(database):
        call_command("migrate", verbosity=0, **options)
        call_command("verify_ledger", **options)
        call_command("rebuild_watches", **options)


def _run(name: str, *arguments: str, database: str | None = None) -> None:
    """Runs one of PostgreSQL's programs on our server, as the settings connect to it."""
    connection.ensure_connection()
    info = connection.connection.info
    # No more than was asked for: psycopg's library knows parameters that an older program refuses.
    asked = connection.get_connection_params()
    parameters = {name: value for name, value in info.get_parameters().items() if name in asked}
    parameters |= {"dbname": database} if database else {}
    try:
        done = subprocess.run(
            [_program(name), *arguments, f"--dbname={make_conninfo(**parameters)}"],
            env=os.environ | ({"PGPASSWORD": info.password} if info.password else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        connection.close()
    if done.returncode:
        words = done.stderr.strip().splitlines()[-LAST_WORDS:]
        raise BackupFailed("\n  ".join([f"{name} failed. Its last words:", *words]))


def _program(name: str) -> str:
    """The program's path: the embedded server's own, or what the system has."""
    if getattr(connection, "cluster", None):
        from tradingrules.embedded.binaries import program  # noqa: PLC0415 -- not in production

        return str(program(name))
    if path := shutil.which(name):
        return path
    raise BackupFailed(
        f"{name} is not on the PATH. It comes with PostgreSQL's client (Debian: apt install "
        "postgresql-client), which must be no older than the server."
    )


def _execute(statement: str, database: str) -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(database)))
