"""When a cluster is late. Pure: the signs, the instant and the interval come in as arguments.

Instants are seconds of a clock that only goes forward, at which a sign was seen to change; so no
machine's wall clock is compared with another's, and a laptop that slept is not taken for dead.
"""

from dataclasses import dataclass

from tradingrules.watchdog.signs import Signs

MISSED_TICKS = 3
START_UP_SECONDS = 30  # of a cluster, until its first tick is due
HAND_OVER_SECONDS = 10  # from one shift to the next, however short the interval
JOB_GAP_SECONDS = 120  # from the end of one job to the beginning of the next: two schedules' worth


@dataclass(frozen=True, slots=True)
class Late:
    """What did not come about, and for how many seconds it has not."""

    what: str
    seconds: float
    evaluator: bool  # whether it is the evaluator that is late


class Vigil:
    """Follows the signs of one cluster from its start on.

    `longest_job`: the seconds after which a job is ended by force, so that no tick takes longer.
    """

    def __init__(self, signs: Signs, *, at: float, interval: float, longest_job: float) -> None:
        self._longest_job = longest_job
        self._interval = interval
        self._signs = signs
        self._ticked_at = self._worked_at = at + START_UP_SECONDS

    def observe(self, signs: Signs, *, at: float, interval: float) -> None:
        """Takes in what the database tells `at` this instant, at which ticks are `interval`
        seconds apart."""
        if signs.last_tick != self._signs.last_tick:
            self._ticked_at = at
            # The evaluator now sleeps for this long, whatever bell rings meanwhile.
            self._interval = interval
        if signs.last_job != self._signs.last_job:
            self._worked_at = at
        self._signs = signs

    def late(self, at: float) -> Late | None:
        """What the cluster should have done by now and has not.

        A tick is late after three intervals in which the evaluator has said nothing to the database
        either: a tick that is merely long goes on speaking. One that speaks and is not done when
        every job is ended by force will never be done.
        """
        allowed = max(MISSED_TICKS * self._interval, HAND_OVER_SECONDS)
        without_tick = at - self._ticked_at
        silent = self._signs.silence is None or self._signs.silence > allowed
        if without_tick > (allowed if silent else allowed + self._longest_job):
            return Late("tick was recorded", without_tick, evaluator=True)
        without_job = at - self._worked_at
        if without_job > self._longest_job + JOB_GAP_SECONDS:
            return Late("job was finished", without_job, evaluator=False)
        return None
