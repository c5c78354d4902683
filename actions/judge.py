"""One look at one rule: gates, trigger, and when to look again. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum

from actions.limits import Refused, first_refusal, has_expired
from actions.rules import ANY_PRICE, Evaluation, Outcome, Rule, State, View, Wake


class Finding(StrEnum):
    """What one look at a rule found."""

    FIRED = "fired"
    NOT_FIRED = "not_fired"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    MISSED = "missed"  # it was true of a quote that is too old to trade on


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, why, which gate refused, the trigger's new state, and when to look again.

    `faults` counts the looks in a row that failed through our own fault.
    """

    finding: Finding
    reason: str
    state: State
    wake: Wake
    gate: str | None = None
    faults: int = 0


def judge(rule: Rule, view: View) -> Verdict:
    """The verdict on `rule` at `view.now`.

    Behind a shut gate the trigger still follows the market (a crossing is armed, a peak rises), but
    a rule that would fire there sleeps until the gate opens and is not looked at before.
    """
    refused = first_refusal(rule, view)
    if refused and has_expired(rule, view.now):
        return Verdict(Finding.EXPIRED, refused.reason, rule.state, Wake(), gate=refused.gate)
    verdict = _behind(refused, rule, view) if refused else _at_the_trigger(rule, view)
    return replace(verdict, wake=verdict.wake.no_later_than(rule.valid_until))


def _at_the_trigger(rule: Rule, view: View) -> Verdict:
    evaluation = _evaluate(rule, view)
    if evaluation.outcome is Outcome.UNKNOWN:
        return Verdict(Finding.UNKNOWN, evaluation.reason, rule.state, _when_seen(rule))
    if evaluation.outcome is Outcome.FIRED:
        return Verdict(Finding.FIRED, evaluation.reason, evaluation.state, Wake(at=view.now))
    wake = rule.trigger.watch(rule.with_state(evaluation.state), view)
    return Verdict(Finding.NOT_FIRED, evaluation.reason, evaluation.state, wake)


def _behind(refused: Refused, rule: Rule, view: View) -> Verdict:
    asleep = Verdict(
        Finding.BLOCKED, refused.reason, rule.state, Wake(at=refused.until), refused.gate
    )
    if not refused.tracks:
        return asleep
    evaluation = _evaluate(rule, view)
    if evaluation.outcome is not Outcome.NOT_FIRED:
        return asleep
    wake = rule.trigger.watch(rule.with_state(evaluation.state), view)
    return Verdict(
        Finding.BLOCKED,
        refused.reason,
        evaluation.state,
        wake.no_later_than(refused.until),
        refused.gate,
    )


def _evaluate(rule: Rule, view: View) -> Evaluation:
    blind = view.blind_spot(rule.symbols)
    if blind:
        return Evaluation(Outcome.UNKNOWN, blind, rule.state)
    return rule.trigger.evaluate(rule, view)


def _when_seen(rule: Rule) -> Wake:
    # Only fresh quotes wake a rule, so this sleeps until there is one to judge by.
    return Wake(bands=dict.fromkeys(sorted(rule.symbols), ANY_PRICE))
