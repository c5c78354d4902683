"""Quotes come in: whom we follow, what is stored, and which symbols need a closer look."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import connection

from market.arrays import instant_array, plain_array, text_array
from market.bulk import run, write
from market.errors import UnknownSymbol
from market.hours import AlwaysOpen
from market.incidents import Said, raise_incidents
from market.providers.replay import Replay
from market.quotes import CLOCK_SKEW, Sample

_FOLLOW = """
WITH wanted AS (
    SELECT wanted.symbol, instrument.symbol IS NOT NULL AS known
      FROM unnest(%s::text[]) AS wanted(symbol)
      LEFT JOIN market_instrument AS instrument ON instrument.symbol = wanted.symbol
), followed AS (
    INSERT INTO market_quote (symbol)
    SELECT symbol FROM wanted WHERE known ORDER BY symbol
    ON CONFLICT (symbol) DO NOTHING
)
SELECT symbol FROM wanted WHERE NOT known ORDER BY symbol
"""

_SAMPLES = """
    unnest(%(symbols)s::text[], %(prices)s::numeric[], %(as_of)s::timestamptz[],
           %(volumes)s::bigint[], %(previous)s::numeric[], %(interpolated)s::boolean[],
           %(notes)s::text[])
      AS sample(symbol, price, as_of, volume, previous_close, interpolated, note)
"""

# A price that is too far from the last one is put aside, unless it confirms the one that was put
# aside before. (Without %(jump)s nothing is too far, and an incident's row may be missing.)
_IS_NEWER = "(held.as_of IS NULL OR held.as_of < sample.as_of)"
_JUMPS = """
    (COALESCE(sample.price > held.price * (1 + %(jump)s::numeric)
           OR sample.price < held.price * (1 - %(jump)s::numeric), false)
     AND NOT EXISTS (
         SELECT FROM market_feedincident AS aside
          WHERE aside.symbol = sample.symbol AND aside.kind = 'jump' AND aside.settled_at IS NULL
            AND aside.as_of < sample.as_of
            AND sample.price BETWEEN aside.price * (1 - %(jump)s::numeric)
                                 AND aside.price * (1 + %(jump)s::numeric)))
"""

# Two writers wait for each other and never for ever if both go by symbol. Rows are updated in the
# order in which a join yields them, and only a merge yields them by symbol whatever it reads: the
# other joins are switched off for this statement. (To lock the rows first, in a subquery with an
# ORDER BY, takes a third longer.) A price of after the boundary begins a session, and what was
# seen in the one before is put down. (LEAST, GREATEST and COALESCE pass over NULL.)
_JOINS = """
SELECT set_config('enable_hashjoin', %(on)s, true), set_config('enable_nestloop', %(on)s, true)
"""
_STORE = f"""
WITH over AS (
    INSERT INTO market_sessionrange (symbol, opened, low, high)
    SELECT symbol, session_opened, session_low, session_high
      FROM market_quote WHERE session_opened <= %(ends)s
        ON CONFLICT (symbol, opened) DO NOTHING
), settled AS (
    UPDATE market_feedincident AS incident
       SET settled_at = %(now)s,
           outcome = CASE WHEN verdict = 'held'
                           AND sample.price BETWEEN incident.price * (1 - %(jump)s::numeric)
                                                AND incident.price * (1 + %(jump)s::numeric)
                          THEN 'confirmed' ELSE 'ended' END
      FROM {_SAMPLES}, market_quote AS held
     WHERE incident.symbol = sample.symbol AND held.symbol = sample.symbol
       AND incident.settled_at IS NULL AND incident.kind IN ('jump', 'from the future')
       AND EXISTS (SELECT FROM market_feedincident WHERE settled_at IS NULL)
       AND {_IS_NEWER} AND NOT {_JUMPS}
)
UPDATE market_quote AS held
   SET price = sample.price,
       as_of = sample.as_of,
       volume = sample.volume,
       previous_close = sample.previous_close,
       interpolated = sample.interpolated,
       note = sample.note,
       received_at = %(now)s,
       provider = %(provider)s,
       session_opened = COALESCE(CASE WHEN {{goes_on}} THEN session_opened END, sample.as_of),
       session_low = LEAST(sample.price, CASE WHEN {{goes_on}} THEN session_low END),
       session_high = GREATEST(sample.price, CASE WHEN {{goes_on}} THEN session_high END)
  FROM {_SAMPLES}
 WHERE held.symbol = sample.symbol AND {_IS_NEWER} AND NOT {_JUMPS}
""".format(goes_on="session_opened > %(boundary)s OR sample.as_of <= %(boundary)s")  # noqa: S608

_PUT_ASIDE = f"""
INSERT INTO market_feedincident AS incident
       (symbol, kind, verdict, provider, reason, price, as_of, first_at, last_at)
