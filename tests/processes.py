"""Real processes that start within milliseconds: forked from one in which Django is set up.

    running = begin(url, evaluate, Shift(now=now, prices={"AAPL": "149"}))
    running.send(signal.SIGKILL)
    assert running.exit_code(seconds=10) == KILLED

`url` is the address of the database that it works on.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import psutil
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from tradingrules.addresses import database_from_url

KILLED = -signal.SIGKILL
DATABASE_GONE = 3  # the exit code of a process that has lost its database

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.prepared", "tests.evaluators"])


@dataclass(frozen=True)
class Running[T]:
    """A process that was begun."""

    process: ForkServerProcess
    answer: "Connection[object, T]"

    def has_ended(self) -> bool:
        return not self.process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Raises ProcessLookupError when it has ended: whoever forked it has reaped it then."""
        os.kill(self._pid, number)

    def process_status(self) -> str:
        """As psutil names it."""
        return str(psutil.Process(self._pid).status())

    @property
    def _pid(self) -> int:
        assert self.process.pid is not None, "it has been started"
        return self.process.pid

    def exit_code(self, *, seconds: float) -> int:
        """Waits for its end: KILLED, DATABASE_GONE, 0, or 1 for an error (which it has printed).

        Raises TimeoutError, and kills it, where it does not end.
        """
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"Process {self.process.pid} has not ended in {seconds} s.")
        return self.process.exitcode

    def result(self, *, seconds: float) -> T:
        """What its task returned. Raises EOFError where it came to another end."""
        if not self.answer.poll(seconds):
            self.process.kill()
            raise TimeoutError(f"Process {self.process.pid} has not answered in {seconds} s.")
        answer = self.answer.recv()
        assert self.exit_code(seconds=seconds) == 0
        return answer


def begin[**P, T](url: str, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Running[T]:
    """Starts a process that does the task, a module's function, on the database at `url`."""
    answer, sender = _context.Pipe(duplex=False)
    process = _context.Process(target=_work, args=(url, sender, task, args, kwargs), daemon=True)
    process.start()
    sender.close()  # ours: the process has its own, with whose end the answer ends
    return Running(process, answer)


def done_by_another[**P, T](url: str, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the task returns when a process of its own does it, within three minutes."""
    return begin(url, task, *args, **kwargs).result(seconds=180)


def _work(
    url: str,
    sender: "Connection[object, object]",
    task: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    settings.DEBUG = False  # in development Django keeps every statement that it sends
    connections["default"].settings_dict |= database_from_url(url)
    try:
        sender.send(task(*args, **kwargs))
    except (OperationalError, InterfaceError):
        sys.exit(DATABASE_GONE)
