"""Runs PostgreSQL's programs: initdb, and the server itself, cut loose from whoever starts it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from tradingrules.embedded.accounts import Account
from tradingrules.embedded.errors import EmbeddedPostgresError

# Nothing of the caller's environment (PG* variables, locale, time zone) reaches the server.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
MEMORY_IN_USE = "pre-existing shared memory block"

# The shell ends at once, so the server is nobody's child: no zombie, and no warning about a child
# still running, in the process that happened to start it.
_DETACH = """
umask 077; log="$1"; shift
echo "--- start ---" >>"$log"
"$@" </dev/null >>"$log" 2>&1 &
echo $!
"""


@dataclass(frozen=True)
class Server:
    """A server that can be started: whose, with which programs, where."""

    programs: Path
    account: Account
    data: Path
    sockets: Path
    log: Path
    fsync: bool

    def start(self) -> psutil.Process | None:
        """Starts the server and returns its process, None when it has ended already."""
        shell = subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", self.log, *self._command()],
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            start_new_session=True,  # Ctrl-C in the terminal is not for the server
            **self.account.process_options,
        )
        try:
            return psutil.Process(int(shell.stdout))
        except psutil.NoSuchProcess:
            return None

    def said(self) -> str:
        """What the server wrote to its log since it was last started."""
        try:
            return self.log.read_text(errors="replace").rpartition("--- start ---\n")[2]
        except OSError as unreadable:
            return str(unreadable)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "200",
            "shared_buffers": "256MB",
            "logging_collector": "off",
            "log_checkpoints": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
        }
        if not self.fsync:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *flags]


def initialise(data: Path, programs: Path, account: Account, *, fsync: bool) -> None:
    """Fills the empty directory `data`. Raises EmbeddedPostgresError with initdb's own words.

    The locale is PostgreSQL's own C.UTF-8: the same everywhere, whatever the system has installed.
    Whoever reaches the socket may connect: only the account (and root) can enter its folder.
    """
    finished = subprocess.run(
        [
            programs / "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if fsync else ["--no-sync"]),
        ],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        umask=0o077,
        start_new_session=True,
        **account.process_options,
    )
    if finished.returncode:
        words = finished.stderr.strip().splitlines()[-10:]
        raise EmbeddedPostgresError("\n  ".join(["initdb failed:", *words]))
