"""Holds a start back until the database is as this version needs it."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from tradingrules.migrated import unapplied

SECONDS_BETWEEN_LOOKS = 0.5


class Command(BaseCommand):
    help = (
        "Waits until the database answers and has all migrations of this version, and says what is "
        "missing if that does not come about: exit code 1. For what starts web, worker and "
        "evaluator, which change no table themselves."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=_seconds, default=60, help="How long (default: 60).")

    def handle(self, *, seconds: float, **options: Any) -> None:
        deadline = monotonic() + seconds
        said = ""
        while missing := _missing():
            if monotonic() >= deadline:
                raise CommandError(missing)
            if missing != said:
                self.stderr.write(f"Waiting: {missing}")
                said = missing
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds >= 0:  # nor NaN, which would never be over
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, such as 60.")
    return seconds


def _missing() -> str:
    """What the start waits for; nothing when all is there."""
    try:
        names = unapplied()
    except OperationalError as error:
        connection.close()
        return f"the database does not answer ({' '.join(str(error).split())})."
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"migrations have not been applied: {names[0]}{more}. Run manage.py migrate."
