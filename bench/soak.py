"""Hours of a day in minutes: `python -m bench.soak --minutes 10 --json`.

100,000 rules, a market that moves every second, visitors on the pages and the API, a worker and an
evaluator as in production; and each minute one of their processes is killed. Whether memory grows,
ticks come in time, anything is answered with an error, and the books hold at the end.
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
            folder=Path(folder),
            say=say,
        ).run()


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    gaps, answers = figures["ticks"], figures["answers"]
    lines = [
        f"{figures['minutes']:g} minutes, {figures['rules']:,} rules over {figures['symbols']:,} "
        f"symbols, ticks {figures['interval_s']:g} s apart, {figures['visitors']} visitors",
        machine_in_words(figures["machine"]),
        "",
        f"killed      {figures['killed']}",
        f"ticks       {gaps['count']:,}; intervals from one to the next: {gaps['p50']:.2f} (p50), "
        f"{gaps['p99']:.2f} (p99), {gaps['most']:.2f} (most)",
        f"executions  {figures['executions']:,}; rules that fired twice: {figures['fired_twice']}",
        f"requests    {answers['requests']:,}: {answers['p50_ms']:.0f} ms (p50), "
        f"{answers['p99_ms']:.0f} ms (p99); errors: {answers['error_responses']}",
        f"ledger      {figures['ledger']}",
        "",
    ]
    lines += [
        f"{role:<11} {of['processes']:>3} processes, {of['peak_mb']:,.1f} MB at most, together "
        f"{of['together_mb'][0]:,.1f} MB, at the end {of['together_mb'][1]:,.1f} MB; "
        f"% an hour: {_listed(of['percent_per_hour'])}; "
        f"in the second half: {_listed(of['percent_per_hour_in_second_half'])}"
        for role, of in figures["memory"].items()
    ]
    return "\n".join(lines)


def _listed(slopes: Sequence[float]) -> str:
    return ", ".join(f"{each:+.0f}" for each in slopes) or "-"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rules", type=int, default=100_000)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=2, help="seconds between ticks")
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--kill-every", type=float, default=60, help="seconds")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.minutes, chosen.interval, chosen.kill_every) <= 0:
        parser.error("--minutes, --interval and --kill-every must be above 0")
    if min(chosen.rules, chosen.symbols, chosen.visitors) < 1:
        parser.error("--rules, --symbols and --visitors must be 1 or more")
    try:
        figures = run(
            minutes=chosen.minutes,
            rules=chosen.rules,
            symbols=chosen.symbols,
            interval=chosen.interval,
            visitors=chosen.visitors,
            kill_every=chosen.kill_every,
            fsync=not chosen.no_fsync,
        )
    except Failed as failed:
        sys.exit(str(failed))
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
