"""Which of somebody's rules are nearest to waking: told by the database, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from actions.meter import Meter, meter
from actions.models import Action
from actions.rules import Band
from actions.watches import on_grid
from actions.why import Distance

# Each rule's nearest level: of its bands by symbol, and where it follows a turn, of the stop as it
# is by now (water_marks.followed says the same of some rules).
_NEAREST = """
SELECT DISTINCT ON (level.action_id) level.*,
       LEAST(abs(level.low - level.price), abs(level.high - level.price)) / level.price AS away
  FROM (SELECT w.action_id, w.symbol AS watched, q.price,
               CASE w.turning WHEN 'falls_percent' THEN mark.price * (100 - w.turn_by) * 0.01
                              WHEN 'falls_usd' THEN mark.price - w.turn_by
                              ELSE w.below END AS low,
               CASE w.turning WHEN 'rises_percent' THEN mark.price * (100 + w.turn_by) * 0.01
                              WHEN 'rises_usd' THEN mark.price + w.turn_by
                              ELSE w.above END AS high
          FROM watches w
          JOIN mine ON mine.id = w.action_id AND mine.status = 'active'
          JOIN market_quote q ON q.symbol = w.symbol AND q.price IS NOT NULL
          LEFT JOIN LATERAL (
              SELECT m.price FROM water_marks m
               WHERE w.turning IS NOT NULL  -- or else nothing is looked up
                 AND m.symbol = w.symbol AND m.turning = w.turning AND m.id <= w.water_mark
               ORDER BY m.id DESC LIMIT 1) AS mark ON true) AS level
 WHERE level.low > 0 OR level.high > 0
 ORDER BY level.action_id, away
"""

# Rules are wide: those that are shown are read once it is known which.
_OF_USER = f"""
WITH mine AS (SELECT id, status FROM actions WHERE user_id = %(user)s AND status = 'active'),
     nearest AS (SELECT * FROM ({_NEAREST}) AS near
                  ORDER BY near.away, near.action_id LIMIT %(limit)s)
SELECT a.*, near.watched, near.price AS seen, near.low, near.high
  FROM nearest AS near JOIN actions a ON a.id = near.action_id
 ORDER BY near.away, a.id
"""  # noqa: S608 -- constants

# Of the rules that a statement of the ORM finds: those that wait for no price come last.
_IN_ORDER = f"""
WITH mine AS ({{rules}})
SELECT mine.id FROM mine LEFT JOIN ({_NEAREST}) AS near ON near.action_id = mine.id
 ORDER BY near.away, mine.created_at DESC, mine.id
 LIMIT %s OFFSET %s
"""  # noqa: S608 -- constants

# A rule is on a symbol that it trades, watches or has a target for. Those that are over come last.
_ON_SYMBOL = f"""
WITH mine AS (
    SELECT id, status FROM actions
     WHERE user_id = %(user)s
       AND (symbol = %(symbol)s OR trigger_params ->> 'symbol' = %(symbol)s
            OR action_params -> 'targets' ? %(symbol)s)
)
SELECT a.*, near.watched, near.price AS seen, near.low, near.high
  FROM mine JOIN actions a ON a.id = mine.id
  LEFT JOIN ({_NEAREST}) AS near ON near.action_id = a.id
 ORDER BY array_position('{{active,paused,failed}}', a.status), near.away, a.created_at DESC, a.id
 LIMIT %(limit)s
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Nearness:
    """A rule, and the way to the level that wakes it, if it waits for one."""

    action: Action
    meter: Meter | None


def nearest_rules(*, user: User, limit: int) -> Sequence[Nearness]:
    """The active rules of the user that are nearest, in percent, to a level that wakes them; one
    statement. Rules that wait for no price are none of them."""
    found = Action.objects.raw(_OF_USER, {"user": user.pk, "limit": limit})
    return [Nearness(action, _meter(action)) for action in found]


def rules_on(*, user: User, symbol: str, limit: int) -> Sequence[Nearness]:
    """The user's rules on a symbol, those that are active first, the nearest of them first; one
    statement."""
    params = {"user": user.pk, "symbol": symbol, "limit": limit}
    found = Action.objects.raw(_ON_SYMBOL, params)
    return [Nearness(action, _meter(action)) for action in found]


def ids_of_nearest(*, rules: QuerySet[Action], begin: int, end: int) -> Sequence[UUID]:
    """The ids of these rules from one place in their order to another, the nearest to a level that
    wakes it first; one statement."""
    found = rules.order_by().values("id", "status", "created_at").query
    sql, params = found.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_IN_ORDER.format(rules=sql), [*params, end - begin, begin])
        return [id for (id,) in cursor.fetchall()]


def _meter(row: Action) -> Meter | None:
    """Of a row with the level that `_NEAREST` found for it."""
    seen: Decimal | None = vars(row)["seen"]
    low, high = vars(row)["low"], vars(row)["high"]
    band = on_grid(Band(below=low, above=high))
    levels = [level for level in (band.below, band.above) if level is not None]
    if seen is None or not levels:
        return None
    symbol = str(vars(row)["watched"])
    distances = (Distance(symbol, seen, level) for level in levels)
    return meter(band=band, distance=min(distances, key=lambda one: abs(one.to_go)))
