"""A command in a process group of its own, which ends with all that it has started."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")


class Group:
    """The process group of a command, on a leash: it does not outlive this process either."""

    def __init__(self, command: Sequence[str], *, grace_seconds: float) -> None:
        self._command = [sys.executable, "-I", str(LEASH), *command]
        self._grace_seconds = grace_seconds
        self._leash: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the command. Whatever ran before must have been ended."""
        # A session of its own: Ctrl-C in the terminal is for the watchdog, which ends the rest.
        self._leash = subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)

    def is_alive(self) -> bool:
        return self._leash is not None and self._leash.poll() is None

    def end(self) -> None:
        """Asks the command to end, and kills whatever is left of its group after the grace.

        That is safe at any moment: what an evaluator had begun is done whole or not at all.
        """
        if self._leash is None:
            return
        self._leash.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._leash.wait(self._grace_seconds)
        # The leash may be gone and others of its group alive. macOS refuses where all are zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leash.pid, signal.SIGKILL)
        self._leash.communicate()  # reaps it, and closes our end of its input
        self._leash = None
