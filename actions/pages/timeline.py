"""What became of a rule: when it was made, changed, fired, and ended."""

from collections.abc import Iterable, Iterator, Sequence
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
    events = [
        *_present(action),
        *(_fired(execution) for execution in executions),
        *(_told(notice) for notice in told),
        Event(action.created_at, "plus", "", "Created."),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _present(action: Action) -> Iterator[Event]:
    """How it got the status that it has. A firing may have ended it, and no edit tells of that."""
    at = max(action.updated_at, action.last_triggered_at or action.updated_at)
    status = Action.Statuses(action.status)
    if status in _ENDED:
        yield Event(at, _ENDED[status], "wait", f"{status.label}.", action.status_reason)
    elif action.status_reason:
        yield Event(action.updated_at, "edit", "", action.status_reason)


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
