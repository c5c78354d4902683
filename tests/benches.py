"""Runs a bench on a copy of a database that was migrated before: of a small one that takes longest.

python -m tests.benches FOLDER bench.fires --rules=80
"""

import os
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path
from unittest.mock import patch

from tests.postgres import run_cluster
from tradingrules.embedded.cluster import Cluster

ROOT = Path(__file__).parents[1]


@cache
def prepared() -> Path:
    """The data of a server that has the tables and does not run; gone with this run of tests."""
    folder = run_cluster().directory.parent / f"bench-{os.getpid()}"
    folder.mkdir(mode=0o755)
    cluster = Cluster(folder / "postgres", fsync=False)
    cluster.ensure_running()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": cluster.url()},
        check=True,
    )
    cluster.stop()
    return cluster.data


def main() -> None:
    data, module, *arguments = sys.argv[1:]
    start = Cluster.ensure_running

    def on_a_copy(cluster: Cluster) -> None:
        if not cluster.data.exists():
            subprocess.run(["cp", "-a", data, cluster.data], check=True)  # noqa: S607 -- wherever
        start(cluster)

    sys.argv = [module, *arguments]
    with patch.object(Cluster, "ensure_running", on_a_copy):
        runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
