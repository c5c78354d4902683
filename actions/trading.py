"""What a plan comes to in a portfolio: the ledger, then the limits. Pure."""

from collections.abc import Sequence
from datetime import datetime

from actions.limits import Gate, Refused
from actions.rules import Plan
from portfolios import ledger
from portfolios.ledger import Entry, Refusal, Snapshot
from portfolios.limits import Day, Limits, beyond, next_day, spent


class HeldBack(Exception):
    """The rule may not trade yet, for its portfolio's sake: `refused` says why, and until when."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused
        super().__init__(refused.reason)


def carry_out(
    plan: Plan, snapshot: Snapshot, *, limits: Limits, day: Day, now: datetime
) -> tuple[Sequence[Entry], Snapshot] | Refusal:
    """The ledger's entries and the portfolio after them, or why it is refused.

    `day` is what rules have traded in the portfolio on the day of `now`. Raises HeldBack where
    that day is spent.
    """
    applied = ledger.apply_all(snapshot, plan.orders)
    if isinstance(applied, Refusal):
        return applied
    entries, after = applied
    return check_limits(entries, limits=limits, day=day, now=now) or (entries, after)


def check_limits(
    entries: Sequence[Entry], *, limits: Limits, day: Day, now: datetime
) -> Refusal | None:
    """Why the limits refuse orders that led to these entries. Raises HeldBack as `carry_out`."""
    if refusal := beyond(entries, limits):
        return refusal
    if reason := spent(entries, day, limits):
        raise HeldBack(Refused(Gate.DAY, reason, until=next_day(now)))
    return None
