"""The cluster, under a watchdog: what runs in production."""

import signal
import sys
import time
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.utils import timezone

from actions.service_manager import ServiceManager
from actions.troubles import look_for_trouble
from tradingrules.watchdog.group import Group
from tradingrules.watchdog.watch import Watchdog

SECONDS_BETWEEN_LOOKS = 1
SECONDS_BETWEEN_TROUBLES = 30
GRACE_SECONDS = 3


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM."""


class Command(BaseCommand):
    help = (
        "Runs a cluster (qcluster), which evaluates the rules and sends the e-mails, and restarts "
        "it when it dies or no longer works. Ends with everything that it started on Ctrl-C or "
        "SIGTERM."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"]
        group = Group(command, grace_seconds=GRACE_SECONDS)
        manager = ServiceManager()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            manager.ready()
            _watch(Watchdog(group, clock=timezone.now), manager)
        except ImproperlyConfigured as wrong:
            raise CommandError(str(wrong)) from None
        except Stopped:
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not cut this short
            manager.ending()
            group.end()


def _watch(watchdog: Watchdog, manager: ServiceManager) -> NoReturn:
    due = time.monotonic()
    while True:
        watchdog.look()
        manager.alive()
        if time.monotonic() >= due:
            _look_for_trouble()
            due = time.monotonic() + SECONDS_BETWEEN_TROUBLES
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _look_for_trouble() -> None:
    """Here and not in the cluster, which is what may have died."""
    try:
        look_for_trouble(now=timezone.now())
    except Error:  # the database is gone: the watchdog says so, and waits for it
        connection.close()


def _stop(*_: object) -> None:
    raise Stopped
