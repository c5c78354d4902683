"""The first page: what there is, what is about to happen, what has happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from accounts.models import User
from actions.journal import Wanted, log_of
from actions.nearness import nearest_rules
from actions.overview.charts import value_chart
from actions.wizard.examples import examples_to_open
from market.hours import TradingCalendar
from market.services import ProviderError, calendar, completed_sessions
from portfolios.models import Portfolio
from portfolios.selectors import portfolios_of
from portfolios.valuation import Past, day_began, moves_until, past_values, standing

RULES_SHOWN = 5
EXECUTIONS_SHOWN = 6
HOLDINGS_SHOWN = 8
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Range:
    """How far back the value is drawn: so many sessions."""

    key: str
    label: str
    sessions: int


RANGES = (
    Range("month", "1 month", 22),
    Range("quarter", "3 months", 65),
    Range("year", "1 year", 252),
)


@login_required
def dashboard(request: SignedIn) -> HttpResponseBase:
    """All of the user's portfolios together, the nearest rules and the latest executions."""
    user, now = request.user, timezone.now()
    market = calendar()
    portfolios = list(portfolios_of(user=user))
    stand = standing(portfolios=portfolios, began=day_began(market, now))
    nearest = nearest_rules(user=user, limit=RULES_SHOWN)
    executions = list(log_of(user=user, wanted=Wanted())[:EXECUTIONS_SHOWN])
    moved = any(portfolio.transactions_count for portfolio in portfolios)
    context = {
        "now": now,
        "zone": user.zone,
        "portfolios": portfolios,
        "worth": stand.worth,
        "holdings": stand.worth.holdings[:HOLDINGS_SHOWN],
        "names": stand.names,
        "change": stand.change,
        "market_open": market.is_open(now),
        "newest": max((quote.as_of for quote in stand.quotes.values()), default=None),
        "nearest": [(near.action, near.action.sentence(user.zone), near.meter) for near in nearest],
        "executions": executions,
        "ranges": RANGES,
        "range": _range(request),
        "moved": moved,
        "begun": moved or nearest or executions,
        "examples": [] if nearest else examples_to_open(user=user),
    }
    return page_or_part(request, "overview/dashboard.html", "live", context)


@login_required
def value(request: SignedIn) -> HttpResponse:
    """The value over time, as a chart and as a table."""
    user, now = request.user, timezone.now()
    chart, past = _value_over_time(user, _range(request), now)
    context = {
        "chart": chart,
        "past": past,
        "now": now,
        "zone": user.zone,
        "ranges": RANGES,
        "range": _range(request),
    }
    return render(request, "overview/value.html", context)


@login_required
def value_data(request: SignedIn) -> HttpResponse:
    """The same for the chart of another page."""
    chart, _ = _value_over_time(request.user, _range(request), timezone.now())
    answer = JsonResponse(chart)
    answer["Cache-Control"] = "private, no-cache"
    return answer


def _range(request: SignedIn) -> Range:
    asked = request.GET.get("range", "")
    return next((each for each in RANGES if each.key == asked), RANGES[0])


def _value_over_time(user: User, span: Range, now: datetime) -> tuple[dict[str, Any], Past]:
    """What the chart draws, and what it is made of.

    Worked out from the ledger and the closes whenever it is asked for: a valuation that was kept
    would have to be corrected after every late bar and every split.
    """
    market = calendar()
    portfolios = list(portfolios_of(user=user))
    closes = _last_closes(market, now, span.sessions)
    moves = moves_until(portfolio_ids=[each.pk for each in portfolios], closes=closes)
    try:
        bars = completed_sessions(symbols=list(moves.shares), now=now, sessions=span.sessions)
    except ProviderError:
        bars = {}  # then those days are told to be without prices
    past = past_values(moves=moves, bars=bars)
    return value_chart(past.values, (now, _value_now(portfolios, market, now))), past


def _value_now(portfolios: Sequence[Portfolio], market: TradingCalendar, now: datetime) -> Any:
    return standing(portfolios=portfolios, began=day_began(market, now)).worth.value


def _last_closes(market: TradingCalendar, now: datetime, count: int) -> Sequence[datetime]:
    """The last `count` closes at `now`, oldest first."""
    closes = [market.last_close(now)]
    while len(closes) < count:
        closes.append(market.last_close(closes[-1] - _INSTANT))
    return closes[::-1]
