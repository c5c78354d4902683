"""The best prices that rules follow while they sleep: kept once a symbol, not once a rule.

What WaterMark says in one place: a symbol's marks are a stack, newest on top, the best at the
bottom. A price that beats marks beats those on top, and merges them into the oldest of them; all
rules that follow any of them follow that one from then on, without their rows being touched.

Whoever changes a symbol's stack holds its alert levels locked (market's `lock_alerts`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from uuid import UUID

from django.db import connection

from actions.models import WaterMark
from actions.turns import Turn, Turning
from market.arrays import plain_array, text_array
from market.bulk import run, send
from portfolios.money import PRICE_STEP

# The moves of all broken symbols' marks in one statement, whatever the number of rules.
_ADVANCE = """
WITH beaten AS (
    SELECT m.id, q.price, min(m.id) OVER stack AS kept, min(m.least) OVER stack AS least
      FROM market_quote q JOIN water_marks m ON m.symbol = q.symbol
     WHERE q.symbol = ANY(%s::text[])
       AND CASE WHEN m.turning LIKE 'falls%%' THEN m.price < q.price ELSE m.price > q.price END
    WINDOW stack AS (PARTITION BY m.symbol, m.turning)
), merged AS (
    DELETE FROM water_marks m USING beaten WHERE m.id = beaten.id AND beaten.id > beaten.kept
)
UPDATE water_marks m SET price = beaten.price, least = beaten.least
  FROM beaten WHERE m.id = beaten.id AND beaten.id = beaten.kept
RETURNING m.symbol
"""

_STACKS = """
SELECT (SELECT max(m.id) FROM water_marks m
         WHERE m.symbol = asked.symbol AND m.turning = asked.turning AND m.price = asked.best),
       (SELECT m.price FROM water_marks m
         WHERE m.symbol = asked.symbol AND m.turning = asked.turning ORDER BY m.id DESC LIMIT 1)
  FROM unnest(%s::text[], %s::text[], %s::numeric[])
       WITH ORDINALITY AS asked(symbol, turning, best, n)
 ORDER BY asked.n
"""

_LOWER = """
UPDATE water_marks m SET least = LEAST(m.least, asked.least)
  FROM unnest(%s::bigint[], %s::numeric[]) AS asked(id, least)
 WHERE m.id = asked.id AND (m.least IS NULL OR asked.least < m.least)
"""

# A mark's rules are those that began to follow at it or later, and before the next one above it.
_TIDY = """
WITH marks AS (
    SELECT id, symbol, turning,
           lead(id, 1, 9223372036854775807) OVER (PARTITION BY symbol, turning ORDER BY id) AS next
      FROM water_marks WHERE symbol = ANY(%s::text[])
), used AS (
    SELECT marks.id, rules.count, rules.least
      FROM marks CROSS JOIN LATERAL (
          SELECT count(*), min(w.turn_by) AS least FROM watches w
           WHERE w.symbol = marks.symbol AND w.turning = marks.turning
             AND w.water_mark >= marks.id AND w.water_mark < marks.next) AS rules
), gone AS (
    DELETE FROM water_marks m USING used WHERE m.id = used.id AND used.count = 0
)
UPDATE water_marks m SET least = used.least
  FROM used WHERE m.id = used.id AND used.count > 0 AND m.least IS DISTINCT FROM used.least
"""

_FOLLOWED = """
SELECT w.action_id, w.turning, mark.price, w.turn_by
  FROM watches w CROSS JOIN LATERAL (
      SELECT m.price FROM water_marks m
       WHERE m.symbol = w.symbol AND m.turning = w.turning AND m.id <= w.water_mark
       ORDER BY m.id DESC LIMIT 1) AS mark
 WHERE w.action_id = ANY(%s) AND w.turning IS NOT NULL
"""

Place = tuple[str, Turning, Decimal]  # of which symbol and turning, and how high


def place(symbol: str, turn: Turn) -> Place:
    return symbol, turn.turning, turn.best


def advance(*, symbols: Collection[str]) -> list[str]:
    """Moves the marks of `symbols` that their stored prices beat. Returns the symbols of these."""
    return sorted({symbol for (symbol,) in run(_ADVANCE, [text_array(symbols)])})


def follow(turns: Iterable[tuple[str, Turn]]) -> Mapping[Place, int]:
    """The mark at which each of these turns of a symbol begins to follow, made where it is missing.

    A best price that is better than the newest mark's, and no mark's, has no place in the stack.
    Such a rule waits for its next best price on its own: with it, it is at the top.
    """
    least: dict[Place, Decimal | None] = {}
    for symbol, turn in turns:
        if turn.best % PRICE_STEP == 0:  # another one is no price (after a split), and no mark's
            key = place(symbol, turn)
            least[key] = min(
                (by for by in (least.get(key), turn.by) if by is not None), default=None
            )
    found: dict[Place, int] = {}
    missing: dict[Place, WaterMark] = {}
    for key, (same, newest) in _stacks(least):
        symbol, turning, best = key
        if same is not None:
            found[key] = same
        elif newest is None or Turn(turning, best).beaten(newest):
            missing[key] = WaterMark(symbol=symbol, turning=turning, price=best, least=least[key])
    _lower({id: least[key] for key, id in found.items()})
    made = WaterMark.objects.bulk_create(missing.values())
    return found | {key: mark.pk for key, mark in zip(missing, made, strict=True)}


def tidy(*, symbols: Collection[str]) -> None:
    """Removes the marks that nobody follows any more, and asks the others' rules for the least."""
    send(_TIDY, [text_array(symbols)])


def followed(*, action_ids: Collection[UUID]) -> Mapping[UUID, Turn]:
    """What these sleeping rules follow, with the best price until now; not all of them do."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWED, [list(action_ids)])
        return {id: Turn(Turning(turning), *levels) for id, turning, *levels in cursor.fetchall()}


def _stacks(
    places: Iterable[Place],
) -> Iterator[tuple[Place, tuple[int | None, Decimal | None]]]:
    """For each place, the mark that is there and the newest mark's price, if any.

    The worse prices of a stack come later, so that marks that are made in this order have their
    place in it.
    """
    upwards = sorted(places, key=lambda each: each[2])
    ordered = [each for each in reversed(upwards) if each[1].falls]
    ordered += [each for each in upwards if not each[1].falls]
    columns = (
        text_array(symbol for symbol, _, _ in ordered),
        text_array(turning for _, turning, _ in ordered),
        plain_array(best for _, _, best in ordered),
    )
    with connection.cursor() as cursor:
        cursor.execute(_STACKS, columns)
        return zip(ordered, cursor.fetchall(), strict=True)


def _lower(least: Mapping[int, Decimal | None]) -> None:
    asked = {id: by for id, by in least.items() if by is not None}
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_LOWER, [plain_array(asked), plain_array(asked.values())])
