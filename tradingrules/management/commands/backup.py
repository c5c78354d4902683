"""Writes a dump of the database, and forgets the oldest ones."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tradingrules.backup import BackupFailed, dump, prune

KEEP = 14


class Command(BaseCommand):
    help = (
        "Writes a dump of the database into a folder (pg_dump's custom format), named after the "
        "instant, and removes the oldest dumps there. Others go on working meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--keep", type=int, default=KEEP, help=f"How many dumps stay (default: {KEEP})."
        )

        parser.add_argument(
            "--verify",
            action="store_true",
            help="Restore it for a test before older ones go, as verify_backup does.",
        )

    def handle(self, *, folder: Path, keep: int, verify: bool, **options: Any) -> None:
        if keep < 1:
            raise CommandError("--keep must be 1 or more: the dump that is written stays.")
        try:
            path = dump(folder, now=timezone.now())
        except BackupFailed as failed:
            raise CommandError(str(failed)) from None
        if verify:
            call_command("verify_backup", path, stdout=self.stdout)
        removed = prune(folder, keep=keep)
        self.stdout.write(f"{path}: {path.stat().st_size:,} bytes; {len(removed)} older removed.")
