"""Runs benches at a modest size: `python -m bench`, or `make bench`. Some two minutes.

Each can be run alone and at full size, with `--json` for machines: `python -m bench.tick --help`.
"""

import os
import signal
import sys
from time import perf_counter

from bench import tick
from bench.terminal import run_until_stopped, say

RULES = 100_000
SYMBOLS = 5_000
LATENCY = ("--rules=10000", f"--symbols={SYMBOLS}", "--interval=0.5", "--samples=10")


def main() -> None:
    started = perf_counter()
    say(f"Measuring a tick over up to {RULES:,} rules: about a minute.")
    figures = tick.run(rules=RULES, symbols=SYMBOLS, trailing=RULES)
    print(tick.table(figures))
    print(f"\nIt took {perf_counter() - started:.0f} s. Full size: python -m bench.tick")
    print("What firings cost: python -m bench.fires")
    print("What reading a phrase costs: python -m bench.phrases")
    print("Ten minutes of everything, and kills: python -m bench.soak\n")
    say("Measuring from a price to its trade: under a minute.")
    _become("bench.latency", *LATENCY)


def _become(module: str, *arguments: str) -> None:
    """Goes on as another bench: Django, once set up, keeps to one database for good."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the bench before has left it ignored
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 -- ourselves


if __name__ == "__main__":
    run_until_stopped(main)
