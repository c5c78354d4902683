"""Quotes come in: whom we follow, what is stored, and which symbols need a closer look."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from market.arrays import age_array, plain_array, text_array
from market.bulk import run, send, write
from market.errors import UnknownSymbol
from market.hours import AlwaysOpen
from market.incidents import Said, raise_incidents
from market.providers.replay import Replay
from market.quotes import CLOCK_SKEW, Sample

_NO_SPLIT = (Decimal("0.83"), Decimal("1.5"))  # no split takes a price to between these multiples
_ANY = Decimal("1e18")

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

# Arrays that are shorter are filled up with NULL: where no sample has a note, none is sent. One
# `unnest` in FROM of all of them would keep each array's rows before it puts them together.
_SAMPLES = """
(SELECT unnest(%(symbols)s::text[]) AS symbol,
        unnest(%(prices)s::numeric[]) AS price,
        %(now)s::timestamptz - interval '1 microsecond' * unnest(%(ages)s::bigint[]) AS as_of,
        unnest(%(volumes)s::bigint[]) AS volume,
        unnest(%(previous)s::numeric[]) AS previous_close,
        unnest(%(interpolated)s::boolean[]) AS interpolated,
        unnest(%(notes)s::text[]) AS note) AS sample
"""

# What a price is compared with: the last accepted one, or else the last session's close.
_KNOWN = """
COALESCE(held.price,
         (SELECT bar.close FROM market_dailybar AS bar
           WHERE bar.symbol = sample.symbol
             AND bar.at BETWEEN sample.as_of - interval '7 days' AND sample.as_of
           ORDER BY bar.session DESC LIMIT 1),
         sample.previous_close)
"""

# Whether a price is about as far away as a split would take it: down by one of 5 for 4, 4 for 3,
# 3 for 2, 5 for 2 or a whole number for 1, up by 1 for a whole number. A market that opens after a
# split has moved as well: by less than 5 %, or 3 % where real moves of that size are not rare.
_LIKE_A_SPLIT = """
CASE WHEN sample.price < known.price
     THEN abs(known.price / sample.price - 1.25) <= 0.0375
       OR abs(known.price / sample.price - 1.333333) <= 0.04
       OR abs(known.price / sample.price - 1.5) <= 0.045
       OR abs(known.price / sample.price - 2.5) <= 0.125
       OR abs(known.price / sample.price - round(known.price / sample.price))
          <= 0.05 * round(known.price / sample.price) AND known.price > 1.5 * sample.price
     ELSE abs(sample.price / known.price - round(sample.price / known.price))
          <= 0.05 * round(sample.price / known.price) AND sample.price > 1.5 * known.price
END
"""

# A split takes effect between two days, never within one.
_OF_A_LATER_DAY = """
(sample.as_of AT TIME ZONE 'America/New_York')::date
 > COALESCE((held.as_of AT TIME ZONE 'America/New_York')::date, '-infinity')
