from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.bars import SHIPPED_NAMES, BadBars, read_bars
from market.services import import_bars


class Command(BaseCommand):
    help = "Replaces the recorded sessions of the symbols in a CSV file of daily bars."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="symbol,timestamp,open,high,low,close,volume")

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            bars = read_bars(file)
        except BadBars as wrong:
            raise CommandError(str(wrong)) from None
        count = import_bars(bars=bars, names=SHIPPED_NAMES)
        self.stdout.write(f"Imported {count:,} sessions of {', '.join(sorted(bars))}.")
