"""The signed-in page: what the rules are waiting for, and what they have done."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.http import SignedIn
from actions.models import Action
from actions.selectors import actions_of, executions_of, standing_refusal
from actions.sentence import in_zone
from market.quotes import Sample
from market.selectors import latest_quotes
from portfolios.selectors import holdings_of, primary_portfolio_of

RULES_SHOWN = 100
EXECUTIONS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule as the page shows it."""

    action: Action
    sentence: str
    state: str
    quote: Sample | None


@login_required
def index(request: SignedIn) -> HttpResponse:
    """The rules with their state, and the latest executions; HTMX asks for the part that moves."""
    template = "actions/index.html"
    if request.htmx:
        template += "#live"
    return render(request, template, _context(request))


def _context(request: SignedIn) -> dict[str, object]:
    user = request.user
    actions = list(actions_of(user=user)[: RULES_SHOWN + 1])
    portfolio = primary_portfolio_of(user=user)
    holdings = list(holdings_of(portfolio=portfolio)) if portfolio else []
    symbols = {action.symbol for action in actions if action.symbol}
    quotes = latest_quotes(symbols=symbols | {holding.instrument_id for holding in holdings})
    now = timezone.now()
    return {
        "zone": user.zone,
        "rules": [_line(action, quotes, user.zone, now) for action in actions[:RULES_SHOWN]],
        "more_rules": len(actions) > RULES_SHOWN,
        "executions": executions_of(user=user)[:EXECUTIONS_SHOWN],
        "portfolio": portfolio,
        "holdings": [(holding, quotes.get(holding.instrument_id)) for holding in holdings],
        "newest_quote": max(quotes.values(), key=lambda quote: quote.as_of, default=None),
    }


def _line(action: Action, quotes: dict[str, Sample], zone: ZoneInfo, now: datetime) -> RuleLine:
    quote = quotes.get(action.symbol) if action.symbol else None
    return RuleLine(action, action.sentence(zone), _state(action, zone, now), quote)


def _state(action: Action, zone: ZoneInfo, now: datetime) -> str:
    """Why it has not fired yet, or why it will not."""
    if action.status != Action.Statuses.ACTIVE:
        return action.status_reason
    if action.last_evaluation is None:
        return "Looked at with the next tick."
    if refused := standing_refusal(action, now):
        until = f" It waits until {in_zone(refused.until, zone)}." if refused.until else ""
        return refused.reason + until
    return str(action.last_evaluation["reason"])
