"""Which status a person may give a rule. (The engine ends rules: see judge.move_on.)"""

from collections.abc import Mapping

from actions.rules import Status

BY_PEOPLE: Mapping[Status, frozenset[Status]] = {
    Status.ACTIVE: frozenset({Status.PAUSED, Status.CANCELLED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.CANCELLED}),
    Status.FAILED: frozenset({Status.ACTIVE}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
}

# What a rehearsal is when it becomes a rule that trades. What its executions ended begins afresh;
# what a person paused or cancelled is not let go on by that.
PROMOTED: Mapping[Status, Status] = {
    Status.ACTIVE: Status.ACTIVE,
    Status.PAUSED: Status.PAUSED,
    Status.FAILED: Status.ACTIVE,
    Status.COMPLETED: Status.ACTIVE,
}


class TransitionRefused(ValueError):
    """`current` cannot become `wanted`; `allowed` are those it can become."""

    def __init__(self, current: Status, wanted: Status, allowed: frozenset[Status]) -> None:
        self.current, self.wanted, self.allowed = current, wanted, allowed
        options = ", ".join(sorted(allowed)) or "nothing: this is final"
        super().__init__(f"A rule that is {current} cannot become {wanted}. Allowed: {options}.")


def check_transition(current: Status, wanted: Status) -> None:
    """Raises TransitionRefused unless a person may move a rule from `current` to `wanted`."""
    allowed = BY_PEOPLE[current]
    if wanted not in allowed:
        raise TransitionRefused(current, wanted, allowed)


def check_promotion(current: Status) -> Status:
    """The status of a rehearsal that was `current`, once it is promoted. Raises TransitionRefused
    for one that was cancelled."""
    if current not in PROMOTED:
        raise TransitionRefused(current, Status.ACTIVE, BY_PEOPLE[current])
    return PROMOTED[current]
