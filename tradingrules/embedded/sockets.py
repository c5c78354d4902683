"""The private folder in which the server listens.

It stands under the temporary folder because the path of a Unix socket is limited to about a hundred
bytes, and a clone's is not. There, anybody may have put something with its name first: it is used
only if it is a real folder, closed to others, and of the server's own account.
"""

import hashlib
import stat
import tempfile
from pathlib import Path

from tradingrules.embedded.accounts import Account
from tradingrules.embedded.errors import EmbeddedPostgresError

PORT = 5432  # names the socket's file; nothing listens on the network


def temporary_directory() -> Path:
    """The machine's temporary folder: /tmp where there is one, whatever TMPDIR says, since all
    processes must agree on it and macOS's TMPDIR is long."""
    common = Path("/tmp")  # noqa: S108 -- what is made in it is checked, see above
    return common if common.is_dir() else Path(tempfile.gettempdir())


def socket_directory(data: Path, account: Account) -> Path:
    """The folder of the socket for this data and account. Makes nothing.

    Raises EmbeddedPostgresError when something stands there that the account does not own alone.
    """
    key = hashlib.sha256(f"{account.uid}:{data}".encode()).hexdigest()[:16]
    directory = temporary_directory() / f"tradingrules-{account.uid}-{key}"
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return directory
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid
    if not mine or status.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"{directory} is not a private folder of the user that the database runs as: "
            "somebody else may have put it there. Look at it and remove it."
        )
    return directory


def make_socket_directory(data: Path, account: Account) -> Path:
    """Like `socket_directory`, and afterwards it exists."""
    directory = socket_directory(data, account)
    if not directory.exists():
        directory.mkdir(mode=0o700)
        account.own(directory)
    return socket_directory(data, account)


def socket_file(directory: Path) -> Path:
    return directory / f".s.PGSQL.{PORT}"
