"""Writes somebody's rules to a file."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from actions.bulk.writing import MEDIA_TYPES, written
from actions.management.owner import owner
from actions.models import Action


class Command(BaseCommand):
    help = "Writes all rules of a user to the standard output, oldest first, for import_rules."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, metavar="EMAIL", type=owner)
        parser.add_argument("--format", choices=sorted(MEDIA_TYPES), default="csv")

    def handle(self, *, user: Any, format: str, **options: Any) -> None:
        rules = Action.objects.filter(user=user)
        for piece in written(rules, form=format, zone=user.zone):
            self.stdout.write(piece.decode(), ending="")
