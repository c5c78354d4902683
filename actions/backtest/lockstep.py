"""All bars that reach a stop which follows the price, found in segments that are played in step.
Pure.

Such a stop is one number. A bar whose close is at it or beyond reaches it, and the stop is then
the bar's own: that of a rule which begins with this bar. After any other bar it is the higher of
the two. Each bar depends on the one before it, and a plain loop goes from bar to bar. Here the bars
are cut into segments, and a step takes one bar of every segment.

With which stop a segment begins is not known before the one before it was played. But rules that
began at different bars mostly fire together before long, or find a new best, and are the same from
there on. So all segments are played as if each began anew, which tells how each is likely to end;
then with the stop that each is likely to begin with; and at last, one after the other, those are
put right for which it was another. Where rules never come together, that is the plain loop again.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from actions.backtest.series import Ints

SEGMENT = 96  # bars: some firings, and no more steps than need be
FEWEST = 32  # segments; fewer are played faster bar by bar
_NO_STOP = np.iinfo(np.int64).min


def reached(closes: Ints, own: Ints, stop: int) -> tuple[Ints, int]:
    """The places of the closes that reach the stop, `stop` to begin with, and the stop after the
    last; `own` has the stop of a rule that begins with each close, which is below it."""
    count = len(closes) // SEGMENT
    if count < FEWEST:
        return _one_by_one(closes, own, stop)
    whole = count * SEGMENT
    found, stop = _in_step(_steps(closes[:whole]), _steps(own[:whole]), stop)
    rest, stop = _one_by_one(closes[whole:], own[whole:], stop)
    return np.concatenate([found, rest + whole]), stop


def _one_by_one(closes: Ints, own: Ints, stop: int) -> tuple[Ints, int]:
    found = []
    for place, (close, next_stop) in enumerate(zip(closes.tolist(), own.tolist(), strict=True)):
        if next_stop <= stop < close:
            continue
        if close <= stop:
            found.append(place)
        stop = next_stop
    return np.array(found, np.int64), stop


def _steps(bars: Ints) -> Ints:
    """A row for each step, with a bar of every segment."""
    return np.ascontiguousarray(bars.reshape(-1, SEGMENT).T)


def _in_step(closes: Ints, own: Ints, stop: int) -> tuple[Ints, int]:
    fired, anew = _played(closes, own, np.full(closes.shape[1], _NO_STOP))
    # A segment that begins anew and does not fire does not fire either with a stop below its lowest
    # close; it ends with the higher one then.
    quiet_above = np.where(fired.any(axis=0), _NO_STOP, closes.min(axis=0)).tolist()
    ends_anew = anew.tolist()
    starts = list(_likely_starts(quiet_above, ends_anew, stop))
    fired, ends = _played(closes, own, np.array(starts))
    for n, (start, end) in enumerate(zip(starts, ends.tolist(), strict=True)):
        if stop == start:
            stop = end
            continue
        fired[:, n] = False
        if stop < quiet_above[n]:
            stop = max(stop, ends_anew[n])
        else:
            found, stop = _one_by_one(closes[:, n], own[:, n], stop)
            fired[found, n] = True
    return np.flatnonzero(fired.T), stop


def _likely_starts(
    quiet_above: Sequence[int], ends_anew: Sequence[int], stop: int
) -> Iterator[int]:
    for quiet, end in zip(quiet_above, ends_anew, strict=True):
        yield stop
        stop = max(stop, end) if stop < quiet else end


def _played(closes: Ints, own: Ints, stops: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Which bars reach the stops that the segments begin with, and the stops at their ends."""
    fired = np.empty(closes.shape, np.bool_)
    stops = stops.copy()
    for close, next_stop, hit in zip(closes, own, fired, strict=True):
        np.less_equal(close, stops, out=hit)
        np.maximum(stops, next_stop, out=stops)
        np.copyto(stops, next_stop, where=hit)
    return fired, stops
