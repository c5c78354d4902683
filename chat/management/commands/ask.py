"""Prints what is understood of a text, and creates nothing."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from chat.knowledge import knowledge_of
from chat.phrases import Understood, read
from market.directory import shipped
from market.hours import NEW_YORK, Exchange
from market.quotes import BadQuote, Sample

_EARLIEST, _LATEST = 1993, 2100  # years of the calendar of sessions


class Command(BaseCommand):
    help = (
        "Prints what is understood of a text about rules, and creates nothing. Without --user no "
        "database is needed: no portfolio, rules or prices are known then."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", help="What is asked; - reads a JSON string a line.")
        parser.add_argument(
            "--now", help="The instant it is asked at, such as 2026-03-04T15:00:00Z."
        )
        parser.add_argument("--user", help="Whose rules, holdings and time zone count.")
        parser.add_argument("--json", action="store_true", help="Print JSON, one object a line.")
        parser.add_argument(
            "--price",
            action="append",
            default=[],
            metavar="SYMBOL=PRICE",
            help="The last price of a symbol; may be given again. With it no others are known.",
        )

    def handle(self, *, text: str, **options: Any) -> None:
        known = self._known(options)
        if text == "-":
            for line in sys.stdin:
                if line.strip():
                    self._print(_line(line, known), as_json=True)
        else:
            self._print(_shown(read(text, **known)), as_json=options["json"])

    def _known(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the reader is given beside the text."""
        now = _instant(options["now"]) if options["now"] else timezone.now()
        known: dict[str, Any] = {
            "now": now,
            "zone": NEW_YORK,
            "calendar": Exchange(),
            "directory": shipped(),
            "prices": {},
        }
        if options["user"]:
            known |= knowledge_of(user=_user(options["user"]))
        if options["price"]:
            known["prices"] = dict(_price(given) for given in options["price"])
        return known

    def _print(self, answer: Mapping[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self.stdout.write(f"{answer['intent']}: {answer['text']}")
            for name in ("action", "args"):
                if answer[name]:
                    self.stdout.write(json.dumps(answer[name], ensure_ascii=False, indent=2))
        self.stdout.flush()


def _line(line: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is understood of one line; an error in the same form for one that is no JSON string."""
    try:
        text = json.loads(line)
    except ValueError:
        text = None
    if not isinstance(text, str):
        wrong = 'Each line must be a JSON string, such as "sell 10 AAPL if it drops below 150".'
        return {"intent": "ask", "action": None, "args": {}, "text": wrong, "error": wrong}
    return _shown(read(text, **known))


def _shown(understood: Understood) -> dict[str, Any]:
    return understood.as_json()


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("--now takes an instant such as 2026-03-04T15:00:00Z.") from None
    if instant.utcoffset() is None:
        raise CommandError("--now takes an instant with its zone, such as 2026-03-04T15:00:00Z.")
    if not _EARLIEST <= instant.year < _LATEST:
        raise CommandError(f"--now takes an instant from {_EARLIEST} to {_LATEST - 1}.")
    return instant


def _price(given: str) -> tuple[str, Decimal]:
    symbol, _, price = given.partition("=")
    try:
        sample = Sample(symbol.upper(), Decimal(price), timezone.now())
    except (ArithmeticError, BadQuote):
        raise CommandError("--price takes a symbol and its price, such as AAPL=180.") from None
    return sample.symbol, sample.price


def _user(name: str) -> User:
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise CommandError(f"There is no user “{name}”.") from None
