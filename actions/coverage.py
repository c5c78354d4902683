"""When a rule was watched, and why not when it was not. Pure: instants and spans come in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count, groupby, pairwise
from operator import attrgetter

from market.hours import TradingCalendar

_INTERVALS_MISSED = 3
_LEAST_SILENCE = timedelta(seconds=10)


class Kind(StrEnum):
    """What a span was. Where several hold, the first of them here is told."""

    OFF = "off"  # the rule was not active
    CLOSED = "closed"  # the market was
    NO_TICK = "no_tick"
    REFUSED = "feed_refused"
    STALE = "stale"
    HELD = "held"  # watched, but its portfolio was paused
    WATCHED = "watched"

    @property
    def is_gap(self) -> bool:
        """Whether the rule should have been watched, and was not."""
        return self in _GAPS


_GAPS = frozenset({Kind.NO_TICK, Kind.REFUSED, Kind.STALE})
_RANK: Mapping[Kind, int] = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` up to, and without, `end`. `reason` is a sentence, empty where it is watched."""

    begin: datetime
    end: datetime
    kind: Kind
    reason: str = ""

    @property
    def length(self) -> timedelta:
        return self.end - self.begin


def missed_after(interval: timedelta) -> timedelta:
    """How long after a tick the next one counts as missed, where ticks are `interval` apart."""
    return max(_LEAST_SILENCE, interval * _INTERVALS_MISSED)


def coverage(*, since: datetime, until: datetime, told: Iterable[Span]) -> list[Span]:
    """What each moment from `since` to `until` was: spans that follow one another without a gap and
    without an overlap. Where nothing is `told` of a moment, it was watched.

    Of several that are told of a moment the kind that ranks first counts, and of that kind the one
    that began first. Raises ValueError unless `since` is before `until`.
    """
    if since >= until:
        raise ValueError(f"{since.isoformat()} is not before {until.isoformat()}")
    inside = [span for span in told if span.begin < until and span.end > since and span.length]
    pieces = _pieces(since, until, sorted(inside, key=attrgetter("begin")))
    return [
        Span(same[0].begin, same[-1].end, kind, reason)
        for (kind, reason), group in groupby(pieces, key=attrgetter("kind", "reason"))
        if (same := list(group))
    ]


def _pieces(since: datetime, until: datetime, told: Sequence[Span]) -> Iterator[Span]:
    """A piece from each instant at which something begins or ends to the next."""
    edges = {since, until}
    for span in told:
        edges |= {max(span.begin, since), min(span.end, until)}
    waiting = iter(told)
    coming = next(waiting, None)
    order = count()
    lasting: list[tuple[int, datetime, int, Span]] = []  # what ranks first lies on top
    for begin, end in pairwise(sorted(edges)):
        while coming is not None and coming.begin <= begin:
            heappush(lasting, (_RANK[coming.kind], coming.begin, next(order), coming))
            coming = next(waiting, None)
        while lasting and lasting[0][-1].end <= begin:
            heappop(lasting)
        top = lasting[0][-1] if lasting else None
        yield Span(begin, end, top.kind, top.reason) if top else Span(begin, end, Kind.WATCHED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A session of the market, or (`day` is None) the time between two, as far as it was asked for.

    `whole`: it was asked for from its beginning to its end.
    """

    begin: datetime
    end: datetime
    day: date | None
    whole: bool


def stretches(calendar: TradingCalendar, since: datetime, until: datetime) -> Iterator[Stretch]:
    """The sessions, and the times between them, from `since` to `until`, one after the other."""
    at = since
    while at < until:
        day = calendar.session_at(at)
        ends = calendar.next_open(at) if day is None else calendar.next_close(at)
        before = calendar.session_at(at - timedelta(microseconds=1))
        yield Stretch(at, min(ends, until), day, before != day and ends <= until)
        at = ends


def watched_share(spans: Iterable[Span]) -> float | None:
    """Which part of the time that it should have been watched it was, from 0 to 1, held back or
    not; None where there was no such time."""
    watched = gaps = timedelta(0)
    for span in spans:
        if span.kind in (Kind.WATCHED, Kind.HELD):
            watched += span.length
        elif span.kind.is_gap:
            gaps += span.length
    return watched / (watched + gaps) if watched + gaps else None
