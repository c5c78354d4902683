"""The state from which a trigger starts to watch."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from actions.judge import state_by
from actions.rules import Rule, State
from actions.sight import Sight, Standing
from market.selectors import latest_quotes


def starting_state(rule: Rule, portfolio_id: UUID | None, now: datetime) -> State:
    """What the trigger of a rule that begins at `now` remembers (`state_by`); nothing if it is not
    valid yet, since the first look at it from then on begins it."""
    (state,) = starting_states([(rule, portfolio_id)], now)
    return state


def starting_states(begun: Sequence[tuple[Rule, UUID | None]], now: datetime) -> list[State]:
    """As `starting_state`, of many rules, each with its portfolio: its queries do not grow with
    their number."""
    begin_now = [each for each in begun if each[0].valid_from <= now]
    if not begin_now:
        return [{} for _ in begun]
    watched = {symbol for rule, _ in begin_now for symbol in rule.trigger.watched(rule)}
    known = latest_quotes(symbols=watched)
    standing = {
        id(rule): Standing(portfolio_id, woken_at=now, quotes=known)
        for rule, portfolio_id in begin_now
    }
    sight = Sight(
        [(standing[id(rule)], rule) for rule, _ in begin_now], now=now, max_age=timedelta.max
    )
    return [
        state_by(rule, sight.view(standing[id(rule)], rule)) if id(rule) in standing else {}
        for rule, _ in begun
    ]
