"""Starts, stops and shows the embedded PostgreSQL."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from tradingrules.embedded.errors import EmbeddedPostgresError

NOT_RUNNING = 3  # the exit code that service managers use for it


class Command(BaseCommand):
    help = "The embedded PostgreSQL, used while DATABASE_URL is not set."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["start", "stop", "status", "url"])

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        self.cluster: Any = getattr(connection, "cluster", None)
        if self.cluster is None:
            raise CommandError("DATABASE_URL is set, so the embedded PostgreSQL is not used.")
        try:
            getattr(self, what)()
        except EmbeddedPostgresError as wrong:
            raise CommandError(str(wrong)) from None

    def start(self) -> None:
        self.cluster.ensure_running()
        self.stdout.write(f"PostgreSQL is running: {self.cluster.url()}")

    def stop(self) -> None:
        stopped = self.cluster.stop()
        self.stdout.write("PostgreSQL has stopped." if stopped else "PostgreSQL was not running.")

    def status(self) -> None:
        status = self.cluster.status()
        if not status.running:
            self.stdout.write(f"PostgreSQL is not running. Data: {status.data}")
            sys.exit(NOT_RUNNING)
        self.stdout.write(f"PostgreSQL is running as process {status.pid}.")
        self.stdout.write(f"Data: {status.data}\nLog:  {status.log}\nURL:  {status.url}")

    def url(self) -> None:
        self.stdout.write(self.cluster.url())
