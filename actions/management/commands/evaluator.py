"""The evaluator as a process of its own."""

import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from actions.alarm import listening
from actions.evaluator import evaluator_lock, tick_for
from actions.service_manager import ServiceManager
from actions.tasks import call_for_delivery, call_for_help

# Where two are started, the second is at work half a second after the first has died. What it asks
# is whether a lock is free, some 0.1 ms of PostgreSQL.
SECONDS_BEFORE_ASKING_AGAIN = 0.5


class Command(BaseCommand):
    help = (
        "Evaluates the rules in this process, until it is stopped. It holds the same lock as the "
        "cluster's evaluator and waits while that has it. E-mails are sent by the cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        manager = ServiceManager()

        def stopping() -> bool:
            manager.alive()  # the loop asks before each tick, and while it waits for the next
            return stop.is_set()

        manager.ready()
        waiting = False
        while not stopping():
            try:
                waiting = self._evaluate(stopping, waiting)
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"The database is gone: {error}".strip())
                connection.close()
            stop.wait(SECONDS_BEFORE_ASKING_AGAIN)
        manager.ending()

    def _evaluate(self, stopping: Callable[[], bool], waiting: bool) -> bool:
        """Ticks if nobody else does. Returns whether we are waiting for somebody else to end."""
        with evaluator_lock() as held:
            if held:
                self.stdout.write("Evaluating. Ctrl-C ends it.")
                self._tick(stopping)
            elif not waiting:
                self.stdout.write("Another evaluator is at work; waiting to take over.")
        return not held

    def _tick(self, stopping: Callable[[], bool]) -> None:
        with listening(stopping=stopping) as alarm:
            tick_for(
                seconds=None,
                clock=timezone.now,
                sleep=alarm.wait,
                stopping=stopping,
                call_for_help=call_for_help,
                after_tick=call_for_delivery,
            )
