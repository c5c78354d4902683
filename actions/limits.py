"""The gates a rule must pass before its trigger counts, in the order in which they are asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from actions.rules import Rule, Status, View
from actions.words import times

FAILURE_COOLDOWN_SECONDS = 60  # after a refused trade, where the rule itself sets no cooldown
MOST_FAILURES = 3  # refused trades in a row before a rule is failed


class Gate(StrEnum):
    """In the order in which they are asked: the last two under the portfolio's lock, when a rule
    fires; the others with every look."""

    VALIDITY = "validity"
    STATUS = "status"
    SESSION = "session"
    COOLDOWN = "cooldown"
    MAX_EXECUTIONS = "max_executions"
    PORTFOLIO = "portfolio"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Refused:
    """A gate that is shut: the reason in plain words, and the instant at which it opens.

    `until` is None when no instant opens it. `tracks` is whether the trigger goes on following the
    market behind the shut gate: it does not before a rule is valid, since it is not activated yet.
    """

    gate: Gate
    reason: str
    until: datetime | None = None
    tracks: bool = True


def first_refusal(rule: Rule, view: View) -> Refused | None:
    """The first gate that refuses `rule` at `view.now`, or None when all are open."""
    for ask in GATES.values():
        if refused := ask(rule, view):
            return refused
    return None


def has_expired(rule: Rule, now: datetime) -> bool:
    return rule.valid_until is not None and now >= rule.valid_until


def cooldown_ends(rule: Rule) -> datetime | None:
    """When a rule that was triggered may be triggered again; None when at once.

    A gap of exactly the cooldown is enough.
    """
    seconds = rule.cooldown_seconds or 0
    if rule.consecutive_failures:
        seconds = rule.cooldown_seconds or FAILURE_COOLDOWN_SECONDS
    if rule.last_triggered_at is None or not seconds:
        return None
    return rule.last_triggered_at + timedelta(seconds=seconds)


def _validity(rule: Rule, view: View) -> Refused | None:
    if view.now < rule.valid_from:
        return Refused(
            Gate.VALIDITY, "The rule is not valid yet.", until=rule.valid_from, tracks=False
        )
    if has_expired(rule, view.now):
        return Refused(Gate.VALIDITY, "The rule has expired.", tracks=False)
    return None


def _status(rule: Rule, view: View) -> Refused | None:
    if rule.status == Status.ACTIVE:
        return None
    return Refused(Gate.STATUS, f"The rule is {rule.status}.", tracks=False)


def _session(rule: Rule, view: View) -> Refused | None:
    if not rule.effect.trades or view.calendar.is_open(view.now):
        return None
    return Refused(Gate.SESSION, "The market is closed.", until=view.calendar.next_open(view.now))


def _cooldown(rule: Rule, view: View) -> Refused | None:
    until = cooldown_ends(rule)
    if until is None or view.now >= until:
        return None
    return Refused(Gate.COOLDOWN, "The rule was triggered a short while ago.", until=until)


def _max_executions(rule: Rule, view: View) -> Refused | None:
    if rule.max_executions is None or rule.executions_count < rule.max_executions:
        return None
    return Refused(
        Gate.MAX_EXECUTIONS,
        f"The rule has been executed {times(rule.executions_count)}, as often as it may.",
        tracks=False,
    )


# Those that are asked with every look.
GATES: Mapping[Gate, Callable[[Rule, View], Refused | None]] = {
    Gate.VALIDITY: _validity,
    Gate.STATUS: _status,
    Gate.SESSION: _session,
    Gate.COOLDOWN: _cooldown,
    Gate.MAX_EXECUTIONS: _max_executions,
}
