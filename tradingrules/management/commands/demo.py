"""`make demo`: watch rules fire on the real prices of autumn 2008."""

import os
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from actions.models import ActionExecution
from actions.selectors import executions_of
from tradingrules.demo import children
from tradingrules.demo.seed import seed

SECONDS_TO_WAIT = 60
LAST_PORT = 65_535
GRACE_SECONDS = 6  # the worker gives its cluster 3
LOGS = Path(settings.BASE_DIR) / ".data" / "demo"


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM."""


class Command(BaseCommand):
    help = (
        "Plays the real prices of autumn 2008 to a portfolio with a handful of rules, and prints "
        "what they do. Ctrl-C ends it, with everything that it started."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--until-executions",
            type=_from_one,
            metavar="N",
            help=f"End after N executions; fail if one does not come within {SECONDS_TO_WAIT} s.",
        )
        parser.add_argument(
            "--port",
            type=_port,
            help="The port of the pages (default: the first free one from 8000).",
        )

    def handle(self, *, until_executions: int | None, port: int | None, **options: Any) -> None:
        self._check()
        started: list[children.Child] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            self.stdout.write("Preparing the database ...")
            call_command("migrate", verbosity=0)
            began = timezone.now()
            user, password = seed(password=os.environ.get("DEMO_PASSWORD"), now=began)
            port = port or children.free_port()
            self._start(started, port)
            self._welcome(port, password)
            self._watch(user, began, started, until_executions)
        except Stopped:
            self.stdout.write("")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not orphan anyone
            children.stop(started, grace_seconds=GRACE_SECONDS)
            self.stdout.write("Ended.")

    def _check(self) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demonstration makes a user with a printed password, so it runs in development "
                "only. Set DEBUG=true."
            )
        if settings.MARKET_PROVIDER != "replay":
            raise CommandError(
                f"MARKET_PROVIDER={settings.MARKET_PROVIDER!r}: the demonstration replays recorded "
                "prices. Unset it, or set it to replay."
            )

    def _start(self, started: list[children.Child], port: int) -> None:
        env = {"TICK_SECONDS_OPEN": "1", "PYTHONUNBUFFERED": "1"}
        for name, arguments in (
            ("web", ["runserver", "--noreload", f"127.0.0.1:{port}"]),
            ("worker", ["worker"]),
        ):
            started.append(children.start(name, arguments, log=LOGS / f"{name}.log", env=env))

    def _welcome(self, port: int, password: str) -> None:
        self.stdout.write(
            f"\n  Open http://127.0.0.1:{port}/ and sign in as demo, password {password}\n"
            "  What the rules do is printed here as it happens. Ctrl-C ends the demonstration.\n\n"
        )
        self.stdout.flush()

    def _watch(
        self,
        user: User,
        began: datetime,
        started: list[children.Child],
        wanted: int | None,
    ) -> None:
        count = 0
        last = monotonic()
        for news in self._news(user, began, started):
            for execution in news:
                count += 1
                last = monotonic()
                self.stdout.write(_line(execution, user))
                self.stdout.flush()
                if count == wanted:
                    self.stdout.write(f"{count} executions, as asked.")
                    return
            if wanted is not None and monotonic() - last > SECONDS_TO_WAIT:
                raise CommandError(
                    f"No execution came within {SECONDS_TO_WAIT} s (there were {count}). "
                    f"The logs are in {LOGS}."
                )

    def _news(
        self, user: User, began: datetime, started: list[children.Child]
    ) -> Iterator[list[ActionExecution]]:
        """Twice a second, the executions that were not there before, oldest first."""
        seen: set[object] = set()
        while True:
            for child in started:
                if child.died():
                    raise CommandError(
                        f"The {child.name} process has ended by itself. Its last words "
                        f"({child.log}):\n{child.last_words()}"
                    )
            latest = executions_of(user=user).filter(triggered_at__gte=began)
            news = [one for one in latest.order_by("triggered_at") if one.pk not in seen]
            seen.update(one.pk for one in news)
            yield news
            time.sleep(0.5)


def _from_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1.")
    return int(text)


def _port(text: str) -> int:
    port = _from_one(text)
    if port > LAST_PORT:
        raise ArgumentTypeError(f"{text!r} is not a port, from 1 to {LAST_PORT}.")
    return port


def _stop(*_: object) -> None:
    raise Stopped


def _line(execution: ActionExecution, user: User) -> str:
    """One execution in plain words, with the session whose prices are played."""
    details = execution.details
    quote = details["quotes"].get(execution.action.symbol, {})
    local = execution.triggered_at.astimezone(user.zone)
    summary = " ".join(details["summary"].splitlines())
    return f"{local:%H:%M:%S}  [{quote.get('note', '')}]  {summary}  ({details['rule']})"
