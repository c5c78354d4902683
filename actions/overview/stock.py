"""A symbol: its price and how old that is, what one holds of it, and one's rules on it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from actions.nearness import Nearness, rules_on
from actions.overview.charts import price_chart
from actions.overview.looking import NoSuchSymbol, look_at
from actions.rules import Status, View
from market.models import Instrument, Quote
from market.quotes import Bar, Sample, is_fresh
from market.services import (
    ProviderError,
    calendar,
    completed_sessions,
    one_feed,
    quote_max_age,
    search_symbols,
)
from portfolios.ledger import Position, Snapshot
from portfolios.selectors import holdings_in
from portfolios.worth import together, worth

SESSIONS_DRAWN = 250
MOST_RULES = 50
LONGEST_SEARCH = 100


@login_required
def search(request: SignedIn) -> HttpResponse:
    """What may be meant by `q`; a symbol leads to its page at once."""
    text = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    found = search_symbols(text=text) if text else []
    if text and any(listing.symbol == text.upper() for listing in found):
        return redirect("stock", symbol=text.upper())
    return render(request, "overview/stocks.html", {"q": text, "found": found})


@login_required
def stock(request: SignedIn, symbol: str) -> HttpResponseBase:
    """The symbol's page. While it is open ticks keep its quote fresh."""
    now = timezone.now()
    if symbol != symbol.upper():
        return redirect("stock", symbol=symbol.upper())
    try:
        instrument, quote = look_at(symbol=symbol, now=now)
    except NoSuchSymbol as unknown:
        meant = {"symbol": unknown.symbol, "near": unknown.near}
        return render(request, "overview/no_such_symbol.html", meant, status=404)
    context = _context(request, instrument, quote, now)
    return page_or_part(request, "overview/stock.html", "live", context)


@one_feed()
def _context(
    request: SignedIn, instrument: Instrument, quote: Quote | None, now: datetime
) -> dict[str, Any]:
    user, symbol = request.user, instrument.symbol
    sample = quote.sample() if quote else None
    rules = rules_on(user=user, symbol=symbol, limit=MOST_RULES)
    rows = list(holdings_in(user=user, symbol=symbol))
    held = together((symbol, Position(row.quantity, row.cost_basis)) for row in rows)
    context: dict[str, Any] = {
        "now": now,
        "zone": user.zone,
        "instrument": instrument,
        "quote": quote,
        "fresh": bool(sample and is_fresh(sample.as_of, now, quote_max_age())),
        "market_open": calendar().is_open(now),
        "change": _change(quote),
        "rules": [(near.action, near.action.sentence(user.zone), near.meter) for near in rules],
        "more_rules": len(rules) == MOST_RULES,
        "rows": rows,
        "held": _held(symbol, held, sample),
    }
    if not request.htmx:  # the chart stays as it is while the rest is refreshed
        context["chart"] = _chart(symbol, sample, rules, held, now)
    return context


def _change(quote: Quote | None) -> tuple[Decimal, Decimal] | None:
    """Since the close before its session: in dollars a share, and in percent."""
    if quote is None or quote.price is None or quote.previous_close is None:
        return None
    change = quote.price - quote.previous_close
    return change, change * 100 / quote.previous_close


def _held(symbol: str, held: dict[str, Position], sample: Sample | None) -> Any:
    quotes = {symbol: sample} if sample else {}
    found = worth(cash=Decimal(0), positions=held, quotes=quotes).holdings
    return found[0] if found else None


def _chart(
    symbol: str,
    sample: Sample | None,
    rules: Sequence[Nearness],
    held: dict[str, Position],
    now: datetime,
) -> dict[str, Any] | None:
    """The sessions, the price of now and the levels of the active rules; None without a price."""
    bars: Sequence[Bar] = ()
    with suppress(ProviderError):  # then the chart has the price of now alone
        found = completed_sessions(symbols=[symbol], now=now, sessions=SESSIONS_DRAWN)
        bars = found.get(symbol, ())
    if not bars and sample is None:
        return None
    view = View(
        now=now,
        woken_at=now,
        calendar=calendar(),
        max_age=quote_max_age(),
        quotes={symbol: sample} if sample else {},
        bars={symbol: bars},
        portfolio=Snapshot(positions=held),
    )
    active = [near.action for near in rules if near.action.status == Status.ACTIVE]
    return price_chart(bars=bars, quote=sample, actions=active, view=view)
