"""A stream for the tests: a real WebSocket server on loopback that speaks as Twelve Data's does."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic, sleep
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.feed_server import KEY


@dataclass
class StreamServer:
    """Who is connected, what they said, and what they are to be told."""

    port: int = 0
    connections: list[ServerConnection] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    headers: list[dict[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)  # symbols that the plan does not carry
    moved_to: str = ""  # redirects whoever comes
    deaf: bool = False  # answers nothing, not even a heartbeat

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def says(self, *messages: object) -> None:
        """Text and bytes as they are, all else as JSON, to whoever is connected last."""
        for message in messages:
            raw = message if isinstance(message, str | bytes) else json.dumps(message)
            self.connections[-1].send(raw)

    def price(self, symbol: str, price: object, at: float, **more: object) -> None:
        self.says(price_of(symbol, price, at, **more))

    def wait_for(self, condition: Callable[["StreamServer"], object], seconds: float = 60) -> None:
        deadline = monotonic() + seconds
        while not condition(self):
            assert monotonic() < deadline, f"it did not come about: {self.heard[-3:]}"
            sleep(0.005)


def price_of(symbol: str, price: object, at: float, **more: object) -> dict[str, object]:
    """A price as Twelve Data writes it."""
    return {
        "event": "price",
        "symbol": symbol,
        "currency": "USD",
        "exchange": "NASDAQ",
        "type": "Common Stock",
        "timestamp": int(at),
        "price": price,
    } | more


@contextmanager
def stream_server() -> Iterator[StreamServer]:
    """A service on a port of its own; the key that it knows is KEY."""
    told = StreamServer()

    def check(connection: ServerConnection, request: Request) -> Response | None:
        told.headers.append(dict(request.headers.raw_items()))
        if told.moved_to:
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = told.moved_to
            return response
        if request.headers.get("X-TD-APIKEY") != KEY:
            return connection.respond(HTTPStatus.UNAUTHORIZED, f"apikey {KEY}x is incorrect\n")
        return None

    def talk(connection: ServerConnection) -> None:
        told.subscribed.clear()
        told.connections.append(connection)
        with suppress(ConnectionClosed):
            for message in connection:
                said = json.loads(message)
                told.heard.append(said)
                if not told.deaf:
                    connection.send(json.dumps(_answer(told, said)))

    with serve(talk, "127.0.0.1", 0, process_request=check, close_timeout=1) as server:
        told.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            for connection in told.connections:
                connection.close()
            thread.join()


def _answer(told: StreamServer, said: dict[str, Any]) -> dict[str, object]:
    action = said["action"]
    if action == "heartbeat":
        return {"event": "heartbeat", "status": "ok"}
    symbols = said["params"]["symbols"].split(",")
    if action == "unsubscribe":
        told.subscribed.difference_update(symbols)
        return {"event": "unsubscribe-status", "status": "ok"}
    carried = [symbol for symbol in symbols if symbol not in told.refuses]
    told.subscribed.update(carried)
    fails = [
        {"symbol": one, "message": "not in your plan"} for one in symbols if one not in carried
    ]
    return {
        "event": "subscribe-status",
        "status": "error" if fails else "ok",
        "success": [{"symbol": symbol, "exchange": "NASDAQ"} for symbol in carried],
        "fails": fails or None,
    }