"""

# Whatever the market, what is seen is put down by days that end at 16:00 New York, that instant
# included: for those who ask how far the price went, it does not matter which days had a session.
_SESSION_OF = "(({} AT TIME ZONE 'America/New_York') - interval '16 hours 1 microsecond')::date"

# `newer` locks in the order of symbols and, having waited, looks at the row anew. A price that is
# too far from the last one is put aside, unless it confirms the one that was put aside before. One
# that may be a split's is doubted: no second one confirms it, and neither do those that follow it,
# until the split is recorded, support says that it is none, or the price is back where it was. A
# price of another session than the one before begins it, and what was seen in that one is put down;
# that of symbols without a price in this tick as soon as anybody's session has begun.
# (LEAST, GREATEST and COALESCE pass over NULL; without %(jump)s nothing is too far.)
_STORE = """
WITH over AS (
    INSERT INTO market_sessionrange (symbol, opened, low, high)
    SELECT symbol, session_opened, session_low, session_high
      FROM market_quote WHERE session_opened <= %(ends)s AND symbol <> ALL(%(symbols)s::text[])
        ON CONFLICT (symbol, opened) DO NOTHING
), newer AS (
    SELECT sample.*, known.price AS last_price, doubt.doubts,
           held.session_opened, held.session_low, held.session_high,
           COALESCE(held.session_opened > %(boundary)s AND sample.as_of > %(boundary)s
                    OR {session_of_opening} = {session_of_sample}, false) AS goes_on,
           doubt.doubts OR doubt.far AND NOT COALESCE(
               aside.as_of < sample.as_of
               AND sample.price BETWEEN aside.price * (1 - %(jump)s::numeric)
                                    AND aside.price * (1 + %(jump)s::numeric), false) AS jumps
      FROM {samples}
      JOIN market_quote AS held ON held.symbol = sample.symbol
      LEFT JOIN market_feedincident AS aside
        ON aside.symbol = sample.symbol AND aside.kind = 'jump' AND aside.settled_at IS NULL
     CROSS JOIN LATERAL (SELECT {known} AS price) AS known
     CROSS JOIN LATERAL (
         SELECT COALESCE(sample.price > known.price * (1 + %(jump)s::numeric)
                      OR sample.price < known.price * (1 - %(jump)s::numeric), false) AS far,
                %(jump)s::numeric IS NOT NULL
                AND COALESCE(aside.verdict, '') <> 'believed'
                AND COALESCE(
                    aside.verdict = 'doubted'
                        AND (sample.price > known.price * (1 + %(jump)s::numeric / 2)
                          OR sample.price < known.price * (1 - %(jump)s::numeric / 2))
                    OR (sample.price < known.price * {no_split[0]}
                        OR sample.price > known.price * {no_split[1]})
                        AND {like_a_split} AND {of_a_later_day}, false) AS doubts) AS doubt
     WHERE held.as_of IS NULL OR held.as_of < sample.as_of
     ORDER BY held.symbol
       FOR NO KEY UPDATE OF held
), put_aside AS (
    INSERT INTO market_feedincident AS incident
           (symbol, kind, verdict, provider, reason, price, as_of, first_at, last_at)
    SELECT symbol, 'jump', CASE WHEN doubts THEN 'doubted' ELSE 'held' END, %(provider)s,
           format(CASE WHEN doubts
                       THEN '%%s is %%s %%%% away from %%s, the last known price, as after a '
                            'split: held until the split is recorded, or said to be none'
                       ELSE '%%s is %%s %%%% away from %%s, the last known price: held until a '
                            'second quote confirms it' END,
                  trim_scale(price), round(abs(price - last_price) / last_price * 100, 1),
                  trim_scale(last_price)),
           price, as_of, %(now)s, %(now)s
      FROM newer WHERE jumps
        ON CONFLICT (symbol, kind) WHERE settled_at IS NULL DO UPDATE
       SET verdict = CASE WHEN incident.verdict = 'held' THEN excluded.verdict
                          ELSE incident.verdict END,
           reason = excluded.reason, price = excluded.price, as_of = excluded.as_of,
           last_at = excluded.last_at,
           times = incident.times + (excluded.as_of > incident.as_of)::int
), over_for_these AS (
    INSERT INTO market_sessionrange AS seen (symbol, opened, low, high)
    SELECT symbol, session_opened, session_low, session_high
      FROM newer WHERE NOT goes_on AND NOT jumps AND session_opened IS NOT NULL
        ON CONFLICT (symbol, opened) DO UPDATE
       SET low = LEAST(seen.low, excluded.low), high = GREATEST(seen.high, excluded.high)
), settled AS (
    UPDATE market_feedincident AS incident
       SET settled_at = %(now)s,
           outcome = CASE WHEN verdict IN ('held', 'believed')
                           AND newer.price BETWEEN incident.price * (1 - %(jump)s::numeric)
                                               AND incident.price * (1 + %(jump)s::numeric)
                          THEN 'confirmed' ELSE 'ended' END
      FROM newer
     WHERE incident.symbol = newer.symbol AND incident.settled_at IS NULL AND NOT newer.jumps
       AND incident.kind IN ('jump', 'from the future')
)
UPDATE market_quote AS quote
   SET price = newer.price,
       as_of = newer.as_of,
       volume = newer.volume,
       previous_close = newer.previous_close,
       interpolated = COALESCE(newer.interpolated, false),
       note = COALESCE(newer.note, ''),
       received_at = %(now)s,
       provider = %(provider)s,
       session_opened = CASE WHEN goes_on THEN newer.session_opened ELSE newer.as_of END,
       session_low = LEAST(newer.price, CASE WHEN goes_on THEN newer.session_low END),
       session_high = GREATEST(newer.price, CASE WHEN goes_on THEN newer.session_high END)
  FROM newer
 WHERE quote.symbol = newer.symbol AND NOT newer.jumps
""".format(  # noqa: S608 -- constants
    session_of_opening=_SESSION_OF.format("held.session_opened"),
    session_of_sample=_SESSION_OF.format("sample.as_of"),
    samples=_SAMPLES,
    no_split=_NO_SPLIT,
    known=_KNOWN,
    like_a_split=_LIKE_A_SPLIT,
    of_a_later_day=_OF_A_LATER_DAY,
)

# Nearly all prices are plainly the next ones: of the session that goes on, near the one before, and
# nothing is open against the symbol. This stores them in one pass. Two writers wait for each other
# and never for ever if both go by symbol. Rows are updated in the order in which a join yields
# them, and only a merge yields them by symbol whatever it reads: the other joins are switched off
# for this statement, and so is reading the table from end to end, after which it would have to be
# sorted. (To lock the rows first, as _STORE does, takes a third longer.)
_OTHER_WAYS = """
SELECT set_config('enable_hashjoin', %(are)s, true), set_config('enable_nestloop', %(are)s, true),
       set_config('enable_seqscan', %(are)s, true)
