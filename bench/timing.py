"""How long something takes."""

import gc
from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from time import perf_counter


def timed[T](work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what `work` returned."""
    gc.collect()  # what was left over before is not this one's
    started = perf_counter()
    result = work()
    return perf_counter() - started, result


def median_ms(seconds: Sequence[float]) -> float:
    return round(median(seconds) * 1000, 2)


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    """The least of these that `percent` of a hundred do not exceed. Of fewer than a hundred, the
    99th percentile is the greatest."""
    rank = ceil(len(seconds) * percent / 100)
    return round(sorted(seconds)[rank - 1] * 1000, 2)
