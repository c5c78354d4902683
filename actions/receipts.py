"""What a firing leaves behind in words: the execution's details, and the messages to the owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from actions.closest import Approach
from actions.judge import Verdict
from actions.models import Action, ActionExecution, Notification
from actions.rules import Plan, Rule, View
from actions.sentence import in_zone, sentence
from market.quotes import Sample
from portfolios.ledger import Kind, Refusal
from portfolios.models import Transaction
from portfolios.money import format_price, format_quantity, format_usd
from portfolios.services import LockedPortfolio


@dataclass(frozen=True, slots=True)
class Message:
    """What is told to a user: a line, the text below it, and what kind of news it is."""

    subject: str
    body: str
    kind: Notification.Kinds = Notification.Kinds.FIRED


def execution_details(
    action: Action,
    rule: Rule,
    verdict: Verdict,
    view: View,
    *,
    plan: Plan | Refusal,
    traded: Sequence[Transaction] | Refusal,
    portfolio: LockedPortfolio | None,
) -> dict[str, Any]:
    """Everything that was known when the rule fired, so that why it did can be told years later."""
    words = sentence(rule, action.user.zone)
    details: dict[str, Any] = {
        "rule": words,
        "action_type": action.action_type,
        "symbol": action.symbol,
        "trigger": {"type": action.trigger_type, "params": action.trigger_params},
        "reason": verdict.reason,
        "woken_at": view.woken_at.isoformat(),
        "quotes": {symbol: _quote(quote) for symbol, quote in view.quotes.items()},
    }
    if isinstance(traded, Refusal):
        return details | {
            "code": str(traded.code),
            "summary": f"Refused: {rule.effect.describe(rule.symbol)}. {traded.message}",
        }
    message = plan.message if isinstance(plan, Plan) else ""
    details["trades"] = [_trade(entry) for entry in traded]
    details["summary"] = _summary(rule, traded, verdict, message)
    if message:
        details["message"] = message
    if portfolio is not None:
        details["portfolio_id"] = str(portfolio.portfolio.pk)
        details["cash_after"] = str(portfolio.snapshot.cash)
    return details


def execution_message(action: Action, execution: ActionExecution) -> Message:
    """What the owner is told of an execution: what was done, why, and what is left."""
    details = execution.details
    lines = [details["summary"], "", f"Your rule: {details['rule']}", f"Why: {details['reason']}"]
    if execution.execution_status == ActionExecution.Statuses.FAILED:
        lines.append("Nothing was traded.")
    if "cash_after" in details:
        lines.append(f"Cash now: {format_usd(Decimal(details['cash_after']))}.")
    if action.status != Action.Statuses.ACTIVE:
        lines.append(f"The rule is now {action.status}. {action.status_reason}")
    return Message(subject=details["summary"].splitlines()[0], body="\n".join(lines))


def missed_message(action: Action, verdict: Verdict) -> Message:
    """Told when a rule came true, but nobody was there in time to trade on it."""
    words = action.sentence(action.user.zone)
    return Message(
        subject=f"Missed: {words}",
        body=f"{verdict.reason}\nThat quote was too old to trade on when the rule was looked at "
        "again, so nothing was traded. The rule goes on watching.",
        kind=Notification.Kinds.MISSED,
    )


def expired_message(action: Action, approach: Approach | None) -> Message:
    """Told when a rule's time ran out, with the closest that the price came, where it is known."""
    words = action.sentence(action.user.zone)
    near = f"\n{approach.words()}" if approach else ""
    return Message(
        subject=f"Expired: {words}",
        body=f"The rule has expired and will not fire again.{near}",
        kind=Notification.Kinds.EXPIRED,
    )


def expiring_message(action: Action, approach: Approach | None, now: datetime) -> Message:
    """Told a day before a rule's time runs out. The rule has a `valid_until`, later than `now`."""
    zone = action.user.zone
    end = action.valid_until or now
    day = "today" if end.astimezone(zone).date() == now.astimezone(zone).date() else "tomorrow"
    times = action.executions_count
    fired = f"has fired {times} {'time' if times == 1 else 'times'}" if times else "has not fired"
    near = f"\n{approach.words()}" if approach else ""
    return Message(
        subject=f"Expires {day}: {action.sentence(zone)}",
        body=f"It ends on {in_zone(end, zone)}, and {fired} so far.{near}",
        kind=Notification.Kinds.EXPIRING,
    )


def _summary(rule: Rule, traded: Sequence[Transaction], verdict: Verdict, message: str) -> str:
    """What was done; of several trades first the sums, which stand for the whole in a subject."""
    if not traded:
        lines = [message, verdict.reason] if rule.effect.trades else [verdict.reason, message]
        return "\n".join(lines).strip()
    lines = [_sold_or_bought(entry) for entry in traded]
    return "\n".join([_sums(traded), *lines] if len(lines) > 1 else lines)


def _sums(traded: Sequence[Transaction]) -> str:
    done = []
    for kind, verb in ((Kind.SELL, "sold"), (Kind.BUY, "bought")):
        if amounts := [abs(entry.amount) for entry in traded if entry.kind == kind]:
            done.append(f"{verb} for {format_usd(sum(amounts, Decimal(0)))}")
    return f"{len(traded)} trades: {', '.join(done)}."


def _sold_or_bought(entry: Transaction) -> str:
    verb = "Bought" if entry.kind == Kind.BUY else "Sold"
    shares = format_quantity(abs(entry.quantity or Decimal(0)))
    return (
        f"{verb} {shares} {entry.instrument_id} at {format_price(entry.price or Decimal(0))} "
        f"for {format_usd(abs(entry.amount))}."
    )


def _trade(entry: Transaction) -> dict[str, str]:
    return {
        "transaction_id": str(entry.pk),
        "side": entry.kind,
        "symbol": str(entry.instrument_id),
        "quantity": str(entry.quantity),
        "price": str(entry.price),
        "amount": str(entry.amount),
    }


def _quote(quote: Sample) -> Mapping[str, Any]:
    return {
        "price": str(quote.price),
        "as_of": quote.as_of.isoformat(),
        "volume": quote.volume,
        "interpolated": quote.interpolated,
        "note": quote.note,
    }
