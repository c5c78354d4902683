"""The state from which a trigger starts to watch."""

from datetime import datetime, timedelta
from uuid import UUID

from actions.rules import Rule, State
from actions.sight import Sight, Standing
from market.selectors import latest_quotes
from market.services import calendar


def starting_state(rule: Rule, portfolio_id: UUID | None, now: datetime) -> State:
    """What the trigger of a rule that begins at `now` remembers; nothing if it is not valid yet,
    since the first look at it activates it then.

    The last quote counts as the price at this instant if it is not older than the last close: until
    there is another it tells what the price is. One from before tells what it was.
    """
    if rule.valid_from > now:
        return {}
    last_close = calendar().last_close(now)
    known = latest_quotes(symbols=rule.trigger.watched(rule))
    standing = {symbol: quote for symbol, quote in known.items() if quote.as_of >= last_close}
    seen = Standing(portfolio_id, woken_at=now, quotes=standing)
    view = Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule)
    return rule.trigger.activate(rule, view)
