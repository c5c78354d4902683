"""From a price to its trade: `python -m bench.latency --rules 10000 --json`.

While the rules sleep, the feed's price of one symbol is moved to where one rule fires, at a random
instant between two ticks, until another connection sees the trade. With `manage.py evaluator`, then
with the cluster that `manage.py worker` runs, then with the evaluator and `manage.py stream`, which
is told the price over a socket: real processes, on a PostgreSQL of the bench's own.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.command import Failed
from bench.database import throw_away_database
from bench.machine import machine_in_words
from bench.terminal import run_until_stopped, say
from tradingrules.embedded.sockets import temporary_directory


def run(
    *, rules: int, symbols: int, interval: float, samples: int, fsync: bool = True
) -> dict[str, Any]:
    """The figures, as `--json` prints them. Raises Failed when a process does not trade."""
    with (
        throw_away_database(fsync=fsync),
        tempfile.TemporaryDirectory(
            prefix=f"tradingrules-bench-{os.getpid()}-", dir=temporary_directory()
        ) as folder,
    ):
        from bench.crossing import Bench  # noqa: PLC0415 -- needs Django to be set up

        return Bench(
            rules=rules,
            symbols=symbols,
            interval=interval,
            samples=samples,
            folder=Path(folder),
            say=say,
        ).run()


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    rows = [
        f"{title:<20} {part['p50_ms']:>8,.0f} ms {part['p99_ms']:>8,.0f} ms"
        f" {part['engine_p50_ms']:>10,.0f} ms {part['engine_p99_ms']:>8,.0f} ms"
        for title, part in (
            ("manage.py evaluator", figures["evaluator"]),
            ("the cluster", figures["cluster"]),
            ("manage.py stream", figures["stream"]),
        )
    ]
    return f"""\
From a price to its trade: {figures["samples"]} trades each, ticks {figures["interval_s"]:g} s \
apart, {figures["rules"]:,} rules over {figures["symbols"]:,} symbols asleep.
{machine_in_words(figures["machine"])}

                       since the price changed      since the tick began
                             p50         p99           p50         p99
{chr(10).join(rows)}"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--interval", type=float, default=1, help="seconds between ticks")
    parser.add_argument("--samples", type=int, default=60, help="trades, of each process")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.symbols, chosen.samples) < 1 or chosen.interval <= 0:
        parser.error("each number must be above 0")
    if chosen.samples > min(chosen.rules, chosen.symbols) // 8:
        parser.error(
            "--samples must be at most an eighth of --rules and of --symbols: "
            "each trade is of another symbol"
        )
    try:
        figures = run(
            rules=chosen.rules,
            symbols=chosen.symbols,
            interval=chosen.interval,
            samples=chosen.samples,
            fsync=not chosen.no_fsync,
        )
    except Failed as failed:
        sys.exit(str(failed))
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
