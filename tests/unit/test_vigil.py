"""When the watchdog takes a cluster for dead, and when it does not."""

from datetime import UTC, datetime, timedelta

import pytest

from tradingrules.watchdog.signs import Signs
from tradingrules.watchdog.vigil import HAND_OVER_SECONDS, START_UP_SECONDS, Vigil
from tradingrules.watchdog.watch import pause_before_start

LONGEST_JOB = 180
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)


def signs(tick: int, *, silence: float | None = None, jobs: int = 0) -> Signs:
    return Signs(last_tick=tick, last_job=NOON + timedelta(seconds=jobs), silence=silence)


def vigil(interval: float = 10) -> Vigil:
    """One that began at 0 and saw a tick at 100."""
    watched = Vigil(signs(1), at=0, interval=interval, longest_job=LONGEST_JOB)
    watched.observe(signs(2), at=100, interval=interval)
    return watched


def test_a_tick_is_late_after_three_intervals() -> None:
    watched = vigil()
    assert watched.late(130) is None
    late = watched.late(131)
    assert late is not None
    assert (late.what, late.seconds, late.evaluator) == ("tick was recorded", 31, True)


def test_each_tick_begins_the_three_intervals_anew() -> None:
    watched = vigil()
    watched.observe(signs(3), at=125, interval=10)
    assert watched.late(155) is None
    assert watched.late(156) is not None


def test_a_database_that_is_set_back_to_an_older_tick_is_no_silence() -> None:
    watched = vigil()
    watched.observe(signs(1), at=125, interval=10)
    assert watched.late(155) is None


def test_short_intervals_leave_time_to_hand_over() -> None:
    watched = vigil(interval=0.1)
    assert watched.late(100 + HAND_OVER_SECONDS) is None
    assert watched.late(100.1 + HAND_OVER_SECONDS) is not None


def test_a_new_cluster_has_time_to_start() -> None:
    watched = Vigil(signs(1), at=0, interval=10, longest_job=LONGEST_JOB)
    watched.observe(signs(1), at=1, interval=10)
    assert watched.late(START_UP_SECONDS + 30) is None
    assert watched.late(START_UP_SECONDS + 31) is not None


def test_the_first_ticks_of_all_are_waited_for_as_long() -> None:
    none = Signs(last_tick=None, last_job=None, silence=None)
    watched = Vigil(none, at=0, interval=10, longest_job=LONGEST_JOB)
    watched.observe(none, at=1, interval=10)
    assert watched.late(START_UP_SECONDS + 30) is None
    assert watched.late(START_UP_SECONDS + 31) is not None


def test_a_cluster_that_stops_after_its_first_tick_has_no_more_time_than_another() -> None:
    watched = Vigil(signs(1), at=0, interval=10, longest_job=LONGEST_JOB)
    watched.observe(signs(2), at=4, interval=10)
    assert watched.late(35) is not None


@pytest.mark.parametrize("silence", [0, 5, 30])
def test_a_long_tick_that_speaks_to_the_database_is_not_late(silence: float) -> None:
    watched = vigil()
    watched.observe(signs(2, silence=silence), at=200, interval=10)
    assert watched.late(200) is None


def test_an_evaluator_that_holds_the_lock_and_is_silent_is_late() -> None:
    watched = vigil()
    watched.observe(signs(2, silence=31), at=131, interval=10)
    assert watched.late(131) is not None


def test_a_tick_that_outlasts_every_job_is_late_though_it_speaks() -> None:
    watched = vigil()
    watched.observe(signs(2, silence=0, jobs=1), at=300, interval=10)
    assert watched.late(100 + LONGEST_JOB + 30) is None
    assert watched.late(100 + LONGEST_JOB + 31) is not None


def test_the_opening_bell_does_not_shorten_the_sleep_that_the_evaluator_is_in() -> None:
    watched = vigil(interval=30)
    watched.observe(signs(2), at=129, interval=10)
    assert watched.late(132) is None
    assert watched.late(190) is None
    assert watched.late(191) is not None


def test_no_job_finished_is_late_though_somebody_elses_evaluator_ticks() -> None:
    watched = Vigil(signs(1), at=0, interval=10, longest_job=LONGEST_JOB)
    due = START_UP_SECONDS + LONGEST_JOB + 120
    for at in range(0, due, 10):
        watched.observe(signs(2 + at, silence=1), at=at, interval=10)
        assert watched.late(at) is None
    late = watched.late(due + 1)
    assert late is not None
    assert (late.what, late.evaluator) == ("job was finished", False)


def test_jobs_that_finish_are_never_late() -> None:
    watched = Vigil(signs(1), at=0, interval=10, longest_job=LONGEST_JOB)
    for at in range(0, 2000, 10):
        watched.observe(signs(2 + at, jobs=at // 250), at=at, interval=10)
        assert watched.late(at) is None


def test_a_cluster_that_dies_at_once_again_and_again_is_started_ever_more_rarely() -> None:
    assert [pause_before_start(deaths) for deaths in range(8)] == [0, 2, 4, 8, 16, 32, 60, 60]
