"""The stream of the live feed, as a process of its own."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from actions.alarm import take_in_and_call
from actions.engine import followed
from actions.service_manager import ServiceManager
from market.feed import stream
from market.locks import session_lock
from market.providers.twelvedata_stream import TwelveDataStream
from market.services import ProviderError, calendar
from market.streaming import World, keep_streaming

SECONDS_BEFORE_ASKING_AGAIN = 2

# The name of the advisory lock: any number, always the same.
_LOCK = 2_640_771_935_882_417


class Command(BaseCommand):
    help = (
        "Has the live feed tell prices by itself, over a WebSocket (MARKET_PROVIDER=twelvedata), "
        "until it is stopped. Optional: without it, and for what it does not carry, prices are "
        "asked for. One process streams; others wait to take over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            feed = stream()
        except ProviderError as none:
            raise CommandError(str(none)) from None
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        manager = ServiceManager()
        manager.ready()
        waiting = False
        while not stop.is_set():
            try:
                waiting = self._stream(feed, stop, waiting)
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"The database is gone: {error}".strip())
                connection.close()
            stop.wait(SECONDS_BEFORE_ASKING_AGAIN)
        manager.ending()

    def _stream(self, feed: TwelveDataStream, stop: threading.Event, waiting: bool) -> bool:
        """Streams if nobody else does. Returns whether we are waiting for somebody else to end."""
        world = World(
            watchlist=lambda now: followed(now=now),
            take_in=take_in_and_call,
            clock=timezone.now,
            rest=stop.wait,
            stopping=stop.is_set,
        )
        with session_lock(_LOCK) as held:
            if held:
                self.stdout.write("Streaming. Ctrl-C ends it.")
                keep_streaming(feed, world, calendar())
            elif not waiting:
                self.stdout.write("Another process streams; waiting to take over.")
        return not held
