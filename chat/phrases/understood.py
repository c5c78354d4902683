"""What was understood of a text: the reader's answer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID


class Intent(StrEnum):
    CREATE = "create_action"
    LIST = "list_actions"
    UPDATE = "update_action"
    PAUSE = "pause_action"
    RESUME = "resume_action"
    CANCEL = "cancel_action"
    EXECUTE = "execute_now"
    SIMULATE = "simulate"
    EXPLAIN = "explain"
    ANSWER = "answer"
    ASK = "ask"
    REFUSE = "refuse"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Understood:
    """`action` is the rule to create, with the columns' names, and there with CREATE alone. `args`
    are the filters, the patch, the rule's id or the tool that answers. `text` is what the user is
    told or asked."""

    intent: Intent
    text: str
    args: Mapping[str, Any] = field(default_factory=dict)
    action: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain values: instants in UTC as ISO 8601, numbers as numbers."""
        return {
            "intent": self.intent.value,
            "action": _plain(self.action),
            "args": _plain(self.args),
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class KnownRule:
    """What the reader is told of one of the user's rules, so that it can find it by its words."""

    id: UUID | str
    status: str
    action_type: str
    trigger_type: str
    symbol: str | None = None
    sentence: str = ""
    trigger_params: Mapping[str, Any] = field(default_factory=dict)


class Question(Exception):
    """The one thing that is missing or unclear, as it is asked."""


class Refused(Exception):
    """What the product does not do, in words."""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    return _number(value) if isinstance(value, Decimal) else value


def _number(value: Decimal) -> int | float | str:
    """The very number; as text where JSON readers would lose some of its digits."""
    if value == value.to_integral_value():
        return int(value)
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else str(value)
