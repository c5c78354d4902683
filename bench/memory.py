"""How much memory processes have of their own, and whether it grows.

What a process has of its own (USS) rises when one with which it shared pages ends: that is no
growth, and there is much of it in a cluster whose processes are killed. So growth is told by what
is in memory and of no file (anonymous), shared or not; another's end leaves it as it is.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import psutil

SHORTEST = 0.5  # of the time that is measured: what lived less long tells no slope
MB = 1e6


@dataclass
class Memory:
    """Samples of each process by its role: seconds since the first one, bytes that no other
    process shares (USS), and anonymous bytes."""

    samples: dict[tuple[str, int], list[tuple[float, int, int]]] = field(default_factory=dict)
    _began: float = field(default_factory=monotonic)

    def sample(self, roles: Mapping[str, Sequence[int]]) -> None:
        """Looks at the processes once."""
        at = monotonic() - self._began
        for role, pids in roles.items():
            for pid in pids:
                with suppress(psutil.Error):
                    memory = psutil.Process(pid).memory_full_info()
                    seen = (at, memory.uss, memory.rss - getattr(memory, "shared", 0))
                    self.samples.setdefault((role, pid), []).append(seen)

    def as_json(self, *, warm_up: float) -> dict[str, Any]:
        """By role: how many there were, the most that one had, what all had together after the
        warm-up (seconds) and at the end, and how fast those grew that lived for at least half of
        the time between, in % an hour; the same again of the second half of that time."""
        end = monotonic() - self._began
        middle = (warm_up + end) / 2
        figures: dict[str, Any] = {}
        for (role, _), seen in sorted(self.samples.items()):
            of_role = figures.setdefault(
                role,
                {
                    "processes": 0,
                    "peak_mb": 0.0,
                    "together_mb": self._together(role, warm_up),
                    "percent_per_hour": [],
                    "percent_per_hour_in_second_half": [],
                },
            )
            of_role["processes"] += 1
            peak = max(own for _, own, _ in seen) / MB
            of_role["peak_mb"] = max(of_role["peak_mb"], round(peak, 1))
            of_role["percent_per_hour"] += _growth(seen, warm_up, end)
            of_role["percent_per_hour_in_second_half"] += _growth(seen, middle, end)
        return figures

    def _together(self, role: str, warm_up: float) -> tuple[float, float]:
        """What all processes of the role had, at the first warm sample and at the last one."""
        sums: dict[float, int] = {}
        for (of, _), seen in self.samples.items():
            for at, own, _ in seen:
                if of == role and at >= warm_up:
                    sums[at] = sums.get(at, 0) + own
        first, last = (sums[pick(sums)] if sums else 0 for pick in (min, max))
        return round(first / MB, 1), round(last / MB, 1)


def _growth(seen: Sequence[tuple[float, int, int]], begin: float, end: float) -> list[float]:
    """How fast a process grew from `begin` to `end`, in % an hour; nothing where it lived for less
    than half of that."""
    taken = [(at, anonymous) for at, _, anonymous in seen if at >= begin]
    if len(taken) < 3 or taken[-1][0] - taken[0][0] < SHORTEST * (end - begin):
        return []
    return [round(slope(taken), 1)]


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The least-squares slope of (seconds, value), in % of the mean value an hour."""
    count = len(samples)
    middle = sum(at for at, _ in samples) / count
    mean = sum(value for _, value in samples) / count
    spread = sum((at - middle) ** 2 for at, _ in samples)
    rise = sum((at - middle) * (value - mean) for at, value in samples) / spread
    return rise * 3600 / mean * 100
