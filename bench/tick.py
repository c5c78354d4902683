"""What a tick costs: `python -m bench.tick --rules 1000000 --symbols 5000 --json`.

Measures at 10,000 rules and at each power of ten up to `--rules`, on a PostgreSQL of its own.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.database import throw_away_database
from bench.machine import machine_in_words
from bench.terminal import run_until_stopped, say

SMALLEST = 10_000


def run(
    *,
    rules: int,
    symbols: int,
    ticks: int = 20,
    trailing: int = 0,
    naive_seconds: float = 5,
    fsync: bool = True,
    plans: bool = False,
) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=fsync):
        # Both need Django to be set up.
        from bench.measure import Bench  # noqa: PLC0415
        from bench.trailing import TrailingStops  # noqa: PLC0415

        bench = Bench(symbols=symbols, ticks=ticks, say=say)
        figures = bench.run(sizes_up_to(rules), naive_seconds).as_json()
        if plans:
            figures["plans"] = bench.plans()
        if trailing:
            stops = TrailingStops(symbols=symbols, at=bench.now, say=say)
            figures |= stops.measure(rules=trailing, ticks=ticks)
        return figures


def sizes_up_to(rules: int) -> list[int]:
    """10,000, 100,000 and so on, and `rules` itself."""
    sizes = []
    size = SMALLEST
    while size < rules:
        sizes.append(size)
        size *= 10
    return [*sizes, rules]


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    columns = ("sizes", "quiet_ms", "crossing_ms", "woken", "evaluation_ms")
    rows = [
        f"{size:>12,} {quiet:>8.1f} ms {crossing:>7.1f} ms {woken:>7g} {judging:>10.1f} ms"
        for size, quiet, crossing, woken, judging in zip(
            *(figures[column] for column in columns), strict=True
        )
    ]
    of = figures["bytes_per_rule"]
    return f"""\
A tick over {figures["symbols"]:,} symbols: medians. Crossing: a thousandth of them moves by 10 %.
{machine_in_words(figures["machine"])}

       rules  quiet tick   crossing   woken  judging them
{chr(10).join(rows)}

storing and matching a quote  {figures["match_us_per_quote"]:.1f} us
growth of the quiet tick      {figures["growth"]:.2f} x
the specification's loop      {figures["naive_rules_per_s"]:,.0f} rules/s
rules covered, compared       {figures["ratio_to_naive"]:,.0f} x
peak memory                   {figures["peak_mb"]:.0f} MB
a rule on disk                {of["actions"]:,} bytes, {of["watches"]:,} of its watch
{_trailing(figures)}{_plans(figures)}"""


def _trailing(figures: Mapping[str, Any]) -> str:
    if "trailing" not in figures:
        return ""
    return f"""
{figures["trailing"]:,} trailing stops, all at a new high
the first, merging marks      {figures["first_high_ms"]:.1f} ms
each further one              {figures["new_high_ms"]:.1f} ms
                              {figures["us_per_rule"]:.1f} us a rule
each rule woken by itself     {figures["alone_us_per_rule"]:,.0f} us a rule
"""


def _plans(figures: Mapping[str, Any]) -> str:
    found: Mapping[str, str] = figures.get("plans", {})
    return "".join(f"\n{name.capitalize()}:\n{plan}\n" for name, plan in found.items())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tick", description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000_000, help="at the largest size")
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--ticks", type=int, default=20, help="quiet ticks at each size")
    parser.add_argument("--trailing", type=int, default=0, help="trailing stops at new highs")
    parser.add_argument("--naive-seconds", type=float, default=5, help="for the naive loop")
    parser.add_argument("--plans", action="store_true", help="of waking and leasing, at the end")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.symbols, chosen.ticks) < 1 or chosen.naive_seconds <= 0:
        parser.error("each number must be above 0")
    if chosen.trailing < 0:
        parser.error("--trailing must not be below 0")
    figures = run(
        rules=chosen.rules,
        symbols=chosen.symbols,
        ticks=chosen.ticks,
        trailing=chosen.trailing,
        naive_seconds=chosen.naive_seconds,
        fsync=not chosen.no_fsync,
        plans=chosen.plans,
    )
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
