"""The record of the ticks: what is kept of old ones, and when none ran."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.db import connection

from market.bulk import send

_RECORD = """
INSERT INTO ticks (started_at, duration, next_in, symbols, woken, fired, errors)
VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb)
"""

KEEP_TICKS = timedelta(days=2)
# An hour is put together when its last tick, which is stored at its end, is surely there.
_LATE = timedelta(minutes=10)
# When the pause began that ends with the first tick of all.
EVER = datetime(1970, 1, 1, tzinfo=UTC)

# The ticks after the last hour that was put together, each with how long before it nothing ran; the
# one before them tells of the pause that ends with the first. What is allowed is what
# coverage.missed_after says.
_PAUSES = """
done AS (
    SELECT COALESCE(max(hour) + interval '1 hour', %(ever)s) AS until FROM tick_hours
), first AS (
    SELECT COALESCE(max(started_at), %(ever)s) AS at
      FROM ticks, done WHERE started_at < GREATEST(done.until, %(since)s)
), looked AS (
    SELECT tick.*,
           COALESCE(max(started_at + duration) OVER before, %(ever)s) AS quiet_since,
           COALESCE(GREATEST(3 * lag(next_in) OVER before_it, interval '10 seconds'),
                    interval '0') AS allowed
      FROM ticks AS tick, first
     WHERE started_at >= first.at AND started_at < %(until)s
    WINDOW before AS (ORDER BY started_at, id
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
           before_it AS (ORDER BY started_at, id)
)
"""

_ROLL_UP = f"""
WITH {_PAUSES}, fresh AS (
    SELECT looked.* FROM looked, done WHERE started_at >= done.until
), gaps AS (
    INSERT INTO tick_gaps (since, until)
    SELECT quiet_since, started_at FROM fresh WHERE started_at - quiet_since > allowed
        ON CONFLICT (since) DO NOTHING
), hours AS (
    INSERT INTO tick_hours (hour, ticks, woken, fired, faults, longest, longest_pause)
    SELECT date_trunc('hour', started_at, 'UTC'), count(*), sum(woken), sum(fired),
           sum(jsonb_array_length(errors)), max(duration),
           max(CASE WHEN quiet_since > %(ever)s
                    THEN GREATEST(started_at - quiet_since, interval '0') ELSE interval '0' END)
      FROM fresh GROUP BY 1
        ON CONFLICT (hour) DO NOTHING
)
DELETE FROM ticks USING done
 WHERE started_at < LEAST(%(forget)s, done.until)
   AND started_at < (SELECT max(started_at) FROM ticks WHERE started_at < done.until)
"""  # noqa: S608 -- constants

# What is kept, what the ticks since tell, and the pause that lasts. Where there is no tick and no
# hour was put together, none ever ran.
_WITHOUT_TICK = f"""
WITH {_PAUSES}, last AS (
    SELECT started_at + duration AS ended, next_in
      FROM ticks WHERE started_at < %(until)s ORDER BY started_at DESC LIMIT 1
)
SELECT since, until FROM tick_gaps WHERE since < %(until)s AND until > %(since)s
 UNION
SELECT quiet_since, started_at FROM looked, first
 WHERE started_at - quiet_since > allowed AND started_at > GREATEST(first.at, %(since)s)
 UNION
SELECT ended, %(until)s FROM last
 WHERE %(until)s - ended > GREATEST(3 * next_in, interval '10 seconds')
 UNION
SELECT %(ever)s, %(until)s
 WHERE NOT EXISTS (SELECT FROM last) AND NOT EXISTS (SELECT FROM tick_hours)
 ORDER BY 1
"""  # noqa: S608 -- constants

_TOTALS = """
WITH done AS (
    SELECT COALESCE(max(hour) + interval '1 hour', %(ever)s) AS until,
           sum(ticks) AS ticks, sum(woken) AS woken, sum(fired) AS fired, sum(faults) AS faults
      FROM tick_hours
)
SELECT COALESCE(max(done.ticks), 0) + count(tick.id),
       COALESCE(max(done.woken), 0) + COALESCE(sum(tick.woken), 0),
       COALESCE(max(done.fired), 0) + COALESCE(sum(tick.fired), 0),
       COALESCE(max(done.faults), 0) + COALESCE(sum(jsonb_array_length(tick.errors)), 0)
  FROM done LEFT JOIN ticks AS tick ON tick.started_at >= done.until
"""


def record_tick(
    *,
    started_at: datetime,
    duration: timedelta,
    next_in: timedelta,
    symbols: int,
    woken: int,
    fired: int,
    errors: Sequence[str],
) -> None:
    """Records that a tick ran. Nobody need wait for the disk: what a crash takes back is a tick
    whose prices may be gone as well, so that the record says less than was done and never more."""
    counts = (symbols, woken, fired, orjson.dumps(errors).decode())
    send(_RECORD, [started_at, duration, next_in, *counts])


def roll_up_ticks(*, now: datetime) -> int:
    """Puts together the hours that are over, and forgets ticks that are two days old.

    One statement, which any number of processes may run at once. It forgets what an earlier one has
    put together, save for the newest tick of that: the pause that begins with it may still end.
    Returns how many were forgotten.
    """
    until = (now - _LATE).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "ever": EVER,
            "since": EVER,
            "until": until,
            "forget": now - KEEP_TICKS,
        }
        cursor.execute(_ROLL_UP, values)
        return int(cursor.rowcount)


class Totals(NamedTuple):
    """Of all ticks there ever were: how many, rules woken, executions, lines of what went wrong."""

    ticks: int
    woken: int
    fired: int
    faults: int


def totals() -> Totals:
    """From the hours that are put together, and the ticks since. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"ever": EVER})
        return Totals(*map(int, cursor.fetchone()))


def without_tick(*, since: datetime, until: datetime) -> Sequence[tuple[datetime, datetime]]:
    """The spans between these instants in which no tick ran, from the end of one to the beginning
    of the next; the last one ends at `until` where none has run since. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT_TICK, {"ever": EVER, "since": since, "until": until})
        return list(cursor.fetchall())
