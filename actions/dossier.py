"""All that support needs to say why a rule did or did not fire, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from actions.history import Change, history_of
from actions.models import Action, ActionExecution, Notification, Watch
from actions.pages.detail import Check, checks_of
from actions.pages.lines import RuleLine, lines
from actions.sentence import in_zone

NEWEST = 20


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the owner's page says (`line`, `checks`), and what lies under it.

    `wakefulness` says in words whether the rule is asleep, awake or leased, `last_look` what the
    last look found. Of executions and of what was told, the NEWEST. Times are in `zone`, which is
    the owner's.
    """

    line: RuleLine
    checks: Sequence[Check]
    wakefulness: str
    last_look: str
    watches: Sequence[Watch]
    executions: Sequence[ActionExecution]
    told: Sequence[Notification]
    changes: Sequence[Change]
    zone: ZoneInfo


def dossier_of(*, action: Action, now: datetime) -> Dossier:
    """The dossier of a rule; nine statements at most, whatever has happened to it."""
    zone = action.user.zone
    (line,) = lines(actions=[action], zone=zone, now=now)
    told = Notification.objects.filter(action=action).select_related("email", "webhook")
    return Dossier(
        line=line,
        checks=checks_of(line, zone),
        wakefulness=_wakefulness(action, now, zone),
        last_look=_last_look(action, zone),
        watches=list(Watch.objects.filter(action=action).order_by("symbol")),
        executions=list(
            ActionExecution.objects.filter(action=action).order_by("-sequence")[:NEWEST]
        ),
        told=list(told.order_by("-created_at")[:NEWEST]),
        changes=history_of(action=action, zone=zone, for_staff=True),
        zone=zone,
    )


def _wakefulness(action: Action, now: datetime, zone: ZoneInfo) -> str:
    until = action.processing_lease_until
    if action.status != Action.Statuses.ACTIVE:
        return f"It is {action.status}: nothing wakes it."
    if until is None:
        return "It is asleep, until one of its watches wakes it."
    if until <= now:
        return f"It is awake, and waits for an evaluator since {in_zone(until, zone)}."
    return f"It is awake: an evaluator has it, until {in_zone(until, zone)} at the latest."


def _last_look(action: Action, zone: ZoneInfo) -> str:
    found, at = action.last_evaluation, action.last_evaluated_at
    if found is None or at is None:
        return "Nobody has looked at it yet."
    gate = f" (gate: {found['gate']})" if found.get("gate") else ""
    faults = f" Faults in a row: {found['faults']}." if found.get("faults") else ""
    finding = found["finding"].replace("_", " ")
    return f"{in_zone(at, zone)}: {finding}{gate}. {found['reason']}{faults}"
