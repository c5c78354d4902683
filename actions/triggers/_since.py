"""The state of triggers that remember one instant: what comes after it is still to be judged."""

from datetime import datetime

from actions.rules import Rule, State


def state_since(instant: datetime) -> State:
    return {"since": instant.isoformat()}


def since(rule: Rule) -> datetime:
    """That instant: the rule's activation until it fires."""
    stored = rule.state.get("since")
    return datetime.fromisoformat(stored) if stored else rule.valid_from
