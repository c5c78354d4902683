"""Gives every test run its own throw-away PostgreSQL, whatever the developer's settings say.

Loaded by pytest before anything else (`-p tests.postgres`). The first test that needs the database
starts the server; the process that began the run stops it and removes its folder, and first clears
away what runs that were killed have left.
"""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tradingrules.embedded.cluster import Cluster
from tradingrules.embedded.errors import EmbeddedPostgresError
from tradingrules.embedded.sockets import temporary_directory

PREFIX = "tradingrules-test-"
GRACE_SECONDS = 60  # in which a folder may be too new to have an owner


def run_cluster() -> Cluster:
    """The cluster of this run."""
    return Cluster(Path(os.environ["EMBEDDED_POSTGRES_DIR"]), fsync=False)


def _begin() -> None:
    """Settles the environment before Django's settings are read. Starts nothing."""
    os.environ["DEBUG"] = "true"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradingrules.settings"
    # An empty variable would not do: it falls back to the developer's .env, in children as well.
    os.environ.pop("DATABASE_URL", None)
    os.environ["ENV_FILE"] = os.devnull
    # A test's own transaction is silent for as long as the test works elsewhere.
    os.environ["IDLE_TRANSACTION_SECONDS"] = "900"
    if not _is_worker():
        _sweep()
        os.environ["EMBEDDED_POSTGRES_DIR"] = str(_new_folder() / "postgres")
        os.environ["EMBEDDED_POSTGRES_FSYNC"] = "false"


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _new_folder() -> Path:
    """A folder that is ours as long as this process lives: it holds the lock on `owner`."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary_directory()))
    folder.chmod(0o755)  # root's server runs as another user
    unlocked = folder / "owner.unlocked"
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unlocked.rename(folder / "owner")
    return folder


def _sweep() -> None:
    for folder in temporary_directory().glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid == os.geteuid() and _is_abandoned(folder):
                _remove(folder)
        except (OSError, EmbeddedPostgresError):
            continue  # another run sweeps too


def _is_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "owner", os.O_RDWR)
    except FileNotFoundError:
        return time.time() - folder.lstat().st_mtime > GRACE_SECONDS
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _remove(folder: Path) -> None:
    Cluster(folder / "postgres", fsync=False).stop(at_once=True)
    shutil.rmtree(folder, ignore_errors=True)


_begin()


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Points commands that tests start to the throw-away server too: they do read .env."""
    from django.conf import settings  # noqa: PLC0415 -- after _begin

    assert settings.DATABASES["default"]["ENGINE"] == "tradingrules.embedded"
    os.environ["DATABASE_URL"] = run_cluster().url()


def pytest_unconfigure() -> None:
    if not _is_worker():
        _remove(run_cluster().directory.parent)
