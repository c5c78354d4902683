"""One look at one rule: gates, trigger, and when to look again. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from actions.limits import MOST_FAILURES, Refused, first_refusal, has_expired
from actions.rules import ANY_PRICE, Outcome, Rule, State, Status, View, Wake
from actions.words import times


class Finding(StrEnum):
    """What one look at a rule found."""

    FIRED = "fired"
    NOT_FIRED = "not_fired"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    MISSED = "missed"  # it was true of a quote that is too old to trade on


class Verdict(NamedTuple):
    """What was found, why, which gate refused, the trigger's new state, and when to look again.

    `faults` counts the looks in a row that failed through our own fault.
    """

    finding: Finding
    reason: str
    state: State
    wake: Wake
    gate: str | None = None
    faults: int = 0


def state_by(rule: Rule, view: View) -> State:
    """What the trigger of a rule that begins at the view's instant remembers; nothing if it is not
    valid yet.

    The last quote counts as the price at this instant if it is not older than the last close: until
    there is another it tells what the price is. One from before tells what it was.
    """
    if rule.valid_from > view.now:
        return {}
    last_close = view.calendar.last_close(view.now)
    watched = rule.trigger.watched(rule)
    standing = {
        symbol: quote
        for symbol, quote in view.quotes.items()
        if symbol in watched and quote.as_of >= last_close
    }
    return rule.trigger.activate(rule, view._replace(quotes=standing))


def begin(rule: Rule, view: View) -> Rule:
    """The rule with the state that its trigger has started from, as of the instant at which the
    rule became valid: for the first look since then."""
    if rule.begun or rule.valid_from > view.now:
        return rule
    began = view._replace(now=rule.valid_from)
    return rule._replace(state=state_by(rule, began), begun=True)


def judge(rule: Rule, view: View) -> Verdict:
    """The verdict on `rule` at `view.now`.

    Behind a shut gate the trigger still follows the market (a crossing is armed, a peak rises). A
    rule that would fire there sleeps until the gate opens, and is looked at before only where that
    changes its state (`Trigger.follow`).
    """
    rule = begin(rule, view)
    refused = first_refusal(rule, view)
    if refused and has_expired(rule, view.now):
        return Verdict(Finding.EXPIRED, refused.reason, rule.state, Wake(), gate=refused.gate)
    verdict = _look(rule, view) if refused is None else _look_behind(refused, rule, view)
    wake = verdict.wake.no_later_than(rule.valid_until)
    if rule.trigger.needs(rule).portfolio:
        wake = wake._replace(portfolio=True)
    return verdict if wake is verdict.wake else verdict._replace(wake=wake)


def hold_back(rule: Rule, view: View, refused: Refused) -> Verdict:
    """The verdict on a rule that came true, but whose portfolio lets it trade no earlier than
    `refused` says; a change of the portfolio wakes it before."""
    wake = rule.trigger.follow(rule, view).no_later_than(refused.until)
    wake = wake.no_later_than(rule.valid_until)._replace(portfolio=True)
    return Verdict(Finding.BLOCKED, refused.reason, rule.state, wake, gate=refused.gate)


def move_on(rule: Rule, verdict: Verdict, view: View, *, succeeded: bool) -> tuple[Rule, Wake]:
    """The rule after a firing that `succeeded` or was refused, and when to look at it next.

    The firing is counted, and the rule completed or failed where it was the last.
    """
    count = rule.executions_count + succeeded
    failures = 0 if succeeded else rule.consecutive_failures + 1
    status = rule.status
    if count == rule.max_executions:
        status = Status.COMPLETED
    elif failures >= MOST_FAILURES:
        status = Status.FAILED
    after = rule._replace(
        status=status,
        state=verdict.state,
        executions_count=count,
        consecutive_failures=failures,
        last_triggered_at=view.now,
    )
    if status is not rule.status:
        return after, Wake()
    again = judge(after, view)
    if again.finding is Finding.FIRED:  # it may, but has not: the next look starts from here
        return after, again.wake
    return after.with_state(again.state), again.wake


def ended_because(rule: Rule) -> str:
    """Why its last firing ended the rule; empty for one that goes on."""
    if rule.status is Status.COMPLETED:
        done = "Rehearsed" if rule.rehearsal else "Executed"
        return f"{done} {times(rule.executions_count)}."
    if rule.status is Status.FAILED:
        return f"Refused {times(rule.consecutive_failures)} in a row."
    return ""


def _look_behind(refused: Refused, rule: Rule, view: View) -> Verdict:
    asleep = Verdict(
        Finding.BLOCKED, refused.reason, rule.state, Wake(at=refused.until), refused.gate
    )
    if not refused.tracks:
        return asleep
    seen = _look(rule, view)
    if seen.finding is Finding.FIRED:
        wake = rule.trigger.follow(rule, view)
        return asleep._replace(wake=wake.no_later_than(refused.until))
    return asleep._replace(state=seen.state, wake=seen.wake.no_later_than(refused.until))


def _look(rule: Rule, view: View) -> Verdict:
    if blind := view.blind_spots(rule.trigger.watched(rule)):
        return _unknown(rule, blind)
    evaluation = rule.trigger.evaluate(rule, view)
    if evaluation.outcome is Outcome.FIRED:
        if blind := view.blind_spots(rule.effect.symbols(rule)):
            return _unknown(rule, blind, rule.trigger.follow(rule, view))
        return Verdict(Finding.FIRED, evaluation.reason, evaluation.state, Wake(at=view.now))
    wake = rule.trigger.watch(rule.with_state(evaluation.state), view)
    finding = Finding(evaluation.outcome.value)
    return Verdict(finding, evaluation.reason, evaluation.state, wake)


def _unknown(rule: Rule, blind: Mapping[str, str], follow: Wake | None = None) -> Verdict:
    # Only fresh quotes wake a rule, so this sleeps until there is one to judge by.
    follow = follow or Wake()
    wake = follow._replace(bands={**follow.bands, **dict.fromkeys(blind, ANY_PRICE)})
    return Verdict(Finding.UNKNOWN, " ".join(blind.values()), rule.state, wake)
