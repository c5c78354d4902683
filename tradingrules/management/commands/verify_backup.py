"""Proves that a dump can be restored."""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradingrules.backup import BackupFailed, drop, restore, verify


class Command(BaseCommand):
    help = (
        "Restores a dump into a database of its own, migrates it, verifies ledger and watches "
        "there, and drops it again. Exit code 1 where anything does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dump", type=Path)

    def handle(self, *, dump: Path, **options: Any) -> None:
        scratch = f"verify_{secrets.token_hex(6)}"
        try:
            restore(dump, scratch)
            verify(scratch, stdout=self.stdout)
        except BackupFailed as failed:
            raise CommandError(str(failed)) from None
        finally:
            drop(scratch)
        self.stdout.write(f"{dump.name} can be restored.")
