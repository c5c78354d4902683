"""A PostgreSQL server of one's own: its data in a folder, its socket in a private one.

    cluster = Cluster(Path(".data/postgres"), fsync=True)
    cluster.ensure_running()
    psycopg.connect(cluster.url("tradingrules"))

Several processes may ask at once, and any of them may have been killed half-way: a lock keeps them
apart, a new data directory appears whole or not at all, and only a connection proves that a server
lives. The server belongs to no terminal and stays until `stop`.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import psutil
import psycopg

from tradingrules.embedded import launch, processes, sockets
from tradingrules.embedded.accounts import Account, account_for, data_owner, make_directory
from tradingrules.embedded.binaries import MAJOR_VERSION, programs_for
from tradingrules.embedded.errors import EmbeddedPostgresError

DATABASE = "tradingrules"
SUPERUSER = "postgres"
MAINTENANCE_DATABASE = "postgres"
SHELTER = Path("/var/lib/tradingrules")  # for root's clones in folders that others cannot enter

START_SECONDS = 30
LOCK_SECONDS = 120
LEFTOVER_SECONDS = 5
SOCKETLESS_SECONDS = 3


@dataclass(frozen=True)
class Status:
    """What there is to know about a cluster at this moment."""

    running: bool
    pid: int | None
    data: Path
    log: Path
    url: str


class Cluster:
    """The server whose data lives in `directory`; without `fsync` it is fast and forgets at a
    power cut. Making the object starts nothing."""

    def __init__(self, directory: Path, fsync: bool) -> None:
        self.directory = Path(os.path.abspath(directory))  # noqa: PTH100 -- must not follow links
        self.fsync = fsync

    @property
    def data(self) -> Path:
        """Where the data really is: `directory` may be a link (see `_move_to_shelter`)."""
        return self.directory.resolve()

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def connection_parameters(self, database: str) -> dict[str, str | int]:
        """libpq's parameters for a database of this cluster, complete: no PG* variable gets a say.

        Raises EmbeddedPostgresError when the data or the socket's folder belongs to another user.
        """
        return {
            "dbname": database,
            "user": SUPERUSER,
            "host": str(self._sockets()),
            "hostaddr": "",
            "port": sockets.PORT,
            "sslmode": "disable",
            "gssencmode": "disable",
        }

    def url(self, database: str = DATABASE) -> str:
        """The address of a database of this cluster, in the form that DATABASE_URL takes."""
        host = quote(str(self.connection_parameters(database)["host"]), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={host}&port={sockets.PORT}"

    def status(self) -> Status:
        """Raises EmbeddedPostgresError when the data belongs to another user."""
        url, process = self.url(), processes.postmaster(self.data)
        running = self._refusal(MAINTENANCE_DATABASE) is None
        return Status(running, process.pid if process else None, self.data, self.log, url)

    def ensure_running(self) -> None:
        """Returns when the server answers and has the database `DATABASE`; makes what is missing.

        Raises EmbeddedPostgresError when that cannot be done, or not in START_SECONDS.
        """
        if self._refusal(DATABASE) is None:
            return
        with self._lock():
            if self._refusal(MAINTENANCE_DATABASE) is not None and not self._comes_to_answer():
                self._start()
            self._create_database()

    def stop(self, *, at_once: bool = False) -> bool:
        """Stops the server and waits for its end; `at_once` leaves recovery to the next start.

        Returns whether there was one. Raises EmbeddedPostgresError if it does not stop.
        """
        if not self.directory.parent.is_dir():
            return False
        with self._lock():
            found = processes.family(self.data)
            self._end(signal.SIGQUIT if at_once else signal.SIGINT)
            self._remove_sockets()
            return bool(found)

    def _refusal(self, database: str) -> str | None:
        """None when the database answers, else what the attempt to connect said."""
        try:
            psycopg.connect(connect_timeout=5, **self.connection_parameters(database)).close()  # type: ignore[arg-type]
        except psycopg.OperationalError as refused:
            return str(refused)
        return None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time. The lock stands beside the data, and dies with its holder."""
        account_for(self.data)  # another user's data is refused before anything is made
        make_directory(self.directory.parent)
        path = self.directory.with_name(f"{self.directory.name}.lock")
        # Opened for reading only: root and the clone's owner can then both lock the same file.
        # Python's descriptors are not inherited, so the server never holds it.
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as refused:
            raise EmbeddedPostgresError(
                f"Cannot open {path} ({refused.strerror}). "
                "Set EMBEDDED_POSTGRES_DIR to a folder that you can write to."
            ) from None
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                os.fchmod(descriptor, 0o644)
            _acquire(descriptor, path)
            yield
        finally:
            os.close(descriptor)

    def _comes_to_answer(self) -> bool:
        """Waits for a server that lives but does not answer: it may be starting or stopping.

        Returns whether one answers now; if not, none is in the way of a new one.
        """
        deadline = time.monotonic() + START_SECONDS
        socketless = 0.0
        while process := processes.postmaster(self.data):
            refusal = self._refusal(MAINTENANCE_DATABASE)
            if refusal is None:
                return True
            socketless = 0.0 if self._has_socket() else socketless + 0.1
            if socketless > SOCKETLESS_SECONDS:
                # Its folder was moved, or a cleaner took the socket: nobody can reach it any more.
                self._end(signal.SIGINT)
            elif time.monotonic() > deadline:
                self._fail(f"runs as process {process.pid} but does not answer: {refusal}", "")
            time.sleep(0.1)
        return False

    def _has_socket(self) -> bool:
        return sockets.socket_file(self._sockets()).exists()

    def _sockets(self) -> Path:
        return sockets.socket_directory(self.data, account_for(self.data))

    def _remove_sockets(self) -> None:
        shutil.rmtree(self._sockets(), ignore_errors=True)

    def _start(self) -> None:
        account = account_for(self.data)
        self._clear_unfinished()
        if data_owner(self.data) is None:
            self._initialise(account)
        self._check_version()
        self._clear_leftovers()
        server = launch.Server(
            programs=programs_for(account, SHELTER),
            account=account,
            data=self.data,
            sockets=sockets.make_socket_directory(self.data, account),
            log=self.log,
            fsync=self.fsync,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._comes_up(server.start(), deadline):
            said = server.said()
            # Children of a killed server may hold its shared memory a moment longer.
            if launch.MEMORY_IN_USE not in said or time.monotonic() > deadline:
                self._fail("did not start", said)
            time.sleep(0.5)

    def _comes_up(self, process: psutil.Process | None, deadline: float) -> bool:
        while self._refusal(MAINTENANCE_DATABASE) is not None:
            if process is None or not processes.is_alive(process) or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _initialise(self, account: Account) -> None:
        """Makes a new data directory beside its place and moves it there when it is whole."""
        make_directory(self.data.parent)
        if not account.can_enter(self.data.parent):
            self._move_to_shelter()
        new = self.data.with_name(f"{self.data.name}.new-{os.getpid()}")
        new.mkdir(mode=0o700)
        account.own(new)
        launch.initialise(new, programs_for(account, SHELTER), account, fsync=self.fsync)
        new.rename(self.data)

    def _move_to_shelter(self) -> None:
        """Lets `directory` point to a place that others than root can enter."""
        key = hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]
        place = SHELTER / key / "postgres"
        make_directory(place.parent)
        if self.directory.is_symlink():
            self.directory.unlink()
        elif self.directory.exists():
            self.directory.rmdir()  # it is empty, or there would be no need to initialise
        self.directory.symlink_to(place)

    def _clear_unfinished(self) -> None:
        """Removes what an initdb that was killed left."""
        for path in self.data.parent.iterdir() if self.data.parent.is_dir() else ():
            if path.name.startswith(f"{self.data.name}.new-"):
                shutil.rmtree(path, ignore_errors=True)

    def _check_version(self) -> None:
        try:
            version = (self.data / "PG_VERSION").read_text().strip()
        except OSError:
            raise EmbeddedPostgresError(
                f"{self.data} is not a PostgreSQL data directory, and not empty. "
                "Move it away, or set EMBEDDED_POSTGRES_DIR to another folder."
            ) from None
        if version != MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {version}, and this is {MAJOR_VERSION}. "
                "Move it away, or set EMBEDDED_POSTGRES_DIR to another folder."
            )

    def _clear_leftovers(self) -> None:
        """Clears what a killed server left: its children, which go by themselves unless they are in
        the middle of something, and its lock files, which may name a stranger by now, or a zombie.
        PostgreSQL trusts both."""
        if processes.wait_until_gone(processes.family(self.data), LEFTOVER_SECONDS):
            self._end(signal.SIGQUIT)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._remove_sockets()

    def _end(self, how: signal.Signals) -> None:
        family = processes.family(self.data)
        server = processes.postmaster(self.data)
        # The server ends its children; without one they are asked themselves.
        asked = [server] if server else family
        processes.end(asked, how)
        alive = processes.wait_until_gone(family, START_SECONDS)
        processes.end(alive, signal.SIGQUIT)
        if alive := processes.wait_until_gone(alive, LEFTOVER_SECONDS):
            pids = ", ".join(str(process.pid) for process in alive)
            self._fail(f"does not stop (processes {pids})", "")

    def _create_database(self) -> None:
        parameters = self.connection_parameters(MAINTENANCE_DATABASE)
        with psycopg.connect(autocommit=True, **parameters) as connection:  # type: ignore[arg-type]
            query = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _fail(self, what: str, said: str) -> NoReturn:
        last_words = "".join(f"\n  {line}" for line in said.splitlines()[-10:])
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL {what}. Its log: {self.log}{last_words}"
        )


def _acquire(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another process has held {path} for {LOCK_SECONDS} s."
                ) from None
            time.sleep(0.05)
