"""Restores a dump into a new database, and verifies what came of it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portfolios.services import pause_every_portfolio
from tradingrules.backup import BackupFailed, restore, verify, working_on


class Command(BaseCommand):
    help = (
        "Makes a new database from a dump, on the server that the settings name, migrates it to "
        "this version and verifies ledger and watches. The database in use is left alone; "
        "afterwards set DATABASE_URL to the new one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dump", type=Path)
        parser.add_argument("database", help="The name of the new database.")
        parser.add_argument(
            "--paused",
            action="store_true",
            help="Let no rule trade until support switches its portfolio on in the admin.",
        )

    def handle(self, *, dump: Path, database: str, paused: bool, **options: Any) -> None:
        try:
            restore(dump, database)
        except BackupFailed as failed:
            raise CommandError(str(failed)) from None
        verify(database, stdout=self.stdout)
        if paused:
            with working_on(database):
                self.stdout.write(f"{pause_every_portfolio()} portfolios paused.")
        self.stdout.write(f"{database} is ready. Set DATABASE_URL to it and start web and worker.")
