"""gunicorn on a port of this machine, with the application as in production."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 60
GRACE_SECONDS = 10


@contextmanager
def served(settings: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """Its address and its process id. `settings` is a module; ended with its workers."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed below
    # Its socket is made here: a port that is only found free may be another's when it begins.
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        port = ours.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "tradingrules.wsgi"),
                *(f"--bind=fd://{ours.fileno()}", *arguments),
            ],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": settings},
            pass_fds=[ours.fileno()],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://localhost:{port}"
    try:
        _wait_for(f"{url}/api/health", process)
        yield url, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url):  # noqa: S310 -- our own server
                return
        except URLError:
            time.sleep(0.1)
    raise RuntimeError("gunicorn has not begun to serve.")
