"""What a firing does, worked out in memory under the locks of its rule and its portfolio.

Nothing is written here, and whatever goes wrong leaves the portfolio as it was: what is booked is
posted last, all of it or nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from actions.judge import Verdict, ended_because, move_on
from actions.lease import Leased
from actions.limits import Gate, Refused
from actions.notify.outbox import Notice
from actions.receipts import execution_details, execution_message
from actions.rules import Desk, Plan, Rule, View, Wake
from actions.trading import HeldBack, carry_out
from portfolios.ledger import Refusal, Snapshot
from portfolios.recording import Line
from portfolios.services import LockedPortfolio


class Firing(NamedTuple):
    """A leased rule, the verdict that it is true, and the view that this was found by."""

    leased: Leased
    rule: Rule
    verdict: Verdict
    view: View


class Execution(NamedTuple):
    """One row of what rules did: refused where `error` says why, traded unless a `rehearsal`."""

    id: UUID
    action_id: UUID
    sequence: int
    rehearsal: bool
    details: Mapping[str, Any]
    transaction_id: UUID | None
    error: str


class Booked(NamedTuple):
    """All that a firing leads to: `after` is the rule as it goes on, `wake` when it is next looked
    at, `notice` what its owner is told."""

    firing: Firing
    execution: Execution
    after: Rule
    status_reason: str
    wake: Wake
    notice: Notice


def check_paused(paused: str) -> None:
    """Raises HeldBack where the rule's portfolio is paused, for the reason that is told."""
    if paused:
        raise HeldBack(Refused(Gate.PORTFOLIO, paused))


def book(firing: Firing, *, desk: Desk, portfolio: LockedPortfolio | None, sequence: int) -> Booked:
    """Plans the firing by what is on the desk, and posts its trades to the portfolio, unless it is
    a rehearsal's: that leaves the portfolio to others as it was.

    Raises HeldBack where the portfolio's day is spent.
    """
    leased, rule = firing.leased, firing.rule
    id = uuid4()
    plan = rule.effect.plan(rule, desk)
    traded = trades_of(plan, portfolio, id, desk.now)
    refused = isinstance(traded, Refusal)
    lines, standing = ([], None) if isinstance(traded, Refusal) else traded
    details = execution_details(
        leased,
        rule,
        firing.verdict,
        firing.view,
        message=plan.message if isinstance(plan, Plan) else "",
        traded=traded if isinstance(traded, Refusal) else lines,
    )
    if portfolio and standing:
        details["portfolio_id"] = str(portfolio.id)
        if not rule.rehearsal:
            details["cash_after"] = str(standing.cash)
    execution = Execution(
        id=id,
        action_id=leased.id,
        sequence=sequence,
        rehearsal=rule.rehearsal,
        details=details,
        transaction_id=lines[0].id if lines and not rule.rehearsal else None,
        error=traded.message if isinstance(traded, Refusal) else "",
    )
    after, wake = move_on(rule, firing.verdict, firing.view, succeeded=not refused)
    reason = ended_because(after) or leased.status_reason
    message = execution_message(details, rule=after, refused=refused, reason=reason)
    notice = Notice(leased.user_id, leased.id, message, execution_id=id)
    booked = Booked(firing, execution, after, reason, wake, notice)
    if portfolio and standing and not rule.rehearsal:
        portfolio.post(lines, standing, rule_at=desk.now)
    return booked


def trades_of(
    plan: Plan | Refusal, portfolio: LockedPortfolio | None, reference: UUID, now: datetime
) -> tuple[list[Line], Snapshot | None] | Refusal:
    """The ledger's lines and the portfolio after them, or why it is refused. Posts nothing.

    Raises HeldBack where the portfolio's day is spent.
    """
    if isinstance(plan, Refusal):
        return plan
    if portfolio is None:
        return [], None
    traded = carry_out(
        plan, portfolio.snapshot, limits=portfolio.limits, day=portfolio.today(now), now=now
    )
    if isinstance(traded, Refusal):
        return traded
    entries, after = traded
    return portfolio.draft(entries, reference), after
