"""A command of `manage.py` in a process of its own, which asks the bench's feed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from bench.feed import PRICES
from tradingrules.environment import BASE_DIR
from tradingrules.watchdog.group import LEASH

GRACE_SECONDS = 10
LAST_WORDS = 10  # lines


class Failed(RuntimeError):
    """The command ended, or did not do its work in time: says what, and its last words."""


class Command:
    """A command that runs, and what it has said."""

    def __init__(self, name: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
        self._name = name
        self._log = log
        self._process = process

    @property
    def pid(self) -> int:
        """That of the leash, whose child the command is."""
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def check(self) -> None:
        """Raises Failed when it has ended."""
        if self.has_ended():
            raise self.failure("has ended by itself")

    def failure(self, what: str) -> Failed:
        words = self._log.read_text(errors="replace").strip().splitlines()[-LAST_WORDS:]
        return Failed("\n  ".join([f"manage.py {self._name} {what}. Its last words:", *words]))


@contextmanager
def running(
    name: str,
    *,
    prices: Path,
    interval: float,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Command]:
    """`manage.py NAME` with ticks `interval` seconds apart; ended with all that it has started.

    On the watchdog's leash, so that it does not outlive this process either.
    """
    log = prices.with_name(f"{name}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", LEASH, sys.executable, BASE_DIR / "manage.py", name],
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "bench.settings",
                "TICK_SECONDS_OPEN": str(interval),
                PRICES: str(prices),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Command(name, log, process)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    finally:
        # The leash may be gone and others of its group alive. macOS refuses where all are zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
