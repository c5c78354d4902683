"""The evaluator as a process of its own."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from actions.alarm import listening
from actions.evaluator import evaluator_lock, tick_for
from actions.tasks import call_for_delivery, call_for_help

SECONDS_BEFORE_ASKING_AGAIN = 2


class Command(BaseCommand):
    help = (
        "Evaluates the rules in this process, until it is stopped. It holds the same lock as the "
        "cluster's evaluator and waits while that has it. E-mails are sent by the cluster."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        waiting = False
        while not stop.is_set():
            try:
                waiting = self._evaluate(stop, waiting)
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"The database is gone: {error}".strip())
                connection.close()
            stop.wait(SECONDS_BEFORE_ASKING_AGAIN)

    def _evaluate(self, stop: threading.Event, waiting: bool) -> bool:
        """Ticks if nobody else does. Returns whether we are waiting for somebody else to end."""
        with evaluator_lock() as held:
            if held:
                self.stdout.write("Evaluating. Ctrl-C ends it.")
                self._tick(stop)
            elif not waiting:
                self.stdout.write("Another evaluator is at work; waiting to take over.")
        return not held

    def _tick(self, stop: threading.Event) -> None:
        with listening(stopping=stop.is_set) as alarm:
            tick_for(
                seconds=None,
                clock=timezone.now,
                sleep=alarm.wait,
                stopping=stop.is_set,
                call_for_help=call_for_help,
                after_tick=call_for_delivery,
            )
