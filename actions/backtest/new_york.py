"""New York's days of a million instants at once. Pure."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from market.hours import NEW_YORK

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 10**6
_DAY = 86_400 * _SECOND
_STEP = 30 * 86_400  # seconds: clocks are never changed there and back within it


def days_of(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The days since 1970 that it was in New York at these microseconds since 1970."""
    if not len(at):
        return at
    changes, offsets = _offsets(int(at.min()) // _SECOND, int(at.max()) // _SECOND + 1)
    shown = at + offsets[np.searchsorted(changes, at // _SECOND, side="right")] * _SECOND
    days: npt.NDArray[np.int64] = shown // _DAY
    return days


def _offsets(first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """When clocks were changed between two seconds, and what they were off UTC until each change
    and after the last, in seconds."""
    changes, offsets = [], [_offset(first)]
    for begin in range(first, last, _STEP):
        end = min(begin + _STEP, last)
        if _offset(end) != offsets[-1]:
            changes.append(_change(range(begin, end + 1)))
            offsets.append(_offset(end))
    return np.array(changes, np.int64), np.array(offsets, np.int64)


def _change(seconds: range) -> int:
    """The first of these whose offset is no longer that of the first one."""
    before = _offset(seconds[0])
    return seconds[bisect_left(seconds, True, key=lambda second: _offset(second) != before)]


def _offset(second: int) -> int:
    offset = (_EPOCH + timedelta(seconds=second)).astimezone(NEW_YORK).utcoffset()
    return int((offset or timedelta(0)).total_seconds())
