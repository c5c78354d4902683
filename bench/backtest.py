"""Backtests beside vectorbt and backtesting.py: `python -m bench.backtest`, four minutes at most.

The peers are installed into `.cache/peers`, a virtual environment of their own, at the first run.
Bars are those of GOOG that ship with the project, tiled, one a day. Rounds take turns between the
programs, so that they share the machine's moods; told are the least and the median of the rounds,
and of a round the least of what a process has done five times. vectorbt with Numba, which has more
to compile with each process, and backtesting.py have one round.

Series are as `read_series` has read them, and the peers' arrays as pandas has. The peers find all
firings; ours are measured up to the first, all of them, and all of them made into objects.

A process of ours plays one rule. One of a peer plays all rules, one after the other, and what is
told of each is the time until it is ready, and the rule's first run: what rules share is compiled
with the first of them, the trailing stop.

Where firings differ: after a firing our stop starts anew from the price that fired it, as the
engine's does, and vectorbt's from the next bar's; backtesting.py does not look at the first bar.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bench.backtest_ours import KINDS, SETS, Ours, first_bars, tiled, write
from bench.backtest_peers import Peers, Told
from bench.backtest_tables import tables
from bench.machine import hardware
from bench.terminal import run_until_stopped, say

SIZES = (2_148, 100_000, 1_000_000)
REPEATS = 5  # in a process
SLOWEST_AT = 100_000  # bars, the most for backtesting.py, which takes as long for each
WAYS = {
    "first": "ours, first fire",
    "never": "ours, never fires",
    "all": "ours, all fires",
    "made": "ours, all fires made",
    "sweep": "sweep of ours",
}


def run(sizes: Sequence[int], rounds: int, *, alone: bool = False) -> dict[str, Any]:
    """The figures, as `--json` prints them; `alone`: without the peers."""
    began, machine = perf_counter(), hardware()
    peers = None if alone else Peers()
    longest = tiled(max(sizes))
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tradingrules-bench-") as folder:
        for size in sorted(sizes):
            series, bars = first_bars(longest, size), Path(folder) / f"{size}.csv"
            write(series, bars)
            least = size == min(sizes)
            bench = _Bench(Ours(series, bars, REPEATS), peers, bars, size, began, least=least)
            measured += bench.figures(rounds)
    return {
        "rounds": rounds,
        "machine": machine,
        "took_s": round(perf_counter() - began, 1),
        "measured": sorted(measured, key=lambda each: [*KINDS].index(each["kind"])),
    }


class _Bench:
    """All programs over the same bars. What takes long and tells no more over many bars is measured
    over the `least` alone."""

    def __init__(
        self, ours: Ours, peers: Peers | None, bars: Path, size: int, began: float, *, least: bool
    ) -> None:
        self._ours, self._peers, self._bars = ours, peers, bars
        self._size, self._began, self._least = size, began, least
        self._seconds: dict[str, dict[str, list[float]]] = {
            kind: defaultdict(list) for kind in KINDS
        }
        self._fires: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}

    def figures(self, rounds: int) -> list[dict[str, Any]]:
        for number in range(1, rounds + 1):
            self._say(f"ours, round {number} of {rounds}")
            self._measure_ours()
            if self._peers:
                self._say(f"vectorbt with Rust, round {number} of {rounds}")
                sets = SETS if self._least else 1
                told = self._peers.vectorbt(self._bars, "rust", repeats=REPEATS, sets=sets)
                self._note(told, "vectorbt rust")
        if self._peers:
            self._measure_the_slow(self._peers)
        return [self._figures_of(kind) for kind in KINDS]

    def _measure_ours(self) -> None:
        for kind in KINDS:
            seconds = self._seconds[kind]
            for way, work in self._ours.ways(kind).items():
                seconds[WAYS[way]].append(work())
            if self._least:
                seconds["process of ours, first fire"].append(self._ours.process(kind, 1))
            seconds["process of ours, all fires"].append(self._ours.process(kind, None))

    def _measure_the_slow(self, peers: Peers) -> None:
        self._say("vectorbt with Numba")
        self._note(peers.vectorbt(self._bars, "numba", repeats=REPEATS), "vectorbt numba")
        if self._size <= SLOWEST_AT:
            self._say("backtesting.py")
            self._note(peers.backtesting(self._bars), "backtesting.py")
        else:
            self._say(f"backtesting.py takes as long for each bar: none over {SLOWEST_AT:,}")
        if self._least:
            self._say("vectorbt with Numba, nothing compiled")
            for kind, seconds in self._processes(peers.vectorbt_uncompiled(self._bars)).items():
                name = "process of vectorbt numba, nothing compiled"
                self._seconds[kind][name].append(seconds)

    def _note(self, told: Told, name: str) -> None:
        for kind, seconds in self._processes(told).items():
            self._seconds[kind][name].append(min(told["rules"][kind]["seconds"]))
            self._seconds[kind][f"process of {name}"].append(seconds)
            self._fires[kind][name] = told["rules"][kind]["fires"]
        for kind, seconds in told.get("sweeps", {}).items():
            if kind in KINDS:
                self._seconds[kind][f"sweep of {name}"].append(min(seconds))
        self._note_numpy(told)

    def _note_numpy(self, told: Told) -> None:
        """Its comparison of prices with levels, which is measured in vectorbt's process."""
        seconds, alone = self._seconds["price_below"], "NumPy alone"
        if alone in told["rules"]:
            seconds[alone].append(min(told["rules"][alone]["seconds"]))
        if alone in told.get("sweeps", {}):
            seconds[f"sweep of {alone}"].append(min(told["sweeps"][alone]))

    def _processes(self, told: Told) -> dict[str, float]:
        """Of each rule the seconds from the start of the process to its result."""
        return {kind: told["ready"] + told["rules"][kind]["seconds"][0] for kind in KINDS}

    def _figures_of(self, kind: str) -> dict[str, Any]:
        seconds, fires = self._seconds[kind], self._ours.fires(kind)
        return {
            "kind": kind,
            "bars": self._size,
            "seconds": {
                name: [round(min(of), 7), round(median(of), 7)] for name, of in seconds.items()
            },
            "mbars_per_s": {
                name: round(self._size / min(of) / 1e6, 2)
                for name, of in seconds.items()
                if not name.startswith(("process", "sweep"))
            },
            "mbar_sets_per_s": {
                name: round(self._size * SETS / min(of) / 1e6, 1)
                for name, of in seconds.items()
                if name.startswith("sweep")
            },
            "fires": len(fires),
            "differing_bars": {
                name: len(set(of) ^ set(fires)) for name, of in self._fires[kind].items()
            },
        }

    def _say(self, what: str) -> None:
        say(f"{perf_counter() - self._began:4.0f} s  {self._size:,} bars: {what}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backtest", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bars")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1 or min(chosen.sizes) < 1:
        parser.error("each number must be above 0")
    figures = run(chosen.sizes, chosen.rounds, alone=chosen.alone)
    print(json.dumps(figures, indent=2) if chosen.json else tables(figures))


if __name__ == "__main__":
    run_until_stopped(main)
