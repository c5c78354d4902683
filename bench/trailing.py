"""Trailing stops that are all at new highs, tick after tick, on symbols of their own.

Beside them the same rules as if each kept its peak by itself: woken, judged and settled one by one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.db import connection, transaction

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action
from actions.watches import widen_alerts
from bench.market import Prepared, prepared_feed, samples
from bench.timing import median_ms, timed
from market.models import Instrument
from market.services import follow

TICK = timedelta(seconds=10)
RISE = Decimal("0.002")  # a tick, of the first price; less than any stop is away
ALONE = 2_000  # rules that keep their peaks by themselves: enough for a mean
ROUNDS_ALONE = 3
STARTS = 5  # prices at which the rules of a symbol began: so many marks until the first new high

# Rules that began while the price fell from 5 % above what it is now.
_MARKS = """
INSERT INTO water_marks (symbol, turning, price, least)
SELECT symbol, 'falls_percent', round(price * (1 + 0.01 * start), 2), 8
  FROM unnest(%(symbols)s::text[], %(prices)s::numeric[]) AS quote(symbol, price),
       generate_series(%(starts)s, 1, -1) AS start
"""

_RULES = """
WITH drawn AS (
    SELECT n, (%(symbols)s::text[])[n %% cardinality(%(symbols)s::text[]) + 1] AS symbol,
           8 + n * 0.6180339887498949 %% 1 * 12 AS percent
      FROM generate_series(0, %(rules)s - 1) AS n
), placed AS (
    SELECT drawn.*, mark.id AS mark, mark.price AS peak
      FROM drawn CROSS JOIN LATERAL (
          SELECT id, price FROM water_marks WHERE symbol = drawn.symbol
           ORDER BY id OFFSET n / cardinality(%(symbols)s::text[]) %% %(starts)s LIMIT 1) AS mark
), rules AS (
    INSERT INTO actions (user_id, action_type, symbol, trigger_type, trigger_params, runtime_state,
                         notes, valid_from, last_evaluated_at, created_at, updated_at)
    SELECT %(user)s, 'NOTIFY', symbol, 'trailing_stop',
           jsonb_build_object('percent', round(percent, 2)::text),
           jsonb_build_object('peak', peak::text), mark::text, %(at)s, %(at)s, %(at)s, %(at)s
      FROM placed
    RETURNING id, symbol, trigger_params, notes
)
INSERT INTO watches (action_id, symbol, turning, turn_by, water_mark)
SELECT id, symbol, 'falls_percent', (trigger_params->>'percent')::numeric, notes::bigint FROM rules
"""

_PART = """
UPDATE watches w
   SET turning = NULL, turn_by = NULL, water_mark = NULL,
       above = (a.runtime_state->>'peak')::numeric + 0.000001,
       below = round((a.runtime_state->>'peak')::numeric * (100 - w.turn_by) * 0.01 - 0.0000005, 6)
  FROM actions a
 WHERE a.id = w.action_id AND w.turning IS NOT NULL
"""


class TrailingStops:
    """`rules` trailing stops over so many symbols, beside whatever else there is."""

    def __init__(self, *, symbols: int, at: datetime, say: Callable[[str], None]) -> None:
        self.prices = {
            f"T{n:05d}": Decimal(2000 + n * 7919 % 48_000).scaleb(-2) for n in range(symbols)
        }
        self._now = at
        self._steps = 0
        self._say = say
        self._user = User.objects.create(username="bench-trailing")
        Instrument.objects.bulk_create([Instrument(symbol=symbol) for symbol in self.prices])
        follow(symbols=self.prices)

    def measure(self, *, rules: int, ticks: int) -> dict[str, Any]:
        """New highs of all rules, with the marks and without."""
        with prepared_feed() as feed:
            self._say(f"{rules:,} trailing stops: making them ...")
            self.make(rules)
            self._say(f"{rules:,} trailing stops: new highs ...")
            first = self._new_high(feed, wakes=0)
            highs = [self._new_high(feed, wakes=0) for _ in range(ticks)]
            self._forget()
            alone = self._alone(feed, min(rules, ALONE))
        return {
            "trailing": rules,
            "first_high_ms": median_ms([first]),
            "new_high_ms": median_ms(highs),
            "us_per_rule": median(highs) / rules * 1e6,
            "alone_us_per_rule": alone,
        }

    def make(self, rules: int) -> None:
        """Adds rules, asleep, with the marks that they follow."""
        parameters: dict[str, Any] = {
            "symbols": list(self.prices),
            "prices": list(self.prices.values()),
            "rules": rules,
            "starts": STARTS,
            "user": self._user.pk,
            "at": self._now - timedelta(days=1),
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_MARKS, parameters)
            cursor.execute(_RULES, parameters)
            widen_alerts(symbols=self.prices)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)")

    def _new_high(self, feed: Prepared, *, wakes: int) -> float:
        """Seconds of a tick in which every price is higher than any before."""
        self._now += TICK
        self._steps += 1
        rise = RISE * self._steps + STARTS * Decimal("0.01")
        moves = dict.fromkeys(self.prices, rise)
        feed.samples = samples(self.prices, self._now, moves)
        seconds, report = timed(lambda: run_tick(now=self._now))
        assert report.woken == wakes, f"{report.woken} woken, not {wakes}"
        assert not report.fired
        return seconds

    def _alone(self, feed: Prepared, rules: int) -> float:
        """Microseconds a rule that is woken at each new high. Without stop, each follows again."""
        self.make(rules)
        rounds = []
        for _ in range(ROUNDS_ALONE):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_PART)
                widen_alerts(symbols=self.prices)
            rounds.append(self._new_high(feed, wakes=rules))
        return median(rounds) / rules * 1e6

    def _forget(self) -> None:
        Action.objects.filter(user=self._user).delete()
        with transaction.atomic():
            widen_alerts(symbols=self.prices)