SELECT sample.symbol, 'jump', 'held', %(provider)s,
       format('%%s is %%s %%%% away from %%s, the last accepted price: held until a second '
              'quote confirms it', trim_scale(sample.price),
              round(abs(sample.price - held.price) / held.price * 100, 1), trim_scale(held.price)),
       sample.price, sample.as_of, %(now)s, %(now)s
  FROM {_SAMPLES} JOIN market_quote AS held ON held.symbol = sample.symbol
 WHERE {_IS_NEWER} AND {_JUMPS}
 ORDER BY sample.symbol
    ON CONFLICT (symbol, kind) WHERE settled_at IS NULL DO UPDATE
   SET reason = excluded.reason, price = excluded.price, as_of = excluded.as_of,
       last_at = excluded.last_at,
       times = incident.times + (excluded.as_of > incident.as_of)::int
"""  # noqa: S608

_BROKEN = """
SELECT symbol
  FROM market_quote
 WHERE as_of >= %s
   AND (price <= alert_below OR price >= alert_above OR volume >= alert_volume)
 ORDER BY symbol
"""


def follow(*, symbols: Collection[str]) -> None:
    """Makes sure that each of these symbols has a quote's row, for prices and alerts to go to.

    Raises UnknownSymbol, naming those that are no instrument; the others are followed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOW, [sorted(set(symbols))])
        unknown = [symbol for (symbol,) in cursor.fetchall()]
    if unknown:
        raise UnknownSymbol(
            f"Not known here: {', '.join(unknown)}. Add an instrument first, in the admin or with "
            "`manage.py import_bars FILE`."
        )


def accept_quotes(*, samples: Iterable[Sample], now: datetime, max_age: timedelta) -> list[str]:
    """Stores what is newer than what we have, and tells which symbols need a closer look.

    Those are all symbols whose stored quote is at most `max_age` old at `now` and breaks an alert
    level, whether this call stored it or an earlier one: a level that was set meanwhile is not
    missed. A sample from the future is refused, and one of a live feed that jumps is held until a
    second one confirms it; both are recorded as incidents and fire nothing. One of a symbol that
    nobody follows is ignored. Belongs in a transaction of the caller's.
    """
    newest = {sample.symbol: sample for sample in sorted(samples, key=attrgetter("as_of"))}
    sane = _without_future(newest.values(), now)
    if sane:
        _store(sane, now)
    return [symbol for (symbol,) in run(_BROKEN, [now - max_age])]


def _store(samples: Collection[Sample], now: datetime) -> None:
    jump = _jump()
    params: dict[str, Any] = {"now": now, "provider": settings.MARKET_PROVIDER, "jump": jump}
    params |= _sessions(samples, now) | _columns(samples)
    run(_JOINS, {"on": "off"})
    stored = write(_STORE, params)
    run(_JOINS, {"on": "on"})
    if jump is not None and stored < len(samples):
        write(_PUT_ASIDE, params)


def _jump() -> Decimal | None:
    """How far a price may be from the last one, as a fraction of it. None: any distance.

    What is recorded is not doubted: a replay's sessions take seconds, so that between two looks at
    it any price is possible.
    """
    if Replay.name == settings.MARKET_PROVIDER:
        return None
    return Decimal(settings.MARKET_JUMP_PERCENT) / 100


def _without_future(samples: Collection[Sample], now: datetime) -> list[Sample]:
    sane = [sample for sample in samples if sample.as_of <= now + CLOCK_SKEW]
    if len(sane) < len(samples):
        raise_incidents(
            said=[
                Said(
                    sample.symbol,
                    "from the future",
                    f"it is said to be of {sample.as_of.isoformat()}, and it is {now.isoformat()}",
                    price=sample.price,
                    as_of=sample.as_of,
                )
                for sample in samples
                if sample.as_of > now + CLOCK_SKEW
            ],
            now=now,
        )
    return sane


def _columns(samples: Collection[Sample]) -> dict[str, str]:
    return {
        "symbols": text_array(sample.symbol for sample in samples),
        "prices": plain_array(sample.price for sample in samples),
        "as_of": instant_array(sample.as_of for sample in samples),
        "volumes": plain_array(sample.volume for sample in samples),
        "previous": plain_array(sample.previous_close for sample in samples),
        "interpolated": plain_array(sample.interpolated for sample in samples),
        "notes": text_array(sample.note for sample in samples),
    }


def _sessions(samples: Collection[Sample], now: datetime) -> dict[str, datetime | None]:
    """The instant after which a price is of a new session, and whether sessions end there now.

    Whatever the market, what is seen is put down by days that end at 16:00 New York: for those who
    ask how far the price went, it does not matter which of the days had a session.
    """
    boundary = AlwaysOpen().last_close(now)
    begins = any(sample.as_of > boundary for sample in samples)
    return {"boundary": boundary, "ends": boundary if begins else None}
