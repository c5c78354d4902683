"""The command as Django knows it, for `help` and `call_command`; manage.py takes a shorter way."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from actions.backtest import command


class Command(BaseCommand):
    help = command.HELP
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        command.add_arguments(parser)

    def handle(self, *, bars: Path | None, rules: Path, sessions: str, **options: Any) -> None:
        code = command.run(bars, rules, sessions, self.stdout, self.stderr)
        if code:
            sys.exit(code)
