"""A stream that the bench moves: a WebSocket server on loopback that speaks as Twelve Data does."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

_nowhere = logging.Logger("websockets")
_nowhere.disabled = True


class Stream:
    """Who is connected last, and the symbols that it has subscribed to."""

    def __init__(self) -> None:
        self.url = ""
        self.symbols: frozenset[str] = frozenset()
        self._connection: ServerConnection | None = None

    def talk(self, connection: ServerConnection) -> None:
        """Takes subscriptions, and answers nothing but heartbeats, until the client hangs up."""
        self._connection = connection
        with suppress(ConnectionClosed):
            for message in connection:
                said: dict[str, Any] = json.loads(message)
                if said["action"] == "subscribe":
                    self.symbols |= frozenset(said["params"]["symbols"].split(","))
                elif said["action"] == "heartbeat":
                    connection.send('{"event": "heartbeat", "status": "ok"}')

    def tell(self, symbol: str, price: Decimal) -> datetime:
        """Tells a price. Returns the instant just before."""
        assert self._connection is not None, "somebody has subscribed"
        now = datetime.now(UTC)
        event = {
            "event": "price",
            "symbol": symbol,
            "timestamp": int(now.timestamp()),
            "price": str(price),
        }
        self._connection.send(json.dumps(event))
        return now


@contextmanager
def stream() -> Iterator[Stream]:
    """A server on a port of its own."""
    told = Stream()
    with serve(told.talk, "127.0.0.1", 0, close_timeout=1, logger=_nowhere) as server:
        told.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
