"""How the soak tells whether a process grows."""

import random
from typing import Any

import pytest

from bench.memory import Growth, Memory, Sample, growth, theil_sen

MINUTE = 60.0


def sized(*anonymous: float, begin: float = 0, every: float = 5) -> list[Sample]:
    return [Sample(begin + n * every, 7, int(size)) for n, size in enumerate(anonymous)]


def grown(samples: list[Sample]) -> Growth:
    found = growth(samples)
    assert found
    return found


def test_a_steady_rise_is_told_in_percent_an_hour() -> None:
    steady = grown(sized(*(100e6 + 1000 * n for n in range(120))))  # 12 kB a minute, for ten
    assert steady.mb == 100.1
    assert steady.minutes == pytest.approx(9.9, abs=0.05)
    assert steady.percent_per_hour == pytest.approx(0.72, abs=0.01)
    assert steady.least == steady.most == steady.percent_per_hour


def test_a_process_that_stays_as_it_is_does_not_grow() -> None:
    assert grown(sized(*[100e6] * 120)).percent_per_hour == 0


def test_a_moment_in_which_much_was_needed_is_no_growth() -> None:
    spike = [100e6] * 60 + [150e6] * 3 + [100e6] * 57
    assert grown(sized(*spike)).percent_per_hour == 0


def test_noise_is_told_beside_the_slope() -> None:
    chance = random.Random(7)
    noisy = grown(sized(*(100e6 + chance.gauss(0, 2e5) for _ in range(120))))
    assert noisy.least < 0 < noisy.most
    assert noisy.least < noisy.percent_per_hour < noisy.most


def test_what_lived_for_less_than_two_minutes_tells_no_slope() -> None:
    assert growth(sized(*[100e6] * 17)) is None
    assert growth(sized(*[100e6] * 24)) is not None


def test_the_slope_is_the_median_of_all_pairs_within_its_interval() -> None:
    # Of 0-10, 0-1, 0-2, 10-1, 10-2 and 1-2 the slopes are 10, 0.5, 0.67, -9, -4 and 1.
    slope = theil_sen([(0, 0), (1, 10), (2, 1), (3, 2)])
    assert slope.rise == pytest.approx(7 / 12)
    assert (slope.least, slope.most) == (-9, 10)


def test_growth_is_told_of_those_that_were_warm_and_size_of_all() -> None:
    rising = sized(*(100e6 + 10_000 * n for n in range(120)))
    successor = sized(*(50e6 + 1e6 * n for n in range(60)), begin=5 * MINUTE)
    told: dict[str, Any] = Memory({("web", 1): rising, ("web", 2): successor}).as_json()["web"]
    assert told["processes"] == 2
    assert [each["minutes"] for each in told["growth"]] == [pytest.approx(9.9, abs=0.05)]
    assert told["flat"] == 0, "7 % an hour"
    assert told["together_mb"] == [0.0, 0.0], "14 bytes of their own"
