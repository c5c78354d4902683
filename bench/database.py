"""A PostgreSQL of the bench's own, with the application on it: made, migrated, and thrown away."""

import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
from django.core.management import call_command

from tradingrules.embedded.cluster import Cluster
from tradingrules.embedded.sockets import temporary_directory


@contextmanager
def throw_away_database(*, fsync: bool) -> Iterator[None]:
    """Sets Django up on a new, migrated database; afterwards nothing is left of it.

    The settings are production's: in development Django keeps every statement that it sends.
    Import what needs Django's models only inside.
    """
    # SIGINT too: a process that a script starts in the background is born ignoring it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    prefix = f"tradingrules-bench-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=temporary_directory()))
    folder.chmod(0o755)  # root's server runs as another user
    cluster = Cluster(folder / "postgres", fsync=fsync)
    try:
        cluster.ensure_running()
        os.environ |= {
            "ENV_FILE": os.devnull,
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "localhost",
            "DATABASE_URL": cluster.url(),
            "DJANGO_SETTINGS_MODULE": "tradingrules.settings",
        }
        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.stop(at_once=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def asked_in_process() -> Iterator[None]:
    """Has pages answered to who asks without a server: over plain HTTP, and with static files by
    their own names, which nobody has collected."""
    from django.test.utils import override_settings  # noqa: PLC0415 -- Django is set up by now

    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    with override_settings(SECURE_SSL_REDIRECT=False, STORAGES=storages):
        yield


def _end(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
