"""Gates as they are told."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from actions.why import GateState


class GateOut(BaseModel):
    """A gate, in the order in which they are asked."""

    gate: str
    open: bool
    reason: str = Field(description="Why it is shut.")
    until: datetime | None = Field(description="When it opens, where that is known.")


def gate_told(state: GateState) -> dict[str, Any]:
    return {
        "gate": state.gate,
        "open": state.open,
        "reason": state.reason,
        "until": state.until,
    }