"""
_STORE_PLAIN = f"""
UPDATE market_quote AS held
   SET price = sample.price,
       as_of = sample.as_of,
       volume = sample.volume,
       previous_close = sample.previous_close,
       interpolated = COALESCE(sample.interpolated, false),
       note = COALESCE(sample.note, ''),
       received_at = %(now)s,
       provider = %(provider)s,
       session_low = LEAST(session_low, sample.price),
       session_high = GREATEST(session_high, sample.price)
  FROM {_SAMPLES}
 WHERE held.symbol = sample.symbol AND held.as_of < sample.as_of
   AND held.session_opened > %(boundary)s
   AND sample.price BETWEEN held.price * %(least)s AND held.price * %(most)s
   AND NOT EXISTS (SELECT FROM market_feedincident AS incident
                    WHERE incident.symbol = sample.symbol AND incident.settled_at IS NULL
                      AND incident.kind IN ('jump', 'from the future'))
"""  # noqa: S608 -- constants

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
    nobody follows is ignored.

    Raises TransactionManagementError outside a transaction: what is stored and whom it wakes must
    be committed together.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Quotes are accepted in a transaction.")
    sane = _without_future(_newest(samples), now)
    if sane:
        _store(sane, now)
    return [symbol for (symbol,) in run(_BROKEN, [now - max_age])]


def _store(samples: Collection[Sample], now: datetime) -> None:
    params: dict[str, Any] = {"now": now, "provider": settings.MARKET_PROVIDER}
    params |= _believed() | _sessions(samples, now) | _columns(samples, now)
    send("SAVEPOINT plainly", [])
    send(_OTHER_WAYS, {"are": "off"})
    if write(_STORE_PLAIN, params) == len(samples):
        send(_OTHER_WAYS, {"are": "on"})
        send("RELEASE SAVEPOINT plainly", [])
        return
    # The rows are let go of first, so that all are locked in one order.
    send("ROLLBACK TO SAVEPOINT plainly", [])
    write(_STORE, params)


def _believed() -> dict[str, Decimal | None]:
    """How far a price may be from the last one, as a fraction of it (None: any distance), and
    between which multiples of the last one it is plainly the next."""
    jump = _jump()
    if jump is None:
        return {"jump": None, "least": Decimal(0), "most": _ANY}
    return {
        "jump": jump,
        "least": max(1 - jump, _NO_SPLIT[0]),
        "most": min(1 + jump, _NO_SPLIT[1]),
    }


def _jump() -> Decimal | None:
    """How far a price may be from the last one, as a fraction of it. None: any distance.

    What is recorded is not doubted: a replay's sessions take seconds, so that between two looks at
    it any price is possible.
    """
    if Replay.name == settings.MARKET_PROVIDER:
        return None
    return Decimal(settings.MARKET_JUMP_PERCENT) / 100


def _newest(samples: Iterable[Sample]) -> Collection[Sample]:
    """Of several that are of one symbol, the last."""
    said = list(samples)
    newest = {sample.symbol: sample for sample in said}
    if len(newest) < len(said):
        newest = {sample.symbol: sample for sample in sorted(said, key=attrgetter("as_of"))}
    return newest.values()


def _without_future(samples: Collection[Sample], now: datetime) -> list[Sample]:
    latest = now + CLOCK_SKEW
    sane = [sample for sample in samples if sample.as_of <= latest]
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
                if sample.as_of > latest
            ],
            now=now,
        )
    return sane


def _columns(samples: Collection[Sample], now: datetime) -> dict[str, str]:
    interpolated = [sample.interpolated for sample in samples]
    notes = [sample.note for sample in samples]
    return {
        "symbols": text_array([sample.symbol for sample in samples]),
        "prices": plain_array([sample.price for sample in samples]),
        "ages": age_array([sample.as_of for sample in samples], now),
        "volumes": plain_array([sample.volume for sample in samples]),
        "previous": plain_array([sample.previous_close for sample in samples]),
        "interpolated": plain_array(interpolated if any(interpolated) else ()),
        "notes": text_array(notes if any(notes) else ()),
    }


def _sessions(samples: Collection[Sample], now: datetime) -> dict[str, datetime | None]:
    """When the last session ended, and the same if another has begun since: then it is over."""
    boundary = AlwaysOpen().last_close(now)
    begins = any(sample.as_of > boundary for sample in samples)
    return {"boundary": boundary, "ends": boundary if begins else None}
