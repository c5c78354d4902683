"""What a storm of firings costs: `python -m bench.fires --rules 10000 --json`.

Rules of 1,000 portfolios on one symbol fire at one quote. Measured from the tick that stores the
quote to its last commit, beside two floors on the same server. On a PostgreSQL of its own.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.database import throw_away_database
from bench.machine import machine_in_words
from bench.terminal import run_until_stopped, say


def run(*, rules: int, portfolios: int, rounds: int = 3, fsync: bool = True) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=fsync):
        from bench.firing import Bench  # noqa: PLC0415 -- needs Django to be set up

        return Bench(rules=rules, portfolios=portfolios, rounds=rounds, say=say).run()


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return f"""\
{figures["rules"]:,} rules of {figures["portfolios"]:,} portfolios fire at one quote, \
in batches of {figures["batch"]}: medians of {figures["rounds"]}.
{machine_in_words(figures["machine"])}

one evaluator                        {figures["trades_per_s"]:>8,.0f} trades/s
two evaluators                       {figures["two_evaluators_per_s"]:>8,.0f} trades/s
floor: a transaction each (pgbench)  {figures["floor_single_per_s"]:>8,.0f} trades/s
floor: batches of 100 in raw SQL     {figures["floor_batched_per_s"]:>8,.0f} trades/s
a lone firing, from lease to commit  {figures["lone_fire_ms"]:>8.1f} ms (p50)
... to the end of its look           {figures["lone_look_ms"]:>8.1f} ms (p50)"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fires", description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--portfolios", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3, help="storms, of which the median counts")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.portfolios, chosen.rounds) < 1:
        parser.error("each number must be above 0")
    figures = run(
        rules=chosen.rules,
        portfolios=chosen.portfolios,
        rounds=chosen.rounds,
        fsync=not chosen.no_fsync,
    )
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
