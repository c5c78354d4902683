"""Reads somebody's rules from a file."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from actions.bulk.imports import (
    ImportRefused,
    cancel_import,
    check_import,
    go_through,
    open_import,
    whole_report,
)
from actions.management.owner import owner
from actions.models import RuleImport

States = RuleImport.States


class Command(BaseCommand):
    help = (
        "Says line by line what a file of rules (CSV, JSON or JSON lines) would do; with --apply "
        "does it, all of it or nothing. The same file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="Its path, or - for the standard input.")
        parser.add_argument("--user", required=True, metavar="EMAIL", type=owner)
        parser.add_argument("--apply", action="store_true", help="Do it.")

    def handle(self, *, file: str, user: Any, apply: bool, **options: Any) -> None:
        now = timezone.now()
        try:
            held = open_import(user=user, content=_read(file), name=file, now=now, at_once=apply)
        except ImportRefused as refused:
            raise CommandError(str(refused)) from None
        step = go_through if apply else check_import
        held = step(import_id=held.pk, now=now)
        report = b"".join(whole_report(user=user, import_id=held.pk))
        self.stdout.write(report.decode(), ending="")
        if held.state == States.CHECKED:
            cancel_import(user=user, import_id=held.pk, now=now)
            self.stdout.write("Nothing was changed. Add --apply to do it.")
        elif held.state == States.DONE:
            self.stdout.write("Done.")
        else:
            raise CommandError(f"{held.get_state_display()}. {held.note}".strip())


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
