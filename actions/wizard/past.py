"""How often a rule would have fired, had it been there."""

from datetime import datetime

from actions.backtest.run import CALENDAR, would_have_fired
from actions.rules import Rule
from market.hours import AlwaysOpen
from market.services import ProviderError, calendar, completed_sessions

YEAR = 252  # sessions
LEAST = 20  # of fewer, nothing can be said about a year


def fired_in_the_last_year(rule: Rule, now: datetime) -> int | None:
    """How many times, at the closes of the last 252 sessions.

    None where there is no past to play it over, and nothing can be said: too few sessions of one of
    its symbols, or a trigger that looks at the portfolio, whose past was another.
    """
    needs = rule.trigger.needs(rule)
    if needs.portfolio or not rule.symbols:
        return None
    try:
        bars = completed_sessions(symbols=rule.symbols, now=now, sessions=YEAR + needs.sessions + 1)
    except ProviderError:
        return None
    known = {symbol: bars.get(symbol, ()) for symbol in rule.symbols}
    if min(len(sessions) for sessions in known.values()) < LEAST:
        return None
    begins = max(sessions[-YEAR:][0].at for sessions in known.values())
    hours = calendar()
    # A close of the exchange's is the last instant of its session; a replay is open at any instant.
    past_hours = hours if isinstance(hours, AlwaysOpen) else CALENDAR
    return would_have_fired(rule, known, since=begins, calendar=past_hours)
