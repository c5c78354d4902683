"""Everything that writes the market's tables or asks its provider: each function is one use case.

Instants are handed in. Rows of quotes are always locked in the order of their symbols, so that two
writers wait for each other and never for ever.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import Max, Min

from market.arrays import instant_array, plain_array, text_array
from market.hours import AlwaysOpen, TradingCalendar
from market.models import DailyBar, Instrument, PastQuote, Quote, ReplayRun, SessionRange
from market.providers import Provider
from market.providers.replay import PHASES, Replay
from market.quotes import CLOCK_SKEW, AlertLevels, Bar, Sample, max_age

logger = logging.getLogger(__name__)


class ProviderError(RuntimeError):
    """The provider did not answer, or not sensibly. Its own exception is the cause."""


class UnknownSymbol(ValueError):
    """A symbol that is no instrument, or that nobody follows."""


class ReplayRefused(ValueError):
    """A replay that cannot be played as asked: says what can."""


# --- Where quotes come from ---


class _Feed(NamedTuple):
    connect: Callable[[], Provider]
    default_calendar: TradingCalendar  # while there is nothing to connect to


def provider() -> Provider:
    """The feed that MARKET_PROVIDER names.

    Raises ImproperlyConfigured for a name that is not known, ProviderError for a replay that has
    nothing to play yet.
    """
    return _feed().connect()


def calendar() -> TradingCalendar:
    """The sessions of the market that MARKET_PROVIDER quotes. Asks no network."""
    feed = _feed()
    try:
        return feed.connect().calendar
    except ProviderError:
        return feed.default_calendar


def _feed() -> _Feed:
    feeds: dict[str, _Feed] = {Replay.name: _Feed(replay, AlwaysOpen())}
    try:
        return feeds[settings.MARKET_PROVIDER]
    except KeyError:
        raise ImproperlyConfigured(
            f"MARKET_PROVIDER={settings.MARKET_PROVIDER!r} is not known. "
            f"Use one of: {', '.join(feeds)}."
        ) from None


def replay() -> Replay:
    """The replay that plays in every process: the newest run.

    Raises ProviderError, naming the command that helps, without a run or without bars.
    """
    run = ReplayRun.objects.order_by("-id").first()
    if run is None:
        raise ProviderError(
            "No replay has been started. Start one with "
            "`manage.py replay --from 2008-09-02 --session-seconds 2`."
        )
    return _replay_of(run)


@lru_cache(maxsize=1)  # by the run's primary key: the bars are read once a run and process
def _replay_of(run: ReplayRun) -> Replay:
    columns = ("instrument_id", "at", "open", "high", "low", "close", "volume")
    bars: dict[str, list[Bar]] = {}
    for row in DailyBar.objects.values_list(*columns).iterator(chunk_size=5000):
        bars.setdefault(row[0], []).append(Bar(*row))
    try:
        return Replay(bars, run.started_at, run.first_session, float(run.session_seconds))
    except ValueError as nothing_to_play:
        raise ProviderError(
            f"{nothing_to_play} Import some with `manage.py import_bars FILE`."
        ) from None


def fetch_quotes(*, symbols: Collection[str], now: datetime) -> list[Sample]:
    """What the provider says about these symbols; one that it does not know is absent.

    Belongs outside any transaction: it may take as long as a network call. Raises ProviderError
    with the provider's exception as its cause.
    """
    feed = provider()
    try:
        return feed.fetch(symbols, now)
    except Exception as error:  # whatever a provider fails with, for the caller it is one case
        raise ProviderError(f"{feed.name}: {type(error).__name__}: {error}") from error


def completed_sessions(
    *, symbols: Collection[str], now: datetime, sessions: int
) -> dict[str, tuple[Bar, ...]]:
    """Each symbol's last `sessions` completed sessions at `now`, oldest first; it may have fewer.

    Raises ProviderError with the provider's exception as its cause.
    """
    feed = provider()
    try:
        return feed.history(symbols, now, sessions)
    except Exception as error:  # as in fetch_quotes
        raise ProviderError(f"{feed.name}: {type(error).__name__}: {error}") from error


# --- The latest quotes ---

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

# The inner SELECT locks in the order of symbols and, having waited, looks at the row anew. A price
# of after the boundary begins a session: what was seen in the one before it is put down first.
_STORE = """
WITH over AS (
    INSERT INTO market_sessionrange (symbol, opened, low, high)
    SELECT symbol, session_opened, session_low, session_high
      FROM market_quote WHERE session_opened <= %(boundary)s
        ON CONFLICT (symbol, opened) DO NOTHING
)
UPDATE market_quote AS quote
   SET price = newer.price,
       as_of = newer.as_of,
       volume = newer.volume,
       previous_close = newer.previous_close,
       interpolated = newer.interpolated,
       note = newer.note,
       received_at = %(now)s,
       provider = %(provider)s,
       session_opened = CASE WHEN begins THEN newer.as_of ELSE newer.session_opened END,
       session_low = CASE WHEN begins THEN newer.price
                          ELSE LEAST(newer.session_low, newer.price) END,
       session_high = CASE WHEN begins THEN newer.price
                           ELSE GREATEST(newer.session_high, newer.price) END
  FROM (
    SELECT sample.*, held.session_opened, held.session_low, held.session_high,
           held.session_opened IS NULL
               OR held.session_opened <= %(boundary)s AND sample.as_of > %(boundary)s AS begins
      FROM unnest(%(symbols)s::text[], %(prices)s::numeric[], %(as_of)s::timestamptz[],
                  %(volumes)s::bigint[], %(previous)s::numeric[], %(interpolated)s::boolean[],
                  %(notes)s::text[])
        AS sample(symbol, price, as_of, volume, previous_close, interpolated, note)
      JOIN market_quote AS held ON held.symbol = sample.symbol
     WHERE held.as_of IS NULL OR held.as_of < sample.as_of
     ORDER BY held.symbol
       FOR NO KEY UPDATE OF held
  ) AS newer
 WHERE quote.symbol = newer.symbol
