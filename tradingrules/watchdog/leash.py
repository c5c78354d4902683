"""Runs a command, and kills its whole process group when the command or the input ends.

    python leash.py COMMAND ...

The watchdog holds the other end of the standard input, and never writes to it. Whatever ends the
watchdog, SIGKILL included, closes that end, so the group never outlives it. PR_SET_PDEATHSIG would
not do: it exists on Linux only, and reaches one process, not what that process has forked.
Run by its path, without Django: it costs a bare interpreter.
"""

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> None:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    # To the child alone: it asks its own children, and SIGTERM would end those in mid-job.
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=_kill_the_group_when_the_input_ends, daemon=True).start()
    child.wait()
    _kill_the_group()


def _kill_the_group_when_the_input_ends() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    _kill_the_group()


def _kill_the_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)  # ourselves included


if __name__ == "__main__":
    main(sys.argv[1:])
