from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from market.services import ReplayRefused, replay, restart_replay


class Command(BaseCommand):
    help = "Starts the replay of recorded sessions anew, for every process, from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="first_session",
            type=_day,
            required=True,
            help="The first session to play, such as 2008-09-02.",
        )
        parser.add_argument(
            "--session-seconds",
            type=_seconds,
            required=True,
            help="How long each session takes to play, such as 2.",
        )

    def handle(self, *, first_session: date, session_seconds: Decimal, **options: Any) -> None:
        try:
            restart_replay(
                now=timezone.now(), first_session=first_session, session_seconds=session_seconds
            )
        except ReplayRefused as refused:
            raise CommandError(str(refused)) from None
        sessions = replay().sessions
        duration = timedelta(seconds=round(len(sessions) * float(session_seconds)))
        self.stdout.write(
            f"Replaying {sessions[0]} to {sessions[-1]}: {len(sessions):,} sessions of "
            f"{session_seconds:f} s each, over in {duration}."
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day. Write it as 2008-09-02.") from None


def _seconds(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, such as 2.") from None
