"""What a firing leaves behind in words: the execution's details, and the messages to the owner."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from actions.closest import Approach
from actions.judge import Verdict
from actions.lease import Leased
from actions.models import Action, Notification
from actions.rules import Rule, Status, View
from actions.sentence import REHEARSAL, in_zone, sentence
from market.quotes import Sample
from portfolios.ledger import Entry, Kind, Refusal
from portfolios.money import format_price, format_quantity, format_usd
from portfolios.recording import Line

_DID = {Kind.SELL: "sold", Kind.BUY: "bought"}
_WOULD = {kind: f"would have {verb}" for kind, verb in _DID.items()}


class Message(NamedTuple):
    """What is told to a user: a line, the text below it, and what kind of news it is."""

    subject: str
    body: str
    kind: Notification.Kinds = Notification.Kinds.FIRED


def execution_details(
    leased: Leased,
    rule: Rule,
    verdict: Verdict,
    view: View,
    *,
    message: str,
    traded: Sequence[Line] | Refusal,
) -> dict[str, Any]:
    """Everything that was known when the rule fired, so that why it did can be told years later.

    `message` are the effect's own words.
    """
    details: dict[str, Any] = {
        "rule": sentence(rule, leased.zone),
        "action_type": leased.action_type,
        "symbol": leased.symbol,
        "trigger": leased.trigger,
        "reason": verdict.reason,
        "woken_at": _instant(view.woken_at),
        "quotes": {symbol: _quote(quote) for symbol, quote in view.quotes.items()},
    }
    if isinstance(traded, Refusal):
        return details | {"code": str(traded.code), "summary": _refused(rule, traded)}
    if rule.rehearsal:
        details["would_trade"] = [_trade(line.entry) for line in traded]
    else:
        details["trades"] = [
            {"transaction_id": str(line.id), **_trade(line.entry)} for line in traded
        ]
    details["summary"] = _summary(rule, traded, verdict, message)
    if message:
        details["message"] = message
    return details


def execution_message(
    details: Mapping[str, Any], *, rule: Rule, refused: bool, reason: str
) -> Message:
    """What the owner is told of an execution: what was done, why, and what is left.

    `rule` is as it goes on, `reason` why it has its status.
    """
    lines = [details["summary"], "", f"Your rule: {details['rule']}", f"Why: {details['reason']}"]
    if rule.rehearsal:
        lines.append("This was a rehearsal: nothing was traded.")
    elif refused:
        lines.append("Nothing was traded.")
    if "cash_after" in details:
        lines.append(f"Cash now: {format_usd(Decimal(details['cash_after']))}.")
    if rule.status is not Status.ACTIVE:
        lines.append(f"The rule is now {rule.status}. {reason}")
    return Message(subject=details["summary"].splitlines()[0], body="\n".join(lines))


def missed_message(leased: Leased, verdict: Verdict) -> Message:
    """Told when a rule came true, but nobody was there in time to trade on it."""
    return Message(
        subject=f"Missed: {leased.sentence()}",
        body=f"{verdict.reason}\nThat quote was too old to trade on when the rule was looked at "
        "again, so nothing was traded. The rule goes on watching.",
        kind=Notification.Kinds.MISSED,
    )


def held_message(leased: Leased, verdict: Verdict) -> Message:
    """Told when a rule came true, but must wait for the next day."""
    return Message(
        subject=f"Held back: {leased.sentence()}",
        body=f"{verdict.reason}\nThe rule came true and traded nothing. It may again tomorrow, if "
        "it is true then.",
        kind=Notification.Kinds.MISSED,
    )


def expired_message(leased: Leased, approach: Approach | None) -> Message:
    """Told when a rule's time ran out, with the closest that the price came, where it is known."""
    near = f"\n{approach.words()}" if approach else ""
    return Message(
        subject=f"Expired: {leased.sentence()}",
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


def doubted_message(symbol: str, reason: str) -> Message:
    """Told to whoever has a rule on a symbol whose price may be that of a split."""
    return Message(
        subject=f"{symbol} may have been split: your rules on it are held",
        body=f"{reason}.\nUntil it is known what it is, no rule fires by that price. If it was a "
        "split, your rules and your shares follow it by themselves.",
        kind=Notification.Kinds.SPLIT,
    )


def split_message(symbol: str, split: str, rules: Sequence[str]) -> Message:
    """Told to whoever holds shares of a symbol that was split, or has rules on it: those rules in
    new shares, a line each. `split` is such as "7-for-1 of AAPL on 2014-06-09"."""
    lines = [f"There was a split: {split}. Shares that you hold of it have been split as well."]
    if rules:
        lines += ["Your rules now read:", *rules]
    return Message(
        subject=f"{symbol} was split: {split.partition(' ')[0]}",
        body="\n".join(lines),
        kind=Notification.Kinds.SPLIT,
    )


def _summary(rule: Rule, traded: Sequence[Line], verdict: Verdict, message: str) -> str:
    """What was done; of several trades first the sums, which stand for the whole in a subject."""
    prefix, verbs = (REHEARSAL, _WOULD) if rule.rehearsal else ("", _DID)
    if not traded:
        lines = [message, verdict.reason] if rule.effect.trades else [verdict.reason, message]
        return prefix + "\n".join(lines).strip()
    lines = [_sold_or_bought(line.entry, verbs) for line in traded]
    first = prefix + _sums(traded, verbs) if len(lines) > 1 else prefix + lines.pop()
    return "\n".join(_capital(line) for line in (first, *lines))


def _sums(traded: Sequence[Line], verbs: Mapping[Kind, str]) -> str:
    done = []
    for kind, verb in verbs.items():
        if amounts := [abs(line.entry.amount) for line in traded if line.entry.kind == kind]:
            done.append(f"{verb} for {format_usd(sum(amounts, Decimal(0)))}")
    return f"{len(traded)} trades: {', '.join(done)}."


def _sold_or_bought(entry: Entry, verbs: Mapping[Kind, str]) -> str:
    shares = format_quantity(abs(entry.quantity or Decimal(0)))
    return (
        f"{verbs[entry.kind]} {shares} {entry.symbol} at {format_price(entry.price or Decimal(0))} "
        f"for {format_usd(abs(entry.amount))}."
    )


def _refused(rule: Rule, refusal: Refusal) -> str:
    verb = f"{REHEARSAL}would have been refused" if rule.rehearsal else "Refused"
    return f"{verb}: {rule.effect.describe(rule.symbol)}. {refusal.message}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _trade(entry: Entry) -> dict[str, str]:
    return {
        "side": entry.kind.value,
        "symbol": str(entry.symbol),
        "quantity": str(entry.quantity),
        "price": str(entry.price),
        "amount": str(entry.amount),
    }


def _quote(quote: Sample) -> Mapping[str, Any]:
    return {
        "price": str(quote.price),
        "as_of": _instant(quote.as_of),
        "volume": quote.volume,
        "interpolated": quote.interpolated,
        "note": quote.note,
    }


@lru_cache(maxsize=1024)
def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()  # a storm's are all the same
