"""What proof of watch and monitoring cost: `python -m bench.monitoring --rules 1000000 --json`.

Quiet ticks are measured in turns with and without the marks of stale quotes, and in the naive way,
which keeps each symbol's freshness with every tick.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from bench.database import throw_away_database
from bench.machine import machine_in_words
from bench.terminal import run_until_stopped, say

# Each symbol's freshness kept with every tick: a row a symbol and tick.
_NAIVE = """
INSERT INTO kept_naively SELECT symbol, %s, as_of >= %s FROM market_quote
"""
_TICKS = """
INSERT INTO ticks (started_at, duration, next_in, symbols, woken, fired, errors)
SELECT at, interval '40 milliseconds', interval '1 second', 5000, 0, 0, '[]'
  FROM generate_series(%s::timestamptz, %s::timestamptz, interval '1 second') AS at
"""
_HOURS = """
INSERT INTO tick_hours (hour, ticks, woken, fired, faults, longest, longest_pause)
SELECT at, 3600, 100, 10, 0, interval '1 second', interval '1 second'
  FROM generate_series(%s::timestamptz, %s::timestamptz, interval '1 hour') AS at
"""


def run(*, rules: int, symbols: int, ticks: int, fsync: bool) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=fsync):
        from bench.machine import machine  # noqa: PLC0415 -- once Django is set up
        from bench.market import prepared_feed  # noqa: PLC0415
        from bench.measure import Bench  # noqa: PLC0415

        say(f"{rules:,} rules: making them ...")
        bench = Bench(symbols=symbols, ticks=ticks, say=say)
        bench.grow(rules)
        with prepared_feed() as feed:
            figures = _ticks(bench, feed, ticks)
        figures |= _looks(bench.now) | _kept(bench.now)
        return figures | {"rules": rules, "symbols": symbols, "machine": machine()}


def _ticks(bench: Any, feed: Any, ticks: int) -> dict[str, float]:
    from django.db import connection  # noqa: PLC0415

    from bench.timing import median_ms, timed  # noqa: PLC0415
    from market.bulk import send  # noqa: PLC0415
    from market.freshness import mark_freshness  # noqa: PLC0415

    say("quiet ticks, with marks, without, and with a row a symbol ...")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept_naively (symbol text, at timestamptz, fresh boolean)")

    def naively(*, now: datetime, max_age: timedelta) -> None:
        send(_NAIVE, [now, now - max_age])

    ways = {"marked": mark_freshness, "unmarked": lambda **_: None, "naive": naively}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ticks + 3):
        for name, way in ways.items():
            with patch("actions.engine.mark_freshness", way):
                seconds = bench.quiet(feed)
            if turn >= 3:  # the first ones warm up
                found[name].append(seconds)
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    begins, _ = timed(lambda: mark_freshness(now=bench.now + hour, max_age=minute))
    lasts, _ = timed(lambda: mark_freshness(now=bench.now + hour, max_age=minute))
    ends, _ = timed(lambda: mark_freshness(now=bench.now + 2 * hour, max_age=3 * hour))
    return {f"quiet_{name}_ms": median_ms(times) for name, times in found.items()} | {
        "all_become_stale_ms": begins * 1000,
        "all_stay_stale_ms": lasts * 1000,
        "all_become_fresh_ms": ends * 1000,
    }


def _looks(now: datetime) -> dict[str, float]:
    from actions.site_status import CENSUS_AGE, rules_status, site_status  # noqa: PLC0415
    from bench.timing import median_ms, timed  # noqa: PLC0415

    say("looks at the site ...")
    instants = [now + n * CENSUS_AGE for n in range(5)]
    counts = [timed(partial(rules_status, now=instant))[0] for instant in instants]
    looks = [timed(lambda: site_status(now=instants[-1]))[0] for _ in range(20)]
    return {"count_ms": median_ms(counts), "look_ms": median_ms(looks)}


def _kept(now: datetime) -> dict[str, float]:
    """Ticks at one a second for as long as they are kept, and a year's hours."""
    from django.db import connection  # noqa: PLC0415

    from actions.models import Tick, TickHour  # noqa: PLC0415
    from actions.tick_record import KEEP_TICKS, roll_up_ticks, without_tick  # noqa: PLC0415
    from bench.timing import timed  # noqa: PLC0415

    say("two days of ticks ...")
    Tick.objects.all().delete()
    begin = now - KEEP_TICKS
    with connection.cursor() as cursor:
        cursor.execute(_TICKS, [begin, now])
        cursor.execute(_HOURS, [now - timedelta(days=365), begin - timedelta(hours=1)])
        cursor.execute("ANALYZE ticks")
    roll_up_ticks(now=now - timedelta(hours=1))
    rolling, _ = timed(lambda: roll_up_ticks(now=now))
    reading, gaps = timed(lambda: without_tick(since=now - timedelta(days=400), until=now))
    assert gaps, "there is one between the hours and the ticks"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('ticks') / 1e6,"
            " pg_total_relation_size('tick_hours') / 1e6"
        )
        ticks_mb, hours_mb = map(float, cursor.fetchone())
    return {
        "kept_ticks": Tick.objects.count(),
        "kept_hours": TickHour.objects.count(),
        "ticks_mb": ticks_mb,
        "hours_mb": hours_mb,
        "roll_up_ms": rolling * 1000,
        "pauses_of_400_days_ms": reading * 1000,
    }


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return f"""\
{figures["rules"]:,} rules, {figures["symbols"]:,} symbols: medians.
{machine_in_words(figures["machine"])}

a quiet tick                            {figures["quiet_marked_ms"]:.1f} ms
  without the marks                     {figures["quiet_unmarked_ms"]:.1f} ms
  with a row a symbol, the naive way    {figures["quiet_naive_ms"]:.1f} ms
marks where all become stale at once    {figures["all_become_stale_ms"]:.0f} ms
  while they stay so                    {figures["all_stay_stale_ms"]:.0f} ms
  where all become fresh again          {figures["all_become_fresh_ms"]:.0f} ms
counting the rules, once a minute       {figures["count_ms"]:.1f} ms
a look at the site between the counts   {figures["look_ms"]:.1f} ms
ticks of two days, one a second         {figures["kept_ticks"]:,}: {figures["ticks_mb"]:.0f} MB
hours of a year                         {figures["kept_hours"]:,}: {figures["hours_mb"]:.1f} MB
putting an hour together                {figures["roll_up_ms"]:.0f} ms
the pauses of 400 days                  {figures["pauses_of_400_days_ms"]:.0f} ms"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.monitoring", description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--ticks", type=int, default=20, help="quiet ticks of each kind")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.symbols, chosen.ticks) < 1:
        parser.error("each number must be above 0")
    figures = run(
        rules=chosen.rules,
        symbols=chosen.symbols,
        ticks=chosen.ticks,
        fsync=not chosen.no_fsync,
    )
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
