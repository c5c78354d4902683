"""Records that a stock splits."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from fractions import Fraction
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from actions.splits import record_split
from market.hours import NEW_YORK
from market.services import SplitRefused

_is_ratio = re.compile(r"([1-9]\d{0,8}):([1-9]\d{0,8})", re.ASCII).fullmatch


def ratio(text: str) -> Fraction:
    """7:1 as 7 new shares for each old one."""
    found = _is_ratio(text)
    if found is None:
        raise ArgumentTypeError(f"“{text}” is no ratio. Write new shares : old shares, as 7:1.")
    return Fraction(int(found[1]), int(found[2]))


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no day. Write it as 2014-06-09.") from None


class Command(BaseCommand):
    help = (
        "Records that a stock splits: holdings, rules and prices follow when the day has begun "
        "in New York, at once where it has. The same split again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol", help="Such as AAPL.")
        parser.add_argument("factor", type=ratio, metavar="NEW:OLD", help="Such as 7:1, or 1:8.")
        parser.add_argument(
            "--on",
            type=day,
            metavar="DATE",
            help="The first day on which it trades split; today if left out.",
        )

    def handle(self, *, symbol: str, factor: Fraction, on: date | None, **options: Any) -> None:
        now = timezone.now()
        on = on or now.astimezone(NEW_YORK).date()
        try:
            recorded = record_split(
                symbol=symbol.strip().upper(),
                factor=factor,
                on=on,
                now=now,
                source="manage.py record_split",
            )
        except SplitRefused as refused:
            raise CommandError(str(refused)) from None
        split = f"{factor.numerator}-for-{factor.denominator} on {on}"
        self.stdout.write(f"{symbol.strip().upper()} {split}: {recorded}.")
