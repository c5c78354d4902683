"""Which status may follow which: the whole table."""

from itertools import product

import pytest

from actions.lifecycle import BY_PEOPLE, TransitionRefused, check_transition
from actions.rules import Status

ACTIVE, PAUSED, FAILED = Status.ACTIVE, Status.PAUSED, Status.FAILED
COMPLETED, CANCELLED = Status.COMPLETED, Status.CANCELLED

PEOPLE_MAY = {
    (ACTIVE, PAUSED),
    (PAUSED, ACTIVE),
    (ACTIVE, CANCELLED),
    (PAUSED, CANCELLED),
    (FAILED, ACTIVE),
}
ALL = list(product(Status, Status))


def test_there_are_five_statuses() -> None:
    assert {ACTIVE, PAUSED, FAILED, COMPLETED, CANCELLED} == set(Status)


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in ALL if pair in PEOPLE_MAY])
def test_people_may(current: Status, wanted: Status) -> None:
    check_transition(current, wanted)


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in ALL if pair not in PEOPLE_MAY])
def test_people_may_not_and_are_told_what_they_may(current: Status, wanted: Status) -> None:
    with pytest.raises(TransitionRefused) as refused:
        check_transition(current, wanted)
    allowed = {after for before, after in PEOPLE_MAY if before is current}
    assert (refused.value.current, refused.value.wanted) == (current, wanted)
    assert refused.value.allowed == allowed
    words = str(refused.value)
    assert words.startswith(f"A rule that is {current.value} cannot become {wanted.value}.")
    options = ", ".join(sorted(allowed)) or "nothing: this is final"
    assert words.endswith(f"Allowed: {options}.")


@pytest.mark.parametrize("final", [COMPLETED, CANCELLED])
def test_what_is_final_is_final(final: Status) -> None:
    assert not BY_PEOPLE[final]


def test_a_rule_that_failed_is_brought_back_or_left() -> None:
    assert BY_PEOPLE[FAILED] == {ACTIVE}
