"""Where quotes come from: the provider that MARKET_PROVIDER names, and what it is asked."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import F, Func, Max, Min, QuerySet, Subquery

from market.asking import Fetched, ask_for_quotes
from market.budget import Plan
from market.errors import ProviderError
from market.hours import AlwaysOpen, Exchange, TradingCalendar
from market.models import AnnouncedSplit, DailyBar, ReplayRun
from market.past import recent_sessions
from market.providers import Provider, WebProvider
from market.providers.alpaca import Alpaca
from market.providers.replay import Replay
from market.providers.twelvedata import TwelveData
from market.providers.twelvedata_stream import TwelveDataStream
from market.quotes import Bar, max_age
from market.splits import applied_splits, in_new_shares

_BAR_COLUMNS = ("instrument_id", "at", "open", "high", "low", "close", "volume")


class _Feed(NamedTuple):
    connect: Callable[[], Provider | WebProvider]
    default_calendar: TradingCalendar  # while there is nothing to connect to
    resolution: timedelta = timedelta(0)


# What a page has found the feed to be, once it has asked; None outside `one_feed`.
_Found = Provider | WebProvider | ProviderError
_found: ContextVar[list[_Found] | None] = ContextVar("found", default=None)
_may_ask: ContextVar[bool] = ContextVar("may_ask", default=True)


@contextmanager
def one_feed(*, may_ask: bool = True) -> Iterator[None]:
    """Within it the feed is looked up once, however often its calendar and its past are asked for.
    With `may_ask` false past sessions are those that are at hand: no network is waited for.

    For a page that is drawn: what writes under a lock must see a split or a new replay at once.
    """
    found, asking = _found.set([]), _may_ask.set(may_ask)
    try:
        yield
    finally:
        _found.reset(found)
        _may_ask.reset(asking)


def provider() -> Provider | WebProvider:
    """The feed that MARKET_PROVIDER names.

    Raises ImproperlyConfigured for a name that is not known, ProviderError for a replay that has
    nothing to play yet.
    """
    found = _found.get()
    if found is None:
        return _feed().connect()
    if not found:
        found.append(_connected())
    if isinstance(found[0], ProviderError):
        raise found[0]
    return found[0]


def _connected() -> _Found:
    try:
        return _feed().connect()
    except ProviderError as none:
        return none


def calendar() -> TradingCalendar:
    """The sessions of the market that MARKET_PROVIDER quotes. Asks no network."""
    try:
        return provider().calendar
    except ProviderError:
        return _feed().default_calendar


def _feed() -> _Feed:
    feeds: dict[str, _Feed] = {
        Replay.name: _Feed(replay, AlwaysOpen()),
        TwelveData.name: _Feed(twelve_data, Exchange(), TwelveData.resolution),
        Alpaca.name: _Feed(alpaca, Exchange(), Alpaca.resolution),
    }
    try:
        return feeds[settings.MARKET_PROVIDER]
    except KeyError:
        raise ImproperlyConfigured(
            f"MARKET_PROVIDER={settings.MARKET_PROVIDER!r} is not known. "
            f"Use one of: {', '.join(feeds)}."
        ) from None


def twelve_data() -> TwelveData:
    """The live feed of Twelve Data, with the plan and the key of the settings."""
    return TwelveData(
        key=settings.TWELVEDATA_API_KEY,
        url=settings.TWELVEDATA_URL,
        plan=Plan(
            settings.TWELVEDATA_CREDITS_PER_MINUTE, settings.TWELVEDATA_CREDITS_PER_DAY or None
        ),
        connect_seconds=settings.MARKET_CONNECT_SECONDS,
        read_seconds=settings.MARKET_READ_SECONDS,
    )


def stream() -> TwelveDataStream:
    """The stream of the feed that is configured. Raises ProviderError for one that has none."""
    if TwelveData.name != settings.MARKET_PROVIDER:
        raise ProviderError(
            f"MARKET_PROVIDER={settings.MARKET_PROVIDER!r} has no stream, only "
            f"{TwelveData.name!r} has. Its prices are asked for, which needs no process of its own."
        )
    return TwelveDataStream(
        key=settings.TWELVEDATA_API_KEY,
        url=settings.TWELVEDATA_STREAM_URL,
        symbols=settings.TWELVEDATA_STREAM_SYMBOLS,
        connect_seconds=settings.MARKET_CONNECT_SECONDS,
        ping_seconds=settings.MARKET_READ_SECONDS,
    )


def alpaca() -> Alpaca:
    """The live feed of Alpaca, with the plan and the keys of the settings."""
    return Alpaca(
        key_id=settings.ALPACA_KEY_ID,
        secret=settings.ALPACA_SECRET_KEY,
        url=settings.ALPACA_URL,
        plan=Plan(settings.ALPACA_REQUESTS_PER_MINUTE),
        connect_seconds=settings.MARKET_CONNECT_SECONDS,
        read_seconds=settings.MARKET_READ_SECONDS,
    )


def replay() -> Replay:
    """The replay that plays in every process: the newest run.

    Raises ProviderError, naming the command that helps, without a run or without bars.
    """
    applied = AnnouncedSplit.objects.filter(applied_at__isnull=False).order_by()
    splits = applied.annotate(count=Func(F("pk"), function="count")).values("count")
    run = ReplayRun.objects.annotate(splits=Subquery(splits)).order_by("-id").first()
    if run is None:
        raise ProviderError(
            "No replay has been started. Start one with "
            "`manage.py replay --from 2008-09-02 --session-seconds 2`."
        )
    return _replay_of(run, run.splits)


@lru_cache(maxsize=1)  # the bars are read once a run and process, and after a split once more
def _replay_of(run: ReplayRun, splits: int) -> Replay:
    bars: dict[str, list[Bar]] = {}
    for row in DailyBar.objects.values_list(*_BAR_COLUMNS).iterator(chunk_size=5000):
        bars.setdefault(row[0], []).append(Bar(*row))
    try:
        return Replay(bars, run.started_at, run.first_session, float(run.session_seconds))
    except ValueError as nothing_to_play:
        raise ProviderError(
            f"{nothing_to_play} Import some with `manage.py import_bars FILE`."
        ) from None


def fetch_quotes(*, symbols: Collection[str], now: datetime) -> Fetched:
    """What the provider says about these symbols; one that it does not know is absent.

    A live feed is asked for those that are due, as far as its credits go, and its answer says what
    was wrong with the others. Belongs outside any transaction: it may take as long as a network
    call. Raises ProviderError where there is no answer at all, for a provider that failed with an
    exception of its own with that as the cause.
    """
    feed = provider()
    if isinstance(feed, WebProvider):
        return ask_for_quotes(feed, symbols=symbols, now=now)
    try:
        return Fetched(feed.fetch(symbols, now))
    except Exception as error:  # whatever a provider fails with, for the caller it is one case
        raise ProviderError(f"{feed.name}: {type(error).__name__}: {error}") from error


def completed_sessions(
    *, symbols: Collection[str], now: datetime, sessions: int
) -> dict[str, tuple[Bar, ...]]:
    """Each symbol's last `sessions` completed sessions at `now`, oldest first; it may have fewer.

    Those of a live feed are asked for once a session, and read from the database otherwise. Raises
    ProviderError with the provider's exception as its cause.
    """
    feed = provider()
    if isinstance(feed, WebProvider):
        may_ask = _may_ask.get()
        return recent_sessions(feed, symbols=symbols, now=now, count=sessions, may_ask=may_ask)
    try:
        return feed.history(symbols, now, sessions)
    except Exception as error:  # as in fetch_quotes
        raise ProviderError(f"{feed.name}: {type(error).__name__}: {error}") from error


def held_sessions(*, symbols: Collection[str], now: datetime) -> dict[str, tuple[Bar, ...]]:
    """All recorded sessions of these symbols that are over at `now`, oldest first, each on the day
    on which it really was, in the shares of today: recorded splits are worked in. Those that a
    replay is still to play are not over. Asks no network."""
    found: dict[str, list[Bar]] = {}
    for row in _over(symbols, now).order_by("instrument_id", "session").values_list(*_BAR_COLUMNS):
        found.setdefault(row[0], []).append(Bar(*row))
    first = min((bars[0].session for bars in found.values()), default=date.max)
    splits = applied_splits(symbols=sorted(found), since=first)
    return {symbol: in_new_shares(bars, splits.get(symbol, ())) for symbol, bars in found.items()}


def held_span(*, symbols: Collection[str], now: datetime) -> tuple[date, date] | None:
    """From which day to which there are `held_sessions` of each of these symbols; None where there
    are none of some."""
    spans = list(
        _over(symbols, now)
        .values("instrument_id")
        .annotate(first=Min("session"), last=Max("session"))
        .values_list("first", "last")
    )
    if not spans or len(spans) < len(symbols):
        return None
    return max(first for first, _ in spans), min(last for _, last in spans)


def _over(symbols: Collection[str], now: datetime) -> QuerySet[DailyBar]:
    over = DailyBar.objects.filter(instrument__in=symbols, at__lte=now)
    try:
        feed = provider()
    except ProviderError:
        return over
    unplayed = feed.first_unplayed(now) if isinstance(feed, Replay) else None
    return over.filter(session__lt=unplayed) if unplayed else over


def quote_max_age() -> timedelta:
    """How old a quote may be to count as the present price, from the feed that is configured.

    A live feed whose instants are those of whole minutes is polled as if once a minute: a quote is
    not late because of the way in which it is dated.
    """
    feed = _feed()
    return max_age(max(settings.TICK_SECONDS_OPEN, feed.resolution.total_seconds()))
