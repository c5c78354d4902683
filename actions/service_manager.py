"""Tells the service manager that started this process how it is, where there is one.

systemd's protocol: a datagram a message, to the socket that NOTIFY_SOCKET names (sd_notify(3)). A
unit with WatchdogSec= is restarted when no sign of life has come for so long. So `alive` is called
by the loop that does the work, never by a thread of its own, which would go on while that hangs.
"""

import os
import socket
from contextlib import suppress
from time import monotonic

_SECONDS_BETWEEN_SIGNS = 1.0


class ServiceManager:
    """Whoever listens at NOTIFY_SOCKET; nobody where it is not set."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of a name in Linux' abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._told_at = -_SECONDS_BETWEEN_SIGNS

    def ready(self) -> None:
        """The start is over."""
        self._tell("READY=1")

    def alive(self) -> None:
        """A sign of life. Call it as often as you like: one a second is sent."""
        if monotonic() - self._told_at >= _SECONDS_BETWEEN_SIGNS:
            self._told_at = monotonic()
            self._tell("WATCHDOG=1")

    def ending(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        # A manager that restarts, or does not keep up, is no reason to stop working.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)
