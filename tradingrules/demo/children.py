"""Processes that the demonstration starts, and ends: these and no others."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_PORT = 8000
PORTS_TRIED = 50


@dataclass(slots=True)
class Child:
    """A process in a group of its own, writing to its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def died(self) -> bool:
        return self.process.poll() is not None

    def last_words(self, lines: int = 8) -> str:
        text = self.log.read_text(errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:]) or "(it said nothing)"


def start(name: str, arguments: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Child:
    """Runs `manage.py` with these arguments. Its group is its own, so that Ctrl-C in the terminal
    reaches only the demonstration, which then ends its children in good order."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, sys.argv[0], *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **env},
        )
    return Child(name, process, log)


def stop(children: Sequence[Child], *, grace_seconds: float) -> None:
    """Asks the children to end, and ends whatever of their groups is left after the grace.

    That is safe at any moment: what an evaluator had begun is done whole or not at all.
    """
    for child in children:
        _signal(child, signal.SIGTERM)
    for child in children:
        try:
            child.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            grace_seconds = 0.1
    for child in children:
        _signal(child, signal.SIGKILL, whole_group=True)
        child.process.wait()


def free_port(first: int = FIRST_PORT) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, first + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"ports {first} to {first + PORTS_TRIED - 1} are all in use")


def _signal(child: Child, number: signal.Signals, *, whole_group: bool = False) -> None:
    try:
        if whole_group:
            os.killpg(child.process.pid, number)
        else:
            child.process.send_signal(number)
    except ProcessLookupError:
        pass  # it ended by itself
