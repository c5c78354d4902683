"""The signed-in page: what the rules are waiting for, and what they have done."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from actions.meter import Meter, meter
from actions.models import Action
from actions.selectors import Explanation, actions_of, executions_of, explain, why_in_words
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
    meter: Meter | None


@login_required
def index(request: SignedIn) -> HttpResponseBase:
    """The rules with their state, and the latest executions; HTMX asks for the part that moves."""
    return page_or_part(request, "actions/index.html", "live", _context(request))


def _context(request: SignedIn) -> dict[str, object]:
    user = request.user
    now = timezone.now()
    actions = list(actions_of(user=user)[: RULES_SHOWN + 1])
    portfolio = primary_portfolio_of(user=user)
    holdings = list(holdings_of(portfolio=portfolio)) if portfolio else []
    symbols = {action.symbol for action in actions if action.symbol}
    quotes = latest_quotes(symbols=symbols | {holding.instrument_id for holding in holdings})
    shown = actions[:RULES_SHOWN]
    why = explain(actions=shown, quotes=quotes, now=now)
    return {
        "zone": user.zone,
        "now": now,
        "rules": [_line(action, why[action.pk], user.zone) for action in shown],
        "more_rules": len(actions) > RULES_SHOWN,
        "executions": executions_of(user=user)[:EXECUTIONS_SHOWN],
        "portfolio": portfolio,
        "holdings": [(holding, quotes.get(holding.instrument_id)) for holding in holdings],
        "newest_quote": max(quotes.values(), key=lambda quote: quote.as_of, default=None),
    }


def _line(action: Action, why: Explanation, zone: ZoneInfo) -> RuleLine:
    drawn = meter(band=why.band, distance=why.distance) if why.band and why.distance else None
    return RuleLine(
        action=action,
        sentence=action.sentence(zone),
        state=why_in_words(action, why, zone),
        meter=drawn,
    )
