"""What became of a rule: when it was made, changed, fired, and ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.history import Change
from actions.models import ActionExecution, Notification

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
    *,
    changes: Iterable[Change],
    executions: Iterable[ActionExecution],
    told: Iterable[Notification],
) -> Sequence[Event]:
    """What happened, newest first: of the changes, the executions and the notices given."""
    events = [
        *(_changed(change) for change in changes),
        *(_fired(execution) for execution in executions),
        *(_told(notice) for notice in told),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _changed(change: Change) -> Event:
    words = "; ".join(change.what) or change.why
    why = f"{change.why} " if change.what and change.why else ""
    return Event(change.at, "edit", "", words, f"{why}By {change.who}.")


def _fired(execution: ActionExecution) -> Event:
    icon, tone = ("warn", "loss") if execution.error else ("check", "gain")
    if execution.rehearsal:
        icon, tone = "rehearsal", ""
    return Event(
        execution.triggered_at,
        icon,
        tone,
        str(execution.details["summary"]),
        str(execution.details["reason"]),
    )


def _told(notice: Notification) -> Event:
    icon = _TOLD[Notification.Kinds(notice.kind)]
    return Event(notice.created_at, icon, "wait", notice.subject, notice.body)


def kinds_told() -> Sequence[str]:
    """The kinds of notices that say something that no execution does."""
    return [kind.value for kind in _TOLD]
