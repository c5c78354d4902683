from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from market.services import ProviderError, UnknownSymbol, learn


class Command(BaseCommand):
    help = "Adds symbols that the live feed knows and the directory does not list."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="+", help="As the feed writes them, such as BRK.B.")

    def handle(self, *, symbols: list[str], **options: Any) -> None:
        for symbol in symbols:
            try:
                instrument = learn(symbol=symbol, now=timezone.now())
            except (ProviderError, UnknownSymbol) as refused:
                raise CommandError(str(refused)) from None
            self.stdout.write(f"{instrument.symbol}: {instrument.name or 'without a name'}")
