"""A service manager's socket, at which a test hears what a process says of itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Listener:
    """What has been said at `address`."""

    def __init__(self, address: str, listening: socket.socket) -> None:
        self.address = address
        self._listening = listening

    def heard(self) -> list[str]:
        """The messages since the last look, in their order."""
        found = []
        while True:
            try:
                found.append(self._listening.recv(100).decode())
            except BlockingIOError:
                return found


@contextmanager
def service_manager(folder: Path) -> Iterator[Listener]:
    """Listens at a socket in the folder."""
    path = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield Listener(path, listening)
