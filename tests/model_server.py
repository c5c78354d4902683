"""A language model for the tests: a real HTTP server on loopback that says what it is told to."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from tests.feed_server import Answer, Handler, says

KEY = "k3y-of-the-model"


@dataclass
class ModelServer:
    """What was asked, and what is answered to that: each answer once, the last one for ever."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def says(self, *answers: Answer) -> None:
        self.answers[:] = answers

    def heard(self, role: str) -> list[str]:
        """The messages of this role in what was asked last."""
        return [each["content"] for each in self.asked[-1]["messages"] if each["role"] == role]


class _Handler(Handler):
    feed: Any

    def do_POST(self) -> None:  # noqa: N802 -- as the library names it
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            self.feed.asked.append(body)
            self.feed.headers.append({name.lower(): self.headers[name] for name in self.headers})
            answers = self.feed.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some of the tests are about."""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    model = ModelServer()
    bound = type("Bound", (_Handler,), {"feed": model, "lock": threading.Lock()})
    server = _Server(("127.0.0.1", 0), bound)
    model.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield model
    finally:
        model.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def words(text: str | None, *, finish: str = "stop", **message: Any) -> Answer:
    """An answer without a call."""
    return _completion({"role": "assistant", "content": text, **message}, finish)


def calls(*called: tuple[str, Any]) -> Answer:
    """Calls of tools: their names with their arguments, which may be text as it is."""
    tool_calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for number, (name, given) in enumerate(called)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": tool_calls}
    return _completion(message, "tool_calls")


def fault(status: int, **headers: str) -> Answer:
    return says({"error": {"message": "a fault", "type": "fault"}}, status, **headers)


def _completion(message: dict[str, Any], finish: str) -> Answer:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return says(body, Content_Type="application/json")
