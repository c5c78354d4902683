"""Measures how long it takes to read a phrase: `python -m bench.phrases --json`. Some 10 seconds.

Needs no database. Beside the reader stands lark's general parser (Earley) on the same grammar and
the same tokens, which takes any grammar and tries every reading at once.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from zoneinfo import ZoneInfo

from lark import Lark
from lark.exceptions import UnexpectedInput

from bench.machine import hardware, machine_in_words
from bench.terminal import run_until_stopped, say
from bench.timing import percentile_ms
from chat.phrases import read
from chat.phrases.clauses import GRAMMAR, NotUnderstood, Tokens, parts
from chat.phrases.dates import Dates
from chat.phrases.names import Names
from chat.phrases.pieces import plain
from chat.phrases.scanner import Scanner, slips
from chat.phrases.tokens import Token
from market.directory import shipped
from market.hours import Exchange

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "unit" / "data" / "phrases.jsonl"
NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
ROUNDS = 3
EARLEY_PHRASES = 60  # it takes long
IMPORT = "from time import perf_counter as t; a = t(); import chat.phrases; print(t() - a)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how long it takes to read a phrase.")
    parser.add_argument("--json", action="store_true", help="Print the figures as JSON.")
    options = parser.parse_args()
    figures = run()
    print(json.dumps(figures) if options.json else table(figures))


def run() -> dict[str, Any]:
    texts = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    say(f"{len(texts)} phrases, {ROUNDS} times each ...")
    _, first = both_times(lambda: _read(texts[0]))
    whole = [both_times(lambda text=text: _read(text)) for _ in range(ROUNDS) for text in texts]  # type: ignore[misc]
    lalr, earley = _parsers(texts[:EARLEY_PHRASES])
    return {
        "phrases": len(texts),
        "p50_ms": percentile_ms([wall for wall, _ in whole], 50),
        "p99_ms": percentile_ms([wall for wall, _ in whole], 99),
        "cpu_p50_ms": percentile_ms([cpu for _, cpu in whole], 50),
        "cpu_p99_ms": percentile_ms([cpu for _, cpu in whole], 99),
        "cpu_worst_ms": percentile_ms([cpu for _, cpu in whole], 100),
        "first_cpu_ms": round(first * 1000, 2),
        "import_ms": round(_import_seconds() * 1000, 2),
        "parse_p50_ms": percentile_ms(lalr, 50),
        "earley_p50_ms": percentile_ms(earley, 50),
        "machine": hardware(),
    }


def both_times(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor: on a busy machine the clock counts others too."""
    started = process_time()
    wall = timed(work)
    return wall, process_time() - started


def timed(work: Callable[[], object]) -> float:
    """Seconds; the collector of garbage runs when it would."""
    started = perf_counter()
    work()
    return perf_counter() - started


def _read(text: str) -> object:
    return read(text, now=NOW, zone=NEW_YORK, calendar=Exchange(), directory=shipped())


def _parsers(texts: Sequence[str]) -> tuple[list[float], list[float]]:
    """Seconds for the grammar alone, a phrase each: as it is used, and with the general parser."""
    scanner = Scanner(Names(shipped(), frozenset(), slips()), Dates(NOW, NEW_YORK, Exchange()))
    general = Lark(GRAMMAR.read_text(encoding="utf-8"), parser="earley", lexer=Tokens)
    lalr, earley = [], []
    for text in texts:
        tokens = next(scanner.readings(plain(text)))
        if _parses(tokens):
            lalr.append(timed(lambda tokens=tokens: parts(tokens)))  # type: ignore[misc]
            earley.append(timed(lambda tokens=tokens: _general(general, tokens)))  # type: ignore[misc]
    return lalr, earley


def _parses(tokens: list[Token]) -> bool:
    try:
        parts(tokens)
    except NotUnderstood:
        return False
    return True


def _general(parser: Lark, tokens: Any) -> None:
    try:
        parser.parse(tokens)
    except UnexpectedInput as unexpected:
        raise AssertionError("both parsers read the same sentences") from unexpected


def _import_seconds() -> float:
    """In a process of its own, Python's start not counted."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, timeout=60
    )
    return float(done.stdout)


def table(figures: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"Reading a phrase, ms ({machine_in_words(figures['machine'])})",
            f"  one of {figures['phrases']}, read whole    p50 {figures['p50_ms']:8.2f}"
            f"   p99 {figures['p99_ms']:8.2f}",
            f"  of the processor's time    p50 {figures['cpu_p50_ms']:8.2f}"
            f"   p99 {figures['cpu_p99_ms']:8.2f}   worst {figures['cpu_worst_ms']:8.2f}",
            f"  its grammar alone          p50 {figures['parse_p50_ms']:8.2f}",
            f"  by the general parser      p50 {figures['earley_p50_ms']:8.2f}",
            f"  the first of a process         {figures['first_cpu_ms']:8.2f}",
            f"  importing the reader           {figures['import_ms']:8.2f}",
        ]
    )


if __name__ == "__main__":
    run_until_stopped(main)
