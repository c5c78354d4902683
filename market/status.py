"""How the feed is doing, as plain values: for the status page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Max, Q

from market.asking import spent_of
from market.budget import NO_TRIGGER, credits_left, distance
from market.errors import ProviderError
from market.feed import provider, quote_max_age
from market.hours import TradingCalendar
from market.incidents import SESSIONS, STREAM
from market.models import FeedBudget, FeedIncident, FeedStream, Quote
from market.providers import WebProvider
from market.quotes import is_fresh

MOST_SYMBOLS = 100
MOST_INCIDENTS = 50
# Its process gives a sign of life every few seconds; one that has died does not say so.
STREAM_LIVES = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """A symbol's last accepted price; `price` and `as_of` are None where there was none yet.

    `distance` to the nearest trigger is in percent of the price, None where nobody waits for one.
    `stale`: too old for a rule to see.
    """

    symbol: str
    price: Decimal | None
    as_of: datetime | None
    age: timedelta | None
    stale: bool
    distance: Decimal | None


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong: of a symbol, or (None) of the whole feed; `verdict` is in words."""

    symbol: str | None
    verdict: str
    reason: str
    since: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Credits:
    """What a live feed may still be asked for. `paced`: what a tick may spend at this moment.

    `today` is None where the plan has no limit a day.
    """

    this_minute: int
    today: int | None
    paced: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """`since` is None while it is not connected; then `words` say why."""

    since: datetime | None
    symbols: int
    words: str


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """The feed's credits (None: it has no limit), why it is not asked (if so), its symbols, its
    stream (None: it never had one), and what is wrong.

    `symbols` are the nearest to a trigger first; `more` is how many there are beside them.
    """

    provider: str
    credits: Credits | None
    blocked_until: datetime | None
    blocked_because: str
    symbols: Sequence[SymbolStatus]
    more: int
    stream: StreamStatus | None
    wrong: Sequence[Incident]


def feed_status(
    *, symbols: Collection[str], now: datetime, calendar: TradingCalendar, of_all: bool = True
) -> FeedStatus:
    """How the configured feed does at `now`, with these symbols; four queries with a live feed.

    `of_all`: with what is wrong with any symbol, otherwise with these and the feed itself.
    """
    name = settings.MARKET_PROVIDER
    budget = FeedBudget.objects.filter(provider=name).first() or FeedBudget(provider=name)
    blocked = budget.blocked_until is not None and budget.blocked_until > now
    lines = _lines(symbols, now)
    return FeedStatus(
        provider=name,
        credits=_credits(budget, now, calendar),
        blocked_until=budget.blocked_until if blocked else None,
        blocked_because=budget.blocked_because if blocked else "",
        symbols=lines[:MOST_SYMBOLS],
        more=len(lines[MOST_SYMBOLS:]),
        stream=_stream(now),
        wrong=_wrong(None if of_all else symbols),
    )


def feed_failure(*, now: datetime) -> str:
    """Why no prices come at all, while they should: the open incident of the whole feed, or the age
    of the newest price. Empty where they come."""
    whole = FeedIncident.objects.filter(
        instrument__isnull=True, verdict=FeedIncident.Verdicts.FAILED, settled_at__isnull=True
    )
    of_the_present = whole.exclude(kind__startswith=SESSIONS).exclude(kind__startswith=STREAM)
    incident = of_the_present.order_by("first_at").first()
    if incident:
        return incident.reason
    newest = newest_price_at()
    if newest is None or not prices_are_stale(newest=newest, now=now):
        return ""
    return f"The newest price is of {newest:%Y-%m-%d %H:%M:%S} UTC."


def newest_price_at() -> datetime | None:
    """Of when the newest accepted price of all symbols is; None where there is none yet."""
    newest = Quote.objects.aggregate(newest=Max("as_of"))["newest"]
    return newest if isinstance(newest, datetime) else None


def quotes_known(*, now: datetime, max_age: timedelta) -> tuple[int, int, datetime | None]:
    """How many symbols are followed, how many of them have no price that young, and of when the
    newest price of all is."""
    fresh = Count("pk", filter=Q(as_of__gte=now - max_age))
    found = Quote.objects.aggregate(all=Count("pk"), fresh=fresh, newest=Max("as_of"))
    return found["all"], found["all"] - found["fresh"], found["newest"]


def prices_are_stale(*, newest: datetime, now: datetime) -> bool:
    """Whether a newest price of this instant means that no prices come any more."""
    return not is_fresh(newest, now, quote_max_age())


def _lines(symbols: Collection[str], now: datetime) -> list[SymbolStatus]:
    limit = quote_max_age()
    quotes = Quote.objects.filter(instrument__in=symbols)
    found = []
    for symbol, price, as_of, below, above in quotes.values_list(
        "instrument_id", "price", "as_of", "alert_below", "alert_above"
    ):
        away = distance(price, below, above)
        found.append(
            SymbolStatus(
                symbol=symbol,
                price=price,
                as_of=as_of,
                age=max(timedelta(0), now - as_of) if as_of else None,
                stale=as_of is None or not is_fresh(as_of, now, limit),
                distance=None if away is None else away * 100,
            )
        )
    return sorted(found, key=_nearest_first)


def _nearest_first(one: SymbolStatus) -> tuple[Decimal, str]:
    return Decimal(NO_TRIGGER * 100) if one.distance is None else one.distance, one.symbol


def _credits(budget: FeedBudget, now: datetime, calendar: TradingCalendar) -> Credits | None:
    try:
        feed = provider()
    except ProviderError:  # a replay that has not begun
        return None
    if not isinstance(feed, WebProvider):
        return None
    plan = feed.plan
    spent = spent_of(budget).at(now)
    return Credits(
        this_minute=max(0, plan.per_minute - spent.in_minute),
        today=None if plan.per_day is None else max(0, plan.per_day - spent.on_day),
        paced=credits_left(plan, spent, now, calendar, paced=True),
    )


def _stream(now: datetime) -> StreamStatus | None:
    row = FeedStream.objects.filter(provider=settings.MARKET_PROVIDER).first()
    if row is None:
        return None
    if row.connected_at and now - row.alive_at > STREAM_LIVES:
        return StreamStatus(None, 0, "Its process is gone.")
    return StreamStatus(row.connected_at, row.symbols if row.connected_at else 0, row.words)


def _wrong(symbols: Collection[str] | None) -> list[Incident]:
    rows = FeedIncident.objects.filter(settled_at__isnull=True)
    if symbols is not None:
        whole = FeedIncident.objects.filter(settled_at__isnull=True, instrument__isnull=True)
        rows = whole | rows.filter(instrument__in=symbols)
    return [
        Incident(
            row.instrument_id,
            row.get_verdict_display(),
            row.reason,
            row.first_at,
            row.times,
        )
        for row in rows.order_by("first_at", "pk")[:MOST_INCIDENTS]
    ]
