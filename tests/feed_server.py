"""A market data service for the tests: a real HTTP server on loopback, told what to answer."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "k3y-that-nobody-must-see"

PATIENT_SECONDS = 15.0  # to wait for an answer that comes, on whatever machine
IMPATIENT_SECONDS = 0.3  # for one that does not

Answer = Callable[["Handler"], None]


@dataclass
class Asked:
    """One GET as it came in."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]

    @property
    def symbols(self) -> list[str]:
        return (self.params.get("symbol") or self.params["symbols"]).split(",")


@dataclass
class FeedServer:
    """What was asked, and what is answered to that: each answer once, the last one for ever."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, *answers: Answer) -> None:
        self.answers[:] = answers


class Handler(BaseHTTPRequestHandler):
    feed: FeedServer
    lock: threading.Lock

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self.lock:
            self.feed.asked.append(Asked(parts.path, params, dict(self.headers)))
            answers = self.feed.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def send(self, status: int, body: bytes, headers: dict[str, str], length: int = -1) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def says(body: object, status: int = 200, **headers: str) -> Answer:
    """JSON as it is; text and bytes as they are."""
    raw = body.encode() if isinstance(body, str) else body
    raw = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return lambda handler: handler.send(status, raw, headers)


def quotes(table: dict[str, Any], **headers: str) -> Answer:
    """What the service answers who knows these members: keyed by symbol only if several are asked.

    A member may be a dict, or text that is put into the answer as it is, such as NaN.
    """

    def answer(handler: Handler) -> None:
        symbols = handler.feed.asked[-1].symbols
        members = [(symbol, table[symbol]) for symbol in symbols if symbol in table]
        texts = [(name, one if isinstance(one, str) else json.dumps(one)) for name, one in members]
        if len(symbols) == 1 and texts:
            body = texts[0][1]
        else:
            keyed = ",".join(f"{json.dumps(name)}:{text}" for name, text in texts)
            body = "{" + keyed + "}"
        handler.send(200, body.encode(), headers)

    return answer


def quote(symbol: str, at: datetime, close: object, **more: object) -> dict[str, Any]:
    """A member of a batch of quotes, as Twelve Data writes it."""
    return {
        "symbol": symbol,
        "name": f"{symbol} Inc",
        "currency": "USD",
        "last_quote_at": int(at.timestamp()),
        "close": close,
        "volume": "1000",
        "previous_close": close,
    } | more


def cut_off(body: bytes) -> Answer:
    """Promises more than it sends, and hangs up."""
    return lambda handler: handler.send(200, body, {}, length=len(body) + 500)


def hangs_up(handler: Handler) -> None:
    """Not even a status."""
    handler.close_connection = True


def silence(handler: Handler) -> None:
    """Never answers."""
    handler.feed.closing.wait(20)
    handler.close_connection = True


def drips(handler: Handler) -> None:
    """A byte now and then, so that every single wait is short."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        while not handler.feed.closing.wait(0.1):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def drips_headers(handler: Handler) -> None:
    """A head that never ends, a line now and then."""
    handler.send_response(200)
    try:
        while not handler.feed.closing.wait(0.1):
            handler.send_header("X-More", "to come")
            handler.flush_headers()
    except OSError:
        handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some of the tests are about."""


@contextmanager
def nobody_listening() -> Iterator[str]:
    """A host and port where connections are refused: taken, so that nobody begins to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """A service on a port of its own."""
    feed = FeedServer()
    bound = type("Bound", (Handler,), {"feed": feed, "lock": threading.Lock()})
    server = _Server(("127.0.0.1", 0), bound)
    feed.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield feed
    finally:
        feed.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
