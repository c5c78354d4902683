"""Hours of a day in minutes: `python -m bench.soak --minutes 10 --json`.

100,000 rules, a market that moves every second, visitors on the pages and the API, a worker and an
evaluator as in production; and each minute one of their processes is killed. Whether memory grows,
ticks come in time, anything is answered with an error, and the books hold at the end.

Before the clock starts all of it is warmed up, by so many requests, storms of rules that fire, and
jobs of the cluster, and then nobody is killed for five minutes. The memory of each process is told
from there on, as long as it lives: the cluster's are killed in the first half of the time, then
evaluators.
"""

import argparse
import json
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
    *,
    minutes: float,
    rules: int,
    symbols: int,
    interval: float,
    visitors: int,
    kill_every: float,
    warm_up: int,
    calm: float,
    fsync: bool = True,
) -> dict[str, Any]:
    """The figures, as `--json` prints them. Raises Failed when a process does not come up."""
    with (
        throw_away_database(fsync=fsync),
        tempfile.TemporaryDirectory(
            prefix="tradingrules-soak-", dir=temporary_directory()
        ) as folder,
    ):
        from bench.soaking import Soak  # noqa: PLC0415 -- needs Django to be set up

        return Soak(
            seconds=minutes * 60,
            rules=rules,
            symbols=symbols,
            interval=interval,
            visitors=visitors,
            kill_every=kill_every,
            warm_up=warm_up,
            calm=calm,
            folder=Path(folder),
            say=say,
        ).run()


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    before, gaps, answers = figures["before"], figures["ticks"], figures["answers"]
    lines = [
        f"{figures['minutes']:g} minutes, {figures['rules']:,} rules over {figures['symbols']:,} "
        f"symbols, ticks {figures['interval_s']:g} s apart, {figures['visitors']} visitors",
        machine_in_words(figures["machine"]),
        "",
        f"before      {before['requests']:,} requests, {before['calm_s']:g} s of them calm; "
        f"errors: {before['error_responses']}",
        f"killed      {figures['killed']}",
        f"ticks       {gaps['count']:,}; intervals from one to the next: {gaps['p50']:.2f} (p50), "
        f"{gaps['p99']:.2f} (p99), {gaps['most']:.2f} (most)",
        f"executions  {figures['executions']:,}; rules that fired twice: {figures['fired_twice']}",
        f"requests    {answers['requests']:,}: {answers['p50_ms']:.0f} ms (p50), "
        f"{answers['p99_ms']:.0f} ms (p99); errors: {answers['error_responses']}",
        f"ledger      {figures['ledger']}",
    ]
    for role, of in figures["memory"].items():
        first, last = of["together_mb"]
        lines += [
            "",
            f"{role}: {of['processes']} processes, {of['peak_mb']:,.1f} MB at most, together "
            f"{first:,.1f} MB, at the end {last:,.1f} MB; at most 1 % an hour: "
            f"{of['flat']} of {len(of['growth'])} that were warm",
            *(
                f"  {each['mb']:7.1f} MB, {each['minutes']:4.1f} minutes: "
                f"{each['percent_per_hour']:+.2f} % an hour "
                f"({each['least']:+.2f} to {each['most']:+.2f})"
                for each in of["growth"]
            ),
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rules", type=int, default=100_000)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=2, help="seconds between ticks")
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--kill-every", type=float, default=60, help="seconds")
    parser.add_argument(
        "--warm-up", type=int, default=24_000, help="requests before the clock starts"
    )
    parser.add_argument("--calm", type=float, default=300, help="seconds without a kill after them")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.minutes, chosen.interval, chosen.kill_every) <= 0:
        parser.error("--minutes, --interval and --kill-every must be above 0")
    if min(chosen.rules, chosen.symbols, chosen.visitors) < 1:
        parser.error("--rules, --symbols and --visitors must be 1 or more")
    if min(chosen.warm_up, chosen.calm) < 0:
        parser.error("--warm-up and --calm must not be below 0")
    try:
        figures = run(
            minutes=chosen.minutes,
            rules=chosen.rules,
            symbols=chosen.symbols,
            interval=chosen.interval,
            visitors=chosen.visitors,
            kill_every=chosen.kill_every,
            warm_up=chosen.warm_up,
            calm=chosen.calm,
            fsync=not chosen.no_fsync,
        )
    except Failed as failed:
        sys.exit(str(failed))
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
