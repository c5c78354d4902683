"""Derives the watches of all sleeping rules anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from actions.rebuild import rebuild_watches


class Command(BaseCommand):
    help = "Derives the watches of all sleeping rules anew, and says how many were not as derived."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; exit with 1 if any differs."
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        rebuilt = rebuild_watches(now=timezone.now(), write=not check)
        words = f"{rebuilt.rules} sleeping rules, {rebuilt.differing} watches differed"
        if check and rebuilt.differing:
            raise CommandError(f"{words}. Run without --check to put them right.")
        self.stdout.write(f"{words}.")
