"""Fires a rule: one transaction in which all of it happens or nothing.

Lock the rule, check that the lease is still ours and that the gates still hold, lock the portfolio,
trade, record the execution, count it, set the next watch, queue what is to be told, commit.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from actions.judge import Finding, Verdict, judge, move_on
from actions.lease import Leased
from actions.limits import first_refusal
from actions.models import Action, ActionExecution
from actions.notify.outbox import Notice, tell
from actions.receipts import execution_details, execution_message, missed_message
from actions.rules import Desk, Plan, Rule, Status, View
from actions.settle import record_look
from market.selectors import latest_quotes
from portfolios.ledger import Refusal
from portfolios.models import Transaction
from portfolios.services import LockedPortfolio, lock_portfolio, primary_portfolio, record_trades


def commit_firing(
    *, leased: Leased, verdict: Verdict, view: View, lease: timedelta
) -> ActionExecution | None:
    """Fires the rule of `leased`, which `verdict` found true of `view`.

    Returns the execution, successful or refused; None when there is none: the lease was lost, a
    gate has shut meanwhile, or the quote that woke the rule is older than two leases, which is
    recorded as missed and told.
    """
    with transaction.atomic():
        action = Action.objects.select_for_update().get(pk=leased.action.pk)
        if action.processing_lease_until != leased.until:
            return None  # somebody else has it now, or it was paused: the firing is theirs to judge
        rule = action.as_rule()
        if first_refusal(rule, view):
            record_look(action, judge(rule, view), rule.symbols, view.now)
            return None
        if view.now - leased.woken_at > 2 * lease:
            _miss(action, rule, verdict, view)
            return None
        return _fire(action, rule, verdict, view)


def _fire(action: Action, rule: Rule, verdict: Verdict, view: View) -> ActionExecution:
    portfolio = _lock_portfolio(action) if rule.effect.trades else None
    desk = Desk(
        now=view.now,
        quotes=latest_quotes(symbols=rule.effect.symbols(rule)),
        portfolio=portfolio.snapshot if portfolio else None,
    )
    plan = rule.effect.plan(rule, desk)
    execution = ActionExecution(
        action=action, sequence=_next_sequence(action), triggered_at=view.now
    )
    traded = _trade(plan, portfolio, execution, view.now)
    execution.details = execution_details(
        action, rule, verdict, view, plan=plan, traded=traded, portfolio=portfolio
    )
    if isinstance(traded, Refusal):
        execution.execution_status = ActionExecution.Statuses.FAILED
        execution.error = traded.message
    else:
        execution.execution_status = ActionExecution.Statuses.SUCCESS
        execution.transaction = traded[0] if traded else None
    execution.save(force_insert=True)
    _count(action, rule, verdict, view, succeeded=not isinstance(traded, Refusal))
    message = execution_message(action, execution)
    tell(
        notices=[Notice(action.user_id, action.pk, message, execution_id=execution.pk)],
        now=view.now,
    )
    return execution


def _trade(
    plan: Plan | Refusal,
    portfolio: LockedPortfolio | None,
    execution: ActionExecution,
    now: datetime,
) -> list[Transaction] | Refusal:
    if isinstance(plan, Refusal):
        return plan
    if portfolio is None or not plan.orders:
        return []
    return record_trades(locked=portfolio, orders=plan.orders, at=now, reference=execution.id)


def _count(action: Action, rule: Rule, verdict: Verdict, view: View, *, succeeded: bool) -> None:
    """Counts the firing, moves the rule on in its life, and sets when it is looked at next."""
    after, wake = move_on(rule, verdict, view, succeeded=succeeded)
    if after.status != rule.status:
        action.status = Action.Statuses(after.status)
        action.status_reason = (
            f"Executed {_times(after.executions_count)}."
            if after.status is Status.COMPLETED
            else f"Refused {_times(after.consecutive_failures)} in a row."
        )
    action.executions_count = after.executions_count
    action.consecutive_failures = after.consecutive_failures
    action.last_triggered_at = after.last_triggered_at
    record_look(action, replace(verdict, state=after.state, wake=wake), after.symbols, view.now)


def _miss(action: Action, rule: Rule, verdict: Verdict, view: View) -> None:
    missed = replace(verdict, finding=Finding.MISSED)
    record_look(action, missed, rule.symbols, view.now)
    message = missed_message(action, verdict)
    tell(notices=[Notice(action.user_id, action.pk, message)], now=view.now)


def _lock_portfolio(action: Action) -> LockedPortfolio:
    portfolio_id = action.portfolio_id or primary_portfolio(user=action.user).pk
    return lock_portfolio(portfolio_id=portfolio_id)


def _next_sequence(action: Action) -> int:
    # Safe to count: the rule's row is locked, and the unique constraint stands behind it.
    last = action.executions.aggregate(last=Max("sequence"))["last"]
    return (last or 0) + 1


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
