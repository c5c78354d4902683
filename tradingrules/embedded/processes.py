"""Which processes of this machine are the server of a data directory.

A pid in a file proves nothing: the process may be dead, a zombie that nobody reaps, or an unrelated
one that was given the same number.
"""

import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil


def postmaster(data: Path) -> psutil.Process | None:
    """The live server that keeps this data directory, None when there is none."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    return process if _serves(process, data) else None


def family(data: Path) -> list[psutil.Process]:
    """Every live process of this data directory's server, also those that outlived the server."""
    return [process for process in psutil.process_iter() if _serves(process, data)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Waits until the processes have ended; returns those that have not in that time.

    A zombie has ended: in a container nobody may ever reap it, so psutil's own wait would not do.
    """
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if is_alive(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return alive


def end(processes: Iterable[psutil.Process], how: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(how)
        except psutil.NoSuchProcess:
            continue


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        if process.name() != "postgres" or not is_alive(process):
            return False
        return _directory(process) == str(data)
    except psutil.Error:
        return False


def _directory(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.AccessDenied:
        # Containers may forbid even root to look into another user's process. The command line is
        # public, though the server's children rewrite theirs.
        words = process.cmdline()
        return words[words.index("-D") + 1] if "-D" in words[:-1] else ""
