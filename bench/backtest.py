"""Backtests beside vectorbt and backtesting.py: `python -m bench.backtest --json`.

The peers are installed into `.cache/peers`, a virtual environment of their own, at the first run.
Bars are those of GOOG that ship with the project, tiled, one a day. In each round every program
runs once, so that they share the machine's moods; told are the least and the median.

Series are as `read_series` has read them, and the peers' arrays as pandas has. The peers find all
firings; ours are measured up to the first, all of them, and all of them made into objects. Each
program works three times in a process (backtesting.py once), of which the least counts.

Where firings differ: after a firing our stop starts anew from the price that fired it, as the
engine's does, and vectorbt's from the next bar's; backtesting.py does not look at the first bar.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from actions.backtest.calendar import ClosesIncluded
from actions.backtest.reading import read_series
from actions.backtest.run import backtest
from actions.backtest.series import Series, in_words, instant, micros
from actions.backtest.sweep import sweep
from actions.effects.notify import Notify
from actions.registry import parse_trigger
from actions.rules import Rule
from bench.machine import hardware
from bench.terminal import run_until_stopped, say
from market.hours import AlwaysOpen

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
PEERS = ROOT / ".cache" / "peers"
WANTED = ("vectorbt[rust]==1.2.*", "backtesting==0.6.6")
SCRIPTS = Path(__file__).parent / "peers"
SYMBOL = "GOOG"
KINDS: Mapping[str, Mapping[str, Any]] = {
    "trailing_stop": {"percent": "5"},
    "price_below": {"threshold": "120"},
    "ma_cross": {"short": 20, "long": 50},
}
NEVER: Mapping[str, Mapping[str, Any]] = {  # so that every bar is passed
    "trailing_stop": {"percent": "99"},
    "price_below": {"threshold": "1"},
}
SWEPT: Mapping[str, tuple[str, Sequence[Decimal | int]]] = {
    "trailing_stop": ("percent", [Decimal(n) * 99 / 1000 for n in range(1, 1001)]),
    "price_below": ("threshold", [Decimal(n) * 7 / 10 for n in range(1, 1001)]),
    "ma_cross": ("long", [21 + n % 380 for n in range(1000)]),
}
SIZES = (2_148, 100_000, 1_000_000)
REPEATS = 3  # in a process
SLOWEST_AT = 100_000  # bars, the most for backtesting.py and for sweeps of vectorbt: 2,148


def run(sizes: Sequence[int], rounds: int, *, alone: bool = False) -> dict[str, Any]:
    """The figures, as `--json` prints them; `alone`: without the peers."""
    python = None if alone else _peers()
    calendar = AlwaysOpen()
    measured = []
    with tempfile.TemporaryDirectory(prefix="tradingrules-bench-") as folder:
        for size in sizes:
            series = tiled(size)
            bars = Path(folder) / f"{size}.csv"
            _write(series, bars)
            for kind in KINDS:
                say(f"{kind}, {size:,} bars ...")
                measured.append(_Measured(kind, series, bars, python, rounds, calendar).figures())
    return {"rounds": rounds, "machine": hardware(), "measured": measured}


def tiled(size: int) -> Series:
    """The shipped bars, again and again, one a day."""
    shipped = read_series(SHIPPED, ClosesIncluded())[SYMBOL]
    began, calendar = date(2000, 1, 3), AlwaysOpen()
    closes = (calendar.close_of(began + timedelta(days=n)) for n in range(size))
    at = np.array([micros(close) for close in closes], np.int64)
    first, high, low, close, volume = (
        np.resize(column, size)
        for column in (shipped.open, shipped.high, shipped.low, shipped.close, shipped.volume)
    )
    return Series(SYMBOL, at, first, high, low, close, volume, close)


class _Measured:
    """One kind of rule over one series."""

    def __init__(
        self,
        kind: str,
        series: Series,
        bars: Path,
        python: Path | None,
        rounds: int,
        calendar: AlwaysOpen,
    ) -> None:
        self._kind, self._series, self._bars = kind, series, bars
        self._python, self._rounds, self._calendar = python, rounds, calendar
        self._start = instant(series.at[0]) - timedelta(hours=1)
        self._size = len(series)

    def figures(self) -> dict[str, Any]:
        seconds: dict[str, list[float]] = {}
        fires: dict[str, Any] = {}
        ways = self._ours_alone() | (self._peers() if self._python else {})
        for _ in range(self._rounds):
            for name, work in ways.items():
                say(f"  {name}")
                took, fires[name] = work()
                seconds.setdefault(name, []).append(took)
        expected = fires["ours, all fires"]
        told = {"kind": self._kind, "bars": self._size}
        return told | {
            "seconds": {name: _least_and_median(of) for name, of in seconds.items()},
            "mbars_per_s": {
                name: round(self._size / min(of) / 1e6, 2)
                for name, of in seconds.items()
                if not name.startswith(("process", "sweep"))
            },
            "mbar_sets_per_s": {
                name: round(self._size * 1000 / min(of) / 1e6, 1)
                for name, of in seconds.items()
                if name.startswith("sweep")
            },
            "fires": {name: len(of) for name, of in fires.items() if isinstance(of, list)},
            "differing_bars": {
                name: len(set(of) ^ set(expected))
                for name, of in fires.items()
                if isinstance(of, list) and name.startswith("peer")
            },
        }

    def _ours_alone(self) -> dict[str, Any]:
        ways: dict[str, Any] = {"ours, first fire": lambda: self._ours(KINDS, 1)}
        if self._kind in NEVER:
            ways["ours, never fires"] = lambda: self._ours(NEVER, 1)
        return ways | {
            "ours, all fires": lambda: self._ours(KINDS, None),
            "ours, all fires made": lambda: self._ours(KINDS, None, made=True),
            "sweep of ours": self._sweep,
            "process of ours, first fire": lambda: self._our_process(1),
            "process of ours, all fires": lambda: self._our_process(None),
        }

    def _peers(self) -> dict[str, Any]:
        ways: dict[str, Any] = {
            "peer vectorbt numba": lambda: self._vectorbt("numba"),
            "peer vectorbt rust": lambda: self._vectorbt("rust"),
            "process of vectorbt rust": lambda: self._process("with_vectorbt", "rust", "1", "1"),
            "process of vectorbt numba": lambda: self._process("with_vectorbt", "numba", "1", "1"),
        }
        if self._kind == "price_below":
            ways["peer NumPy alone"] = lambda: self._vectorbt("numpy")
        if self._size <= SLOWEST_AT:
            ways["peer backtesting.py"] = self._backtesting
        if self._size == SIZES[0]:
            ways["sweep of vectorbt rust"] = lambda: (self._vectorbt("rust", 1000)[0], None)
            ways["process of vectorbt numba, nothing compiled"] = self._cold
        return ways

    def _rule(self, params: Mapping[str, Any], most: int | None) -> Rule:
        trigger = parse_trigger(self._kind, params)
        return Rule(None, SYMBOL, trigger, Notify(), self._start, max_executions=most)

    def _ours(
        self, params: Mapping[str, Mapping[str, Any]], most: int | None, *, made: bool = False
    ) -> tuple[float, list[int]]:
        rule = self._rule(params[self._kind], most)
        seconds = []
        for _ in range(REPEATS):
            fresh = self._as_read()
            started = perf_counter()
            done = backtest(rule, {SYMBOL: fresh}, start=self._start, calendar=self._calendar)
            fires = list(done.fires) if made else done.fires
            seconds.append(perf_counter() - started)
        return min(seconds), [fresh.last_until(micros(fire.at)) for fire in fires]

    def _as_read(self) -> Series:
        """The series with nothing worked out but what a reader of files looks at."""
        fresh = replace(self._series)
        fresh.is_daily  # noqa: B018 -- kept once it is known
        return fresh

    def _sweep(self) -> tuple[float, None]:
        parameter, values = SWEPT[self._kind]
        rule = self._rule(KINDS[self._kind], 1)
        seconds = []
        for _ in range(REPEATS):
            fresh = {SYMBOL: self._as_read()}
            started = perf_counter()
            sweep(rule, parameter, values, fresh, start=self._start, calendar=self._calendar)
            seconds.append(perf_counter() - started)
        return min(seconds), None

    def _our_process(self, most: int | None) -> tuple[float, None]:
        rules = self._bars.with_suffix(".jsonl")
        asked = {
            "id": 1,
            "symbol": SYMBOL,
            "trigger_type": self._kind,
            "trigger_params": KINDS[self._kind],
            "start": in_words(self._start),
            "max_executions": most,
        }
        rules.write_text(json.dumps(asked))
        options = ("backtest", f"--bars={self._bars}", f"--rules={rules}", "--sessions=every-day")
        return _timed([sys.executable, ROOT / "manage.py", *options])[0], None

    def _process(
        self, script: str, *options: str, env: Mapping[str, str] | None = None
    ) -> tuple[float, None]:
        return _timed(self._command(script, *options), env)[0], None

    def _cold(self) -> tuple[float, None]:
        with tempfile.TemporaryDirectory(prefix="tradingrules-bench-") as empty:
            return self._process("with_vectorbt", "numba", "1", "1", env={"NUMBA_CACHE_DIR": empty})

    def _command(self, script: str, *options: str) -> Sequence[str | Path]:
        assert self._python is not None
        return [self._python, SCRIPTS / f"{script}.py", self._kind, self._bars, *options]

    def _vectorbt(self, engine: str, sets: int = 1) -> tuple[float, list[int]]:
        return self._peer("with_vectorbt", engine, str(sets), str(REPEATS))

    def _backtesting(self) -> tuple[float, list[int]]:
        return self._peer("with_backtesting", "1")

    def _peer(self, script: str, *options: str) -> tuple[float, list[int]]:
        said = json.loads(_timed(self._command(script, *options))[1].splitlines()[-1])
        return min(said["seconds"]), said["fires"]


def _timed(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> tuple[float, str]:
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    started = perf_counter()
    done = subprocess.run(
        command, env=plain | dict(env or {}), capture_output=True, text=True, check=False
    )
    seconds = perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed: {done.stderr.strip()[-2000:]}")
    return seconds, done.stdout


def _least_and_median(seconds: Sequence[float]) -> list[float]:
    return [round(min(seconds), 7), round(median(seconds), 7)]


def _write(series: Series, bars: Path) -> None:
    with bars.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("symbol", "timestamp", "open", "high", "low", "close", "volume"))
        columns = [getattr(series, name) / 10**6 for name in ("open", "high", "low", "close")]
        for n in range(len(series)):
            prices = (f"{column[n]:.6f}".rstrip("0").rstrip(".") for column in columns)
            lines.writerow((SYMBOL, series.stamp(n), *prices, series.volume[n]))


def _peers() -> Path:
    """The peers' Python; installed where it is not yet."""
    python = PEERS / "bin" / "python"
    if not (PEERS / "installed").exists():
        say("Installing vectorbt and backtesting.py into .cache/peers (a minute) ...")
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *WANTED], check=True)
        (PEERS / "installed").write_text("\n".join(WANTED))
    return python


