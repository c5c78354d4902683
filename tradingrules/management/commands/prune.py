"""Forgets what is old enough, at once and to the end."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from tradingrules.pruning import prune


class Command(BaseCommand):
    help = (
        "Forgets what nobody needs any longer: expired sessions and tokens, old notifications and "
        "conversations. The cluster does so every day; docs/operations.md has the table."
    )

    def handle(self, **options: Any) -> None:
        for kind, count in prune(now=timezone.now()).items():
            self.stdout.write(f"{count:>9,} {kind}")
