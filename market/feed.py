"""Where quotes come from: the provider that MARKET_PROVIDER names, and what it is asked."""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from market.errors import ProviderError
from market.hours import AlwaysOpen, TradingCalendar
from market.models import DailyBar, ReplayRun
from market.providers import Provider
from market.providers.replay import Replay
from market.quotes import Bar, Sample


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