# The tables of docs/backtest.md: each with its columns, by the names of what is measured.
TABLES: Mapping[str, Mapping[str, str]] = {
    "One rule, ms": {
        "first firing": "ours, first fire",
        "never fires": "ours, never fires",
        "all firings": "ours, all fires",
        "all, made": "ours, all fires made",
        "vectorbt, Rust": "peer vectorbt rust",
        "vectorbt, Numba": "peer vectorbt numba",
        "NumPy alone": "peer NumPy alone",
        "backtesting.py": "peer backtesting.py",
    },
    "1,000 settings, first firings, ms": {
        "ours": "sweep of ours",
        "vectorbt, Rust": "sweep of vectorbt rust",
    },
    "Process start to result, ms": {
        "ours, first firing": "process of ours, first fire",
        "ours, all firings": "process of ours, all fires",
        "vectorbt, Rust": "process of vectorbt rust",
        "vectorbt, Numba": "process of vectorbt numba",
        "vectorbt, Numba, nothing compiled": "process of vectorbt numba, nothing compiled",
    },
}


def table(figures: Mapping[str, Any]) -> str:
    """The figures as tables in Markdown: the least of the rounds, in milliseconds."""
    lines = [str(figures["machine"])]
    for title, columns in TABLES.items():
        measured = {name for each in figures["measured"] for name in each["seconds"]}
        shown = {told: name for told, name in columns.items() if name in measured}
        lines += [
            "",
            f"| {title} | bars | {' | '.join(shown)} |",
            "|---|" + "---:|" * (len(shown) + 1),
        ]
        for each in figures["measured"]:
            cells = (_cell(each, name) for name in shown.values())
            lines.append(f"| {each['kind']} | {each['bars']:,} | {' | '.join(cells)} |")
    for each in figures["measured"]:
        if each["differing_bars"]:
            lines += ["", f"{each['kind']}, {each['bars']:,} bars: {each['fires']} firings"]
            lines.append(f"bars that differ from ours: {each['differing_bars']}")
    return "\n".join(lines)


def _cell(measured: Mapping[str, Any], name: str) -> str:
    if name not in measured["seconds"]:
        return ""
    least, _ = measured["seconds"][name]
    rate = measured["mbar_sets_per_s"].get(name)
    return f"{least * 1000:,.2f}" + (f" ({rate:,.0f} million bar-sets/s)" if rate else "")


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
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
