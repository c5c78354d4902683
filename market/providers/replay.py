"""Plays recorded sessions as if they happened now, each in a few seconds. Pure.

A daily bar tells four prices and not when they were seen. A session is therefore drawn in eight
equal phases: the open, the extreme that lies against the day's direction, the other extreme, the
close, and straight lines between them. Only the open and the close are prints at a known moment;
every other sample is marked as interpolated. All of it follows from `now` alone: every process
that asks at the same instant sees the same market.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from market.hours import AlwaysOpen, TradingCalendar
from market.quotes import Bar, Sample

PHASES = 8
CENT = Decimal("0.01")
_LAST = PHASES - 1
_WAYPOINTS = (0, 2, 5, _LAST)  # the phases of the open, the two extremes and the close


class ReplayCalendar(AlwaysOpen):
    """A market that never closes, whose sessions end when the replayed ones do.

    Questions about dates are answered as by AlwaysOpen: a rule that is valid until a day is not
    about the day that is replayed.
    """

    def __init__(self, first_close: datetime, session: timedelta) -> None:
        self._first_close = first_close
        self._session = session

    def next_open(self, at: datetime) -> datetime:
        return self.next_close(at)

    def next_close(self, at: datetime) -> datetime:
        return self.last_close(at) + self._session

    def last_close(self, at: datetime) -> datetime:
        return at - (at - self._first_close) % self._session


class Replay:
    """A provider whose market is the past.

    `bars` are each symbol's sessions; the first one played is the first in any of them on or after
    `first_session`. It begins at the instant `started_at` and each lasts `session_seconds`.
    Raises ValueError when there is nothing to play or the times make no sense.

    A symbol without a bar in the session that plays keeps its last close, with the instant at
    which it was played: no trade is no news, and the quote grows stale, as it does for all after
    the last session. Until its first bar plays it is absent.
    """

    name: ClassVar[str] = "replay"

    def __init__(
        self,
        bars: Mapping[str, Sequence[Bar]],
        started_at: datetime,
        first_session: date,
        session_seconds: float,
    ) -> None:
        self._bars = {symbol: sorted(of, key=lambda bar: bar.at) for symbol, of in bars.items()}
        self._days = {symbol: [bar.session for bar in of] for symbol, of in self._bars.items()}
        days = sorted({day for of in self._days.values() for day in of})
        before = bisect_left(days, first_session)
        self.sessions = tuple(days[before:])
        self._index = {day: index for index, day in enumerate(self.sessions)}
        # The sessions before the first that plays have negative numbers.
        self._session_index = {day: number - before for number, day in enumerate(days)}
        self._started_at = started_at
        self._session = timedelta(seconds=session_seconds)
        if not self.sessions:
            raise ValueError(f"There is no bar on or after {first_session} to replay.")
        if started_at.utcoffset() is None:
            raise ValueError(f"The replay's start {started_at} has no time zone.")
        if self._session < timedelta(milliseconds=1):
            raise ValueError(f"A session of {session_seconds} s is too short to replay.")
        self.calendar: TradingCalendar = ReplayCalendar(self._began(_LAST), self._session)

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        """What was seen last, up to `now`, of each symbol that has been seen at all."""
        step = self._step(now)
        if step < 0:
            return []
        samples = (self._sample(symbol, step) for symbol in symbols)
        return [sample for sample in samples if sample is not None]

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        """Completed sessions, each with the instant at which its close was played as its `at`.

        Sessions from before the replay count as if they had been played at the same pace.
        """
        index = self._session_index
        last = (self._step(now) - _LAST) // PHASES  # the newest session whose close was played
        found = {}
        for symbol in symbols:
            days = self._days.get(symbol, [])
            end = bisect_right(days, last, key=index.__getitem__)
            bars = self._bars.get(symbol, [])[max(0, end - sessions) : end]
            found[symbol] = tuple(
                replace(bar, at=self._began(index[bar.session] * PHASES + _LAST)) for bar in bars
            )
        return found

    def position(self, now: datetime) -> date | None:
        """The historic session that plays, None before the first and after the last."""
        session = self._step(now) // PHASES
        return self.sessions[session] if 0 <= session < len(self.sessions) else None

    def first_unplayed(self, now: datetime) -> date | None:
        """The first historic session whose close was not played yet, None after the last one's."""
        index = max((self._step(now) - _LAST) // PHASES + 1, 0)
        return self.sessions[index] if index < len(self.sessions) else None

    def ended(self, now: datetime) -> bool:
        """Whether the last session is over."""
        return self._step(now) >= len(self.sessions) * PHASES

    def _step(self, now: datetime) -> int:
        """How many phases have ended since the start; negative before it."""
        return (now - self._started_at) * PHASES // self._session

    def _began(self, step: int) -> datetime:
        # Rounded up to the microsecond: at that very instant the phase has begun.
        return self._started_at - (self._session * -step // PHASES)

    def _sample(self, symbol: str, step: int) -> Sample | None:
        session, phase = divmod(step, PHASES)
        today = self.sessions[min(session, len(self.sessions) - 1)]
        place = bisect_right(self._days.get(symbol, []), today) - 1
        if place < 0:
            return None
        bar, day = self._bars[symbol][place], self._days[symbol][place]
        if day not in self._index:
            return None  # it traded before the replay begins, and not yet in it
        if self._index[day] != session:
            phase = _LAST
        return Sample(
            symbol=symbol,
            price=price_in(bar, phase),
            as_of=self._began(self._index[day] * PHASES + phase),
            volume=bar.volume * (phase + 1) // PHASES,
            previous_close=self._bars[symbol][place - 1].close if place else None,
            interpolated=phase not in {0, _LAST},
            note=day.isoformat(),
        )


def price_in(bar: Bar, phase: int) -> Decimal:
    """The price in a session's phase, 0 (its open) to 7 (its close), always within low and high.

    The order of the extremes is a convention, not a record: a session that rose is drawn through
    its low first, one that fell through its high.
    """
    rose = bar.close >= bar.open
    path = (bar.open, *((bar.low, bar.high) if rose else (bar.high, bar.low)), bar.close)
    leg = bisect_right(_WAYPOINTS, phase) - 1
    if phase == _WAYPOINTS[leg]:
        return path[leg]
    begin, end = _WAYPOINTS[leg], _WAYPOINTS[leg + 1]
    price = path[leg] + (path[leg + 1] - path[leg]) * (phase - begin) / (end - begin)
    # To the cent, as trades are; but a bar's own prices may be finer, and they bound each leg.
    lowest, highest = sorted(path[leg : leg + 2])
    return min(max(price.quantize(CENT), lowest), highest)
