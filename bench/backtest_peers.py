"""The peers of `bench.backtest`, in processes of a virtual environment of their own."""

import json
import os
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from bench.backtest_ours import ROOT
from bench.terminal import say

PEERS = ROOT / ".cache" / "peers"
WANTED = ("vectorbt[rust]==1.2.*", "backtesting==0.6.6")
SCRIPTS = Path(__file__).parent / "peers"

type Told = dict[str, Any]  # as the scripts print it


class Peers:
    """Their Python; installed at the first time."""

    def __init__(self) -> None:
        self._python = PEERS / "bin" / "python"
        if (PEERS / "installed").exists():
            return
        say("Installing vectorbt and backtesting.py into .cache/peers (a minute) ...")
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([self._python, "-m", "pip", "install", "--quiet", *WANTED], check=True)
        (PEERS / "installed").write_text("\n".join(WANTED))

    def vectorbt(self, bars: Path, engine: str, *, repeats: int, sets: int = 1) -> Told:
        """All rules one after the other, each `repeats` times, and sweeps of `sets` settings."""
        return self._told("with_vectorbt", bars, engine, str(repeats), str(sets))

    def vectorbt_uncompiled(self, bars: Path) -> Told:
        """The same with Numba where it has compiled nothing yet."""
        with tempfile.TemporaryDirectory(prefix="tradingrules-bench-") as empty:
            return self._told("with_vectorbt", bars, "numba", "1", "1", NUMBA_CACHE_DIR=empty)

    def backtesting(self, bars: Path) -> Told:
        return self._told("with_backtesting", bars)

    def _told(self, script: str, bars: Path, *options: str, **more: str) -> Told:
        done = subprocess.run(
            [self._python, SCRIPTS / f"{script}.py", str(time.time()), bars, *options],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{script} failed: {done.stderr.strip()[-2000:]}")
        told: Told = json.loads(done.stdout.splitlines()[-1])
        return told
