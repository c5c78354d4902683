"""One turn of a conversation: who asks, what tools say, and what is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and when. Every tool works for this user and for nobody else."""

    user: User
    now: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be done once its user has confirmed it; the fields are those of Proposal."""

    intent: str
    sentence: str
    payload: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says: in words for the user, as `data` for a model.

    `done`: something was changed by it.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    wanted: Wanted | None = None
    done: bool = False


class ToolError(ValueError):
    """A tool that was called wrongly, or that cannot do what is asked, in words."""


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier message. `role` is "user" or "assistant"."""

    role: str
    text: str


@dataclass(slots=True)
class Turn:
    """The answer, what it proposes, which tools were called for it, and what it took.

    `cost_usd` is None where the model's prices are not known.
    """

    text: str = ""
    wanted: list[Wanted] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal | None = None


class Reply(Protocol):
    """Answers `text`, said after `history`. Raises nothing for any text: errors are words."""

    def __call__(self, asker: Asker, history: Sequence[Said], text: str) -> Turn: ...
