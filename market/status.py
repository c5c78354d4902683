"""How the feed is doing, as plain values: for the status page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Max

from market.asking import spent_of
from market.feed import quote_max_age
from market.models import FeedBudget, FeedIncident, Quote
from market.quotes import is_fresh

MOST_INCIDENTS = 50


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """A symbol's last accepted price. `age` is None where there was none yet."""

    symbol: str
    price: Decimal | None
    age: timedelta | None
    stale: bool


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """The feed's credits, why it is not asked (if so), its symbols, and what is wrong, a line each.

    `symbols` begin with those without a price, then the oldest.
    """

    provider: str
    spent_this_minute: int
    spent_today: int
    blocked_until: datetime | None
    blocked_because: str
    symbols: Sequence[SymbolStatus]
    wrong: Sequence[str]


def feed_status(*, symbols: Collection[str], now: datetime) -> FeedStatus:
    """How the configured feed does at `now`, with these symbols; three queries."""
    name = settings.MARKET_PROVIDER
    budget = FeedBudget.objects.filter(provider=name).first() or FeedBudget(provider=name)
    blocked = budget.blocked_until is not None and budget.blocked_until > now
    spent = spent_of(budget).at(now)
    limit = quote_max_age()
    quotes = Quote.objects.filter(instrument__in=symbols)
    lines = [
        SymbolStatus(
            symbol,
            price,
            now - as_of if as_of else None,
            as_of is None or not is_fresh(as_of, now, limit),
        )
        for symbol, price, as_of in quotes.values_list("instrument_id", "price", "as_of")
    ]
    incidents = FeedIncident.objects.filter(settled_at__isnull=True).order_by("first_at")
    return FeedStatus(
        provider=name,
        spent_this_minute=spent.in_minute,
        spent_today=spent.on_day,
        blocked_until=budget.blocked_until if blocked else None,
        blocked_because=budget.blocked_because if blocked else "",
        symbols=sorted(lines, key=_oldest_first),
        wrong=[str(incident) for incident in incidents[:MOST_INCIDENTS]],
    )


def _oldest_first(one: SymbolStatus) -> tuple[bool, timedelta, str]:
    return one.age is not None, -(one.age or timedelta(0)), one.symbol


def newest_price_at() -> datetime | None:
    """Of when the newest accepted price of all symbols is; None where there is none yet."""
    newest = Quote.objects.aggregate(newest=Max("as_of"))["newest"]
    return newest if isinstance(newest, datetime) else None


def prices_are_stale(*, newest: datetime, now: datetime) -> bool:
    """Whether a newest price of this instant means that no prices come any more."""
    return not is_fresh(newest, now, quote_max_age())
