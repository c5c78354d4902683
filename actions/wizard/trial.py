"""A rule that is being written, as it would begin now, and all that it would see: read once."""

from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import User
from actions.drafting import Draft, parse
from actions.judge import state_by
from actions.parts import InvalidRule
from actions.rules import Rule, View
from actions.sight import Sight, Standing
from actions.wizard.forms import Asker
from market.quotes import Sample
from market.services import unlisted
from portfolios.models import Portfolio
from portfolios.selectors import pause_in_words
from portfolios.services import PRIMARY_NAME, LockedPortfolio, as_if_locked_by


@dataclass(frozen=True, slots=True)
class Trial:
    """`view` has the last prices, however old; `portfolio` is the one that the rule trades in or
    looks at, by its `name`; `paused` is why that is, or the primary one where there is none."""

    rule: Rule
    view: View
    portfolio: LockedPortfolio | None
    name: str
    paused: str


def trial(
    *, user: User, draft: Draft, asker: Asker, quotes: Mapping[str, Sample], now: datetime
) -> Trial:
    """The draft on the market as it is, by the latest quotes of its symbols. Stores nothing. Raises
    InvalidRule."""
    rule = parse(draft, now, unlisted)
    mine = portfolio_tried(user, draft, rule, asker)
    portfolio = as_if_locked_by(portfolio=mine) if mine else None
    seen = Standing(None, woken_at=now, quotes=quotes)
    view = Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule)
    if portfolio and rule.trigger.needs(rule).portfolio:
        view = replace(view, portfolio=portfolio.snapshot)
    rule = rule.with_state(state_by(rule, view))
    return Trial(rule, view, portfolio, mine.name if mine else "", _paused(mine, asker))


def _paused(mine: Portfolio | None, asker: Asker) -> str:
    its = mine or next((one for one in asker.portfolios if one.is_primary), Portfolio())
    return pause_in_words(by_owner=its.paused_by_owner, by_staff=its.paused_by_staff)


def portfolio_tried(user: User, draft: Draft, rule: Rule, asker: Asker) -> Portfolio | None:
    """As drafting.portfolio_of, but a primary one that is missing is not opened."""
    if draft.portfolio_id is not None:
        mine = next((one for one in asker.portfolios if one.pk == draft.portfolio_id), None)
        if mine is None:
            raise InvalidRule({"portfolio_id": "You have no such portfolio."})
        return mine
    if not rule.effect.trades and not rule.trigger.needs(rule).portfolio:
        return None
    primary = next((one for one in asker.portfolios if one.is_primary), None)
    return primary or Portfolio(
        user=user, name=PRIMARY_NAME, is_primary=True, cash=Decimal(0), usd_counted=Decimal(0)
    )