"""

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
    missed. A sample from the future is refused with a line in the log; one of a symbol that nobody
    follows is ignored. Two statements, for the caller's transaction.
    """
    newest = {sample.symbol: sample for sample in sorted(samples, key=attrgetter("as_of"))}
    sane = _without_future(newest.values(), now)
    with connection.cursor() as cursor:
        if sane:
            cursor.execute(
                _STORE,
                {
                    "now": now,
                    "provider": settings.MARKET_PROVIDER,
                    "boundary": _session_boundary(sane, now),
                    **_columns(sane),
                },
            )
        cursor.execute(_BROKEN, [now - max_age])
        return [symbol for (symbol,) in cursor.fetchall()]


def _without_future(samples: Collection[Sample], now: datetime) -> list[Sample]:
    sane = [sample for sample in samples if sample.as_of <= now + CLOCK_SKEW]
    if len(sane) < len(samples):
        first = max(samples, key=attrgetter("as_of"))
        logger.warning(
            "Refused %d quotes from the future: %s says %s, it is %s.",
            len(samples) - len(sane),
            first.symbol,
            first.as_of.isoformat(),
            now.isoformat(),
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


def _session_boundary(samples: Collection[Sample], now: datetime) -> datetime | None:
    """The instant after which a price is of a new session; None where none of these is.

    Whatever the market, what is seen is put down by days that end at 16:00 New York: for those who
    ask how far the price went, it does not matter which of the days had a session.
    """
    boundary = AlwaysOpen().last_close(now)
    return boundary if any(sample.as_of > boundary for sample in samples) else None


# --- Alert levels ---

# GREATEST and LEAST pass over NULL. The upsert reads each row's newest version and locks it even
# where the WHERE then finds nothing to write: without that lock, a concurrent replace_alerts that
# has not seen our caller's reason could widen the level behind our back.
_NARROW = """
INSERT INTO market_quote AS quote (symbol, alert_below, alert_above, alert_volume)
SELECT * FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::bigint[]) AS asked(symbol)
 ORDER BY asked.symbol
ON CONFLICT (symbol) DO UPDATE
   SET alert_below = GREATEST(quote.alert_below, excluded.alert_below),
       alert_above = LEAST(quote.alert_above, excluded.alert_above),
       alert_volume = LEAST(quote.alert_volume, excluded.alert_volume)
 WHERE (quote.alert_below, quote.alert_above, quote.alert_volume) IS DISTINCT FROM
       (GREATEST(quote.alert_below, excluded.alert_below),
        LEAST(quote.alert_above, excluded.alert_above),
        LEAST(quote.alert_volume, excluded.alert_volume))
"""

_REPLACE = """
UPDATE market_quote AS quote
   SET alert_below = asked.below, alert_above = asked.above, alert_volume = asked.volume
  FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::bigint[])
    AS asked(symbol, below, above, volume)
 WHERE quote.symbol = asked.symbol
"""


def narrow_alerts(*, levels: Mapping[str, AlertLevels]) -> None:
    """Tightens the symbols' alert levels where these are tighter. Never loosens one.

    Belongs in the transaction that writes the reason for them. A symbol that nobody followed is
    followed from now on; one that is no instrument fails that transaction's commit.
    """
    _write_levels(_NARROW, levels)


def lock_alerts(*, symbols: Collection[str]) -> None:
    """Locks the symbols' alert levels until the end of the caller's transaction.

    Then read who asks for what, in a statement of its own, and call `replace_alerts`. A single
    statement that locks and recomputes would not do: under READ COMMITTED it sees the tables as
    they were before it waited for the lock, without the reason that was committed meanwhile.
    Raises UnknownSymbol for one that has no row to lock.
    """
    rows = Quote.objects.select_for_update(no_key=True).filter(instrument__in=symbols)
    locked = set(rows.order_by("instrument_id").values_list("instrument_id", flat=True))
    if unknown := sorted(set(symbols) - locked):
        raise UnknownSymbol(f"Not followed: {', '.join(unknown)}. Call follow() first.")


def replace_alerts(*, levels: Mapping[str, AlertLevels]) -> None:
    """Sets the symbols' alert levels to exactly these. The caller holds `lock_alerts`."""
    _write_levels(_REPLACE, levels)


def _write_levels(statement: str, levels: Mapping[str, AlertLevels]) -> None:
    if not levels:
        return
    columns = (
        text_array(levels),
        plain_array(asked.below for asked in levels.values()),
        plain_array(asked.above for asked in levels.values()),
        plain_array(asked.volume for asked in levels.values()),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)


# --- Recorded sessions and their replay ---

# A phase lasts an eighth of a session. Its quote must not grow stale before the next one comes.
SESSION_SECONDS_MIN = Decimal("0.001")
SESSION_SECONDS_MAX = Decimal(PHASES * max_age(0) // timedelta(seconds=1))


@transaction.atomic
def import_bars(*, bars: Mapping[str, Sequence[Bar]], names: Mapping[str, str]) -> int:
    """Replaces all recorded sessions of these symbols. Returns how many there are now.

    Instruments that are missing are added, under the name that `names` has for the symbol; those
    that exist stay as they are. A replay in progress goes on with the bars it began with.
    """
    Instrument.objects.bulk_create(
        [Instrument(symbol=symbol, name=names.get(symbol, "")) for symbol in sorted(bars)],
        ignore_conflicts=True,
    )
    DailyBar.objects.filter(instrument__in=bars.keys()).delete()
    rows = [
        DailyBar(
            instrument_id=symbol,
            session=bar.session,
            at=bar.at,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
        )
        for symbol, sessions in bars.items()
        for bar in sessions
    ]
    DailyBar.objects.bulk_create(rows, batch_size=5000)
    return len(rows)


@transaction.atomic
def restart_replay(*, now: datetime, first_session: date, session_seconds: Decimal) -> ReplayRun:
    """Plays the recorded sessions from `first_session` on, starting now, in every process.

    Forgets the prices of before, which belong to another time; the alert levels stay. Raises
    ReplayRefused when MARKET_PROVIDER is another feed, when there is no such session, or for a
    pace at which quotes would grow stale.
    """
    _check_replay(first_session, session_seconds)
    run = ReplayRun.objects.create(
        started_at=now, first_session=first_session, session_seconds=session_seconds
    )
    lock_alerts(symbols=list(Quote.objects.values_list("instrument_id", flat=True)))
    PastQuote.objects.all().delete()
    SessionRange.objects.all().delete()
    Quote.objects.update(
        price=None,
        as_of=None,
        volume=None,
        previous_close=None,
        received_at=None,
        interpolated=False,
        note="",
        session_opened=None,
        session_low=None,
        session_high=None,
    )
    return run


def _check_replay(first_session: date, session_seconds: Decimal) -> None:
    if Replay.name != settings.MARKET_PROVIDER:
        raise ReplayRefused(
            f"MARKET_PROVIDER is {settings.MARKET_PROVIDER!r}. Set it to {Replay.name!r} to replay."
        )
    if not (
        session_seconds.is_finite()
        and SESSION_SECONDS_MIN <= session_seconds <= SESSION_SECONDS_MAX
    ):
        raise ReplayRefused(
            f"A session cannot take {session_seconds} s. "
            f"Choose {SESSION_SECONDS_MIN} to {SESSION_SECONDS_MAX} seconds."
        )
    span = DailyBar.objects.aggregate(first=Min("session"), last=Max("session"))
    if span["first"] is None:
        raise ReplayRefused("There are no bars. Import some with `manage.py import_bars FILE`.")
    if not span["first"] <= first_session <= span["last"]:
        raise ReplayRefused(
            f"There is no session on {first_session}. "
            f"Choose a day from {span['first']} to {span['last']}."
        )
