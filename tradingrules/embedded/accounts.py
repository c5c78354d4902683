"""The operating system account that the server runs as: PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tradingrules.embedded.errors import EmbeddedPostgresError

ROOT = 0
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """A user and group of the operating system."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> Self:
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def of(cls, entry: pwd.struct_passwd) -> Self:
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_current(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make the child run as this account."""
        if self.is_current:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, *command: str | Path) -> bool:
        """Whether the command succeeds as this account. Asking is surer than reading modes: there
        are access control lists, and every parent folder counts."""
        try:
            finished = subprocess.run(
                command,
                cwd="/",
                capture_output=True,
                check=False,
                timeout=30,
                **self.process_options,
            )
        except OSError:
            return False
        return finished.returncode == 0

    def can_enter(self, directory: Path) -> bool:
        return self.can_run("/bin/sh", "-c", 'cd "$1"', "sh", directory)

    def own(self, path: Path) -> None:
        """Hands the path to this account, which only root can do."""
        if os.geteuid() == ROOT:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """The account whose server keeps this data, or would.

    That is the current one, except for root: then it is the data's owner or, for data yet to be
    made, the owner of the folders around it (so that root and the clone's owner can take turns),
    else `nobody`. Raises EmbeddedPostgresError when another account's data is out of reach.
    """
    current, owner = Account.current(), data_owner(data)
    if current.uid != ROOT:
        if owner not in {None, current.uid}:
            raise EmbeddedPostgresError(
                f"{data} belongs to {_name(owner)}, not to you. Run this as root or as that user, "
                "or set EMBEDDED_POSTGRES_DIR to a folder of your own."
            )
        return current
    if owner == ROOT:
        raise EmbeddedPostgresError(
            f"{data} belongs to root, and PostgreSQL does not run as root. "
            f"Give it to another user: chown -R {UNPRIVILEGED} {data}"
        )
    if owner is None:
        return _owner_of_surroundings(data) or Account.of(pwd.getpwnam(UNPRIVILEGED))
    return _known(owner) or Account(owner, data.stat().st_gid)


def data_owner(data: Path) -> int | None:
    """The uid that owns this data directory, None when there is none yet (or an empty one)."""
    try:
        status = data.stat()
    except OSError:
        return None
    try:
        return status.st_uid if any(data.iterdir()) else None
    except PermissionError:
        return status.st_uid


def make_directory(path: Path) -> None:
    """Makes the directory and its missing parents, open to all whatever the umask says, each with
    the owner of the folder around it. Raises EmbeddedPostgresError if that is not allowed."""
    if os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises where one may not look
        return
    make_directory(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        return
    except OSError as refused:
        raise EmbeddedPostgresError(
            f"Cannot make {path} ({refused.strerror}). "
            "Set EMBEDDED_POSTGRES_DIR to a folder that you can write to."
        ) from None
    path.chmod(0o755)
    around = path.parent.stat()
    Account(around.st_uid, around.st_gid).own(path)


def _owner_of_surroundings(data: Path) -> Account | None:
    owners = (parent.stat().st_uid for parent in data.parents if parent.exists())
    return next((known for uid in owners if uid != ROOT and (known := _known(uid))), None)


def _known(uid: int) -> Account | None:
    """The account, None when the system has no entry for it (initdb then refuses to run)."""
    try:
        return Account.of(pwd.getpwuid(uid))
    except KeyError:
        return None


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or ROOT).pw_name
    except KeyError:
        return f"uid {uid}"
