"""The product's part of `bench.backtest`: the bars, the rules, and how long they take."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from actions.backtest.calendar import ClosesIncluded
from actions.backtest.reading import read_series
from actions.backtest.run import backtest
from actions.backtest.series import Series, in_words, instant, instants, micros
from actions.backtest.sweep import sweep
from actions.effects.notify import Notify
from actions.registry import parse_trigger
from actions.rules import Rule
from market.hours import AlwaysOpen

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
SYMBOL = "GOOG"
CALENDAR = AlwaysOpen()
KINDS: Mapping[str, Mapping[str, Any]] = {
    "trailing_stop": {"percent": "5"},
    "price_below": {"threshold": "120"},
    "ma_cross": {"short": 20, "long": 50},
}
NEVER: Mapping[str, Mapping[str, Any]] = {  # so that every bar is passed
    "trailing_stop": {"percent": "99"},
    "price_below": {"threshold": "1"},
}
SETS = 1000
SWEPT: Mapping[str, tuple[str, Sequence[Decimal | int]]] = {
    "trailing_stop": ("percent", [Decimal(n) * 99 / SETS for n in range(1, SETS + 1)]),
    "price_below": ("threshold", [Decimal(n) * 7 / 10 for n in range(1, SETS + 1)]),
    "ma_cross": ("long", [21 + n % 380 for n in range(SETS)]),
}

type Work = Callable[[], float]  # its seconds


def tiled(size: int) -> Series:
    """The shipped bars, again and again, one a day."""
    shipped = read_series(SHIPPED, ClosesIncluded())[SYMBOL]
    began = date(2000, 1, 3)
    closes = (CALENDAR.close_of(began + timedelta(days=n)) for n in range(size))
    at = np.array([micros(close) for close in closes], np.int64)
    columns = (shipped.open, shipped.high, shipped.low, shipped.close, shipped.volume)
    first, high, low, close, volume = (np.resize(column, size) for column in columns)
    return Series(SYMBOL, at, first, high, low, close, volume, close)


def first_bars(series: Series, size: int) -> Series:
    """The series as far as these bars."""
    columns = ("at", "open", "high", "low", "close", "volume", "printed")
    return replace(series, **{name: getattr(series, name)[:size] for name in columns})


def write(series: Series, bars: Path) -> None:
    """As a file of bars."""
    columns = (series.open, series.high, series.low, series.close)
    prices = (map(_printed, column.tolist()) for column in columns)
    stamps = (in_words(at) for at in instants(series.at))
    with bars.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("symbol", "timestamp", "open", "high", "low", "close", "volume"))
        lines.writerows(zip(repeat(SYMBOL), stamps, *prices, series.volume.tolist(), strict=False))


@cache  # the bars are tiled
def _printed(millionths: int) -> str:
    return f"{millionths / 10**6:.6f}".rstrip("0").rstrip(".")


class Ours:
    """Rules of all kinds over one series, which stands in the file `bars` as well."""

    def __init__(self, series: Series, bars: Path, repeats: int) -> None:
        self._series, self._bars, self._repeats = series, bars, repeats
        self._start = instant(series.at[0]) - timedelta(hours=1)

    def fires(self, kind: str) -> list[int]:
        """The bars of all firings."""
        done = self._played(self._rule(kind, KINDS, None), self._as_read())
        return [self._series.last_until(micros(fire.at)) for fire in done]

    def ways(self, kind: str) -> Mapping[str, Work]:
        """What is measured in this process, by its name."""
        ways = {"first": lambda: self._took(self._rule(kind, KINDS, 1))}
        if kind in NEVER:
            ways["never"] = lambda: self._took(self._rule(kind, NEVER, 1))
        return ways | {
            "all": lambda: self._took(self._rule(kind, KINDS, None)),
            "made": lambda: self._took(self._rule(kind, KINDS, None), made=True),
            "sweep": lambda: self._swept(kind),
        }

    def process(self, kind: str, most: int | None) -> float:
        """Seconds of a process of its own, from its start to its end."""
        rules = self._bars.with_suffix(".jsonl")
        asked = {
            "id": 1,
            "symbol": SYMBOL,
            "trigger_type": kind,
            "trigger_params": KINDS[kind],
            "start": in_words(self._start),
            "max_executions": most,
        }
        rules.write_text(json.dumps(asked))
        options = ("backtest", f"--bars={self._bars}", f"--rules={rules}", "--sessions=every-day")
        started = perf_counter()
        subprocess.run(
            [sys.executable, ROOT / "manage.py", *options], check=True, stdout=subprocess.DEVNULL
        )
        return perf_counter() - started

    def _rule(self, kind: str, params: Mapping[str, Mapping[str, Any]], most: int | None) -> Rule:
        trigger = parse_trigger(kind, params[kind])
        return Rule(None, SYMBOL, trigger, Notify(), self._start, max_executions=most)

    def _played(self, rule: Rule, series: Series) -> Sequence[Any]:
        return backtest(rule, {SYMBOL: series}, start=self._start, calendar=CALENDAR).fires

    def _took(self, rule: Rule, *, made: bool = False) -> float:
        return self._least(
            lambda fresh: list(self._played(rule, fresh)) if made else self._played(rule, fresh)
        )

    def _swept(self, kind: str) -> float:
        parameter, values = SWEPT[kind]
        rule = self._rule(kind, KINDS, 1)
        return self._least(
            lambda fresh: sweep(
                rule, parameter, values, {SYMBOL: fresh}, start=self._start, calendar=CALENDAR
            )
        )

    def _least(self, work: Callable[[Series], object]) -> float:
        seconds = []
        for _ in range(self._repeats):
            fresh = self._as_read()
            started = perf_counter()
            work(fresh)
            seconds.append(perf_counter() - started)
        return min(seconds)

    def _as_read(self) -> Series:
        """The series with nothing worked out but what a reader of files looks at."""
        fresh = replace(self._series)
        fresh.is_daily  # noqa: B018 -- kept once it is known
        return fresh
