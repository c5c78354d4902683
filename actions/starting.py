"""The state from which a trigger starts to watch."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from actions.rules import Rule, State, View
from actions.sight import Sight, Standing
from market.selectors import latest_quotes


def starting_state(rule: Rule, portfolio_id: UUID | None, now: datetime) -> State:
    """What the trigger of a rule that begins at `now` remembers; nothing if it is not valid yet,
    since the first look at it activates it then.

    The last quote counts as the price at this instant if it is not older than the last close: until
    there is another it tells what the price is. One from before tells what it was.
    """
    if rule.valid_from > now:
        return {}
    known = latest_quotes(symbols=rule.trigger.watched(rule))
    seen = Standing(portfolio_id, woken_at=now, quotes=known)
    return state_by(rule, Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule))


def state_by(rule: Rule, view: View) -> State:
    """As `starting_state`, at the view's instant, by its quotes."""
    if rule.valid_from > view.now:
        return {}
    last_close = view.calendar.last_close(view.now)
    watched = rule.trigger.watched(rule)
    standing = {
        symbol: quote
        for symbol, quote in view.quotes.items()
        if symbol in watched and quote.as_of >= last_close
    }
    return rule.trigger.activate(rule, replace(view, quotes=standing))
