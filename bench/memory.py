"""How much memory processes have of their own, and whether it grows.

What a process has of its own (USS) rises when one with which it shared pages ends: that is no
growth, and there is much of it in a cluster whose processes are killed. So growth is told by what
is in memory and of no file (anonymous), shared or not; another's end leaves it as it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import combinations, groupby
from math import ceil, floor, sqrt
from statistics import NormalDist, median
from time import monotonic
from typing import Any, NamedTuple

import psutil

FLAT = 1.0  # % an hour, at most
SPAN_SECONDS = 30  # whose samples count as one, their median
FEWEST_SPANS = 4
MB = 1e6
_TWO_SIDED = NormalDist().inv_cdf(0.975)


class Sample(NamedTuple):
    """Seconds since the first one, bytes that no other process shares (USS), anonymous bytes."""

    at: float
    own: int
    anonymous: int


class Slope(NamedTuple):
    """A rise in an hour, and between which two it lies by 95 %, as far as the samples tell."""

    rise: float
    least: float
    most: float


@dataclass
class Memory:
    """Samples of each process, by its role and id. The first ones are taken when all are warm:
    growth is told of those that were there then, for as long as they lived."""

    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    _began: float = field(default_factory=monotonic)

    def sample(self, roles: Mapping[str, Sequence[int]]) -> None:
        """Looks at the processes once."""
        at = monotonic() - self._began
        for role, pids in roles.items():
            for pid in pids:
                with suppress(psutil.Error):
                    memory = psutil.Process(pid).memory_full_info()
                    seen = Sample(at, memory.uss, memory.rss - getattr(memory, "shared", 0))
                    self.samples.setdefault((role, pid), []).append(seen)

    def as_json(self) -> dict[str, Any]:
        """By role: how many processes there were, the most that one had, what all had together at
        the first sample and at the last one, and how those grew that were warm."""
        return {role: self._of(role) for role in sorted({role for role, _ in self.samples})}

    def _of(self, role: str) -> dict[str, Any]:
        first = min(seen[0].at for seen in self.samples.values())
        processes = [seen for (of, _), seen in self.samples.items() if of == role]
        together: Counter[float] = Counter()
        for sample in (sample for seen in processes for sample in seen):
            together[sample.at] += sample.own
        warm = [grown for seen in processes if seen[0].at == first and (grown := growth(seen))]
        return {
            "processes": len(processes),
            "peak_mb": round(max(sample.own for seen in processes for sample in seen) / MB, 1),
            "together_mb": [round(together[pick(together)] / MB, 1) for pick in (min, max)],
            "growth": [asdict(each) for each in warm],
            "flat": sum(each.percent_per_hour <= FLAT for each in warm),
        }


@dataclass(frozen=True)
class Growth:
    """How a process grew in so many minutes, in % of its median size an hour, and between which
    two percentages that lies."""

    mb: float
    minutes: float
    percent_per_hour: float
    least: float
    most: float


def growth(seen: Sequence[Sample]) -> Growth | None:
    """How a process grew; None where it lived for less than four spans.

    Told by spans, since the samples of a moment are alike, and would make it look surer than it is.
    """
    spans = [list(span) for _, span in groupby(seen, lambda sample: sample.at // SPAN_SECONDS)]
    if len(spans) < FEWEST_SPANS:
        return None
    size = median(sample.anonymous for sample in seen)
    slope = theil_sen(
        [
            (median(each.at for each in span), median(each.anonymous for each in span))
            for span in spans
        ]
    )
    return Growth(
        round(size / MB, 1),
        round((seen[-1].at - seen[0].at) / 60, 1),
        *(round(rise * 3600 / size * 100, 2) for rise in slope),
    )


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope:
    """The median slope of all pairs of points (x, y), which a step or a spike hardly moves, with
    its confidence interval (P. K. Sen, "Estimates of the regression coefficient based on Kendall's
    tau", 1968)."""
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))
    count = len(points)
    spread = _TWO_SIDED * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, ceil((len(slopes) + spread) / 2))
    return Slope(median(slopes), slopes[low], slopes[high])
