"""What became of a rule: when it was made, changed, fired, and ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.models import Action, ActionExecution, Notification

_ENDED = {
    Action.Statuses.COMPLETED: "check",
    Action.Statuses.CANCELLED: "cross",
    Action.Statuses.FAILED: "warn",
    Action.Statuses.PAUSED: "pause",
}
_TOLD = {
    Notification.Kinds.MISSED: "clock",
    Notification.Kinds.EXPIRED: "clock",
    Notification.Kinds.EXPIRING: "clock",
}


@dataclass(frozen=True, slots=True)
class Event:
    """`tone` is a class of the timeline: "gain", "loss", "wait", or none."""

    at: datetime
    icon: str
    tone: str
    words: str
    more: str = ""


def events_of(
    *, action: Action, executions: Iterable[ActionExecution], told: Iterable[Notification]
) -> Sequence[Event]:
    """What happened, newest first: of the executions and the notices that are given."""
    events = [Event(action.created_at, "plus", "", "Created.")]
    if action.status in _ENDED:
        label = Action.Statuses(action.status).label
        icon = _ENDED[Action.Statuses(action.status)]
        events.append(Event(action.updated_at, icon, "wait", f"{label}.", action.status_reason))
    elif action.status_reason:
        events.append(Event(action.updated_at, "edit", "", action.status_reason))
    events += [_fired(execution) for execution in executions]
    events += [_told(notice) for notice in told]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _fired(execution: ActionExecution) -> Event:
    failed = bool(execution.error)
    return Event(
        execution.triggered_at,
        "warn" if failed else "check",
        "loss" if failed else "gain",
        str(execution.details["summary"]),
        str(execution.details["reason"]),
    )


def _told(notice: Notification) -> Event:
    icon = _TOLD[Notification.Kinds(notice.kind)]
    return Event(notice.created_at, icon, "wait", notice.subject, notice.body)


def kinds_told() -> Sequence[str]:
    """The kinds of notices that say something that no execution does."""
    return [kind.value for kind in _TOLD]
