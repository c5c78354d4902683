"""Runs every bench at a modest size: `python -m bench`, or `make bench`. Under a minute.

Each can be run alone and at full size, with `--json` for machines: `python -m bench.tick --help`.
"""

import sys
from time import perf_counter

from bench import tick

RULES = 100_000
SYMBOLS = 5_000


def main() -> None:
    started = perf_counter()
    print(f"Measuring a tick over up to {RULES:,} rules: under a minute.", file=sys.stderr)
    figures = tick.run(rules=RULES, symbols=SYMBOLS, trailing=RULES)
    print(tick.table(figures))
    print(f"\nIt took {perf_counter() - started:.0f} s. Full size: python -m bench.tick")
    print("What firings cost: python -m bench.fires")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing is left of it.")
