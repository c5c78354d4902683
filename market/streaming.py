"""Keeps a stream connected, and takes in what it tells, until it is told to stop.

A price goes the way of one that was asked for: `take_in` stores it, with the same distrust, and
wakes the rules that it concerns. What the stream does not carry, or has not told yet, is asked for
as if there were none.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import SystemRandom
from time import monotonic

from django.db import InterfaceError, OperationalError

from market.arriving import Arriving
from market.budget import nearest
from market.hours import TradingCalendar
from market.incidents import STREAM, Said, raise_incidents, settle_incidents
from market.models import FeedIncident
from market.providers import Company, Complaint
from market.providers.twelvedata_stream import Heard, Line, StreamFailed, TwelveDataStream
from market.quotes import Sample
from market.subscribed import completed, give_a_sign, leave_out, of_strangers, told, wanted

logger = logging.getLogger(__name__)

_EARLY = timedelta(minutes=1)  # before a session opens, and after it has closed
_FAILED = FeedIncident.Verdicts.FAILED.value
_jitter = SystemRandom()


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how often what is done, and for how long what is waited for."""

    take_in: float = 0.25
    follow: float = 5  # the watchlist; the service takes some 100 messages a minute
    heartbeat: float = 10
    silence: float = 60  # until a connection counts as dead on which nothing at all is heard
    steady: float = 60  # until what was wrong counts as over
    first_wait: float = 1  # after a failure, doubled with each further one
    longest_wait: float = 60
    refused_wait: float = 300  # after one that will not mend itself: the key, the plan
    closed: float = 5  # between two looks at the calendar while the market is closed


PACE = Pace()
_SECONDS_BETWEEN_LOOKS = 0.5  # whether it is to stop


@dataclass(frozen=True, slots=True)
class World:
    """What the stream is given: whom to follow, where prices go, the clock, and when to stop.

    `rest` waits so many seconds, or until it is to stop.
    """

    watchlist: Callable[[datetime], Collection[str]]
    take_in: Callable[[list[Sample], datetime], object]
    clock: Callable[[], datetime]
    rest: Callable[[float], object]
    stopping: Callable[[], bool]


def keep_streaming(
    stream: TwelveDataStream, world: World, calendar: TradingCalendar, pace: Pace = PACE
) -> None:
    """Connects and connects again, with growing waits, while the market is open.

    Raises OperationalError or InterfaceError when the database is gone.
    """
    failures = 0
    while not world.stopping():
        now = world.clock()
        if not _in_session(calendar, now):
            give_a_sign(now=now, connected_at=None, words="The market is closed.")
            world.rest(pace.closed)
            continue
        conversation = Conversation(stream, world, calendar, pace)
        try:
            conversation.hold()
        except StreamFailed as failure:
            failures = 1 if conversation.was_steady else failures + 1
            _raise(failure.words, world.clock())
            wait = _wait(failure, failures, pace)
            give_a_sign(
                now=world.clock(),
                connected_at=None,
                words=f"{failure.words}; it is tried again in {wait:.0f} s.",
            )
            world.rest(wait)
    give_a_sign(now=world.clock(), connected_at=None, words="It was stopped.")


def _in_session(calendar: TradingCalendar, now: datetime) -> bool:
    return calendar.is_open(now + _EARLY) or calendar.is_open(now - _EARLY)


def _opened(calendar: TradingCalendar, now: datetime) -> datetime:
    """When the session opened that is in progress, or ended just now; `now` before it opens."""
    within = next((at for at in (now, now - _EARLY) if calendar.is_open(at)), None)
    return calendar.next_open(calendar.last_close(within)) if within else now


def _wait(failure: StreamFailed, failures: int, pace: Pace) -> float:
    """With jitter: a service that comes back is not met by all its clients at once."""
    longest = min(pace.longest_wait, pace.first_wait * 2 ** min(failures - 1, 16))
    return _jitter.uniform(0.5, 1) * (pace.refused_wait if failure.refused else longest)


def _raise(words: str, now: datetime) -> None:
    raise_incidents(said=[Said(None, STREAM, words, _FAILED)], now=now)


class Conversation:
    """One connection, from its beginning to its end."""

    def __init__(
        self, stream: TwelveDataStream, world: World, calendar: TradingCalendar, pace: Pace
    ) -> None:
        self._stream = stream
        self._world = world
        self._calendar = calendar
        self._pace = pace
        self._arriving = Arriving()
        self._companies: dict[str, Company] = {}
        self._complaints: dict[tuple[str, str], Complaint] = {}
        self._wrong = ""  # with the whole
        self._subscribed: frozenset[str] = frozenset()
        self._believed: frozenset[str] = frozenset()
        self._connected_at = world.clock()
        self._heard = self._fault = monotonic()
        self._taken = self._followed = self._beaten = float("-inf")
        self._complained: dict[str, float] = {}
        self._good: set[str] = set()

    @property
    def was_steady(self) -> bool:
        """Whether it has been going well for a while: a failure after that is the first one."""
        return self._heard - self._fault >= self._pace.steady

    def hold(self) -> None:
        """Talks until it is to stop or the session is over. Raises StreamFailed."""
        with self._stream.connect() as line:
            self._connected_at = self._world.clock()
            self._heard = self._fault = monotonic()
            logger.info("The stream is connected.")
            while not self._world.stopping() and _in_session(self._calendar, self._world.clock()):
                self._do_what_is_due(line)
                heard = line.hear(self._until_due())
                if heard is not None:
                    self._heard = monotonic()
                    self._listen(heard)
                elif monotonic() - self._heard > self._pace.silence:
                    raise StreamFailed(f"nothing was heard for {self._pace.silence:g} s")

    @property
    def _something_came(self) -> bool:
        return bool(self._arriving or self._complaints or self._wrong)

    def _until_due(self) -> float:
        due = [self._followed + self._pace.follow, self._beaten + self._pace.heartbeat]
        if self._something_came:
            due.append(self._taken + self._pace.take_in)
        return min(*due, monotonic() + _SECONDS_BETWEEN_LOOKS) - monotonic()

    def _do_what_is_due(self, line: Line) -> None:
        instant = monotonic()
        if instant >= self._beaten + self._pace.heartbeat:
            self._beaten = instant
            line.heartbeat()
        if instant >= self._followed + self._pace.follow:
            self._followed = instant
            self._follow(line, self._world.clock())
        if self._something_came and instant >= self._taken + self._pace.take_in:
            self._taken = instant
            self._take_in(self._world.clock())

    def _follow(self, line: Line, now: datetime) -> None:
        """Subscribes to what is to be followed now, as far as the plan goes, nearest first."""
        opened = _opened(self._calendar, now)
        want = wanted(symbols=self._world.watchlist(now), now=now, opened=opened)
        chosen = frozenset(nearest(want.distances, self._subscribed, self._stream.symbols))
        if gone := sorted(self._subscribed - chosen):
            line.unsubscribe(gone)
        if new := sorted(chosen - self._subscribed):
            line.subscribe(new)
        self._subscribed = chosen
        self._believed = chosen & want.believed
        give_a_sign(now=now, connected_at=self._connected_at, symbols=len(chosen))
        self._settle(now)

    def _settle(self, now: datetime) -> None:
        """What has not been wrong for a while is over; what comes and goes is raised once."""
        since = monotonic() - self._pace.steady
        over = {one for one in self._good if self._complained.get(one, since) <= since}
        self._good -= over
        if over or self.was_steady:
            settle_incidents(symbols=over, now=now, whole=self.was_steady, source=STREAM)

    def _listen(self, heard: Heard) -> None:
        if heard.fault:
            self._fault = monotonic()
            self._wrong = heard.fault
            if heard.refused:
                raise StreamFailed(heard.fault, refused=True)
        for complaint in heard.complaints:
            if complaint.symbol in self._subscribed:
                self._complaints[complaint.symbol, complaint.kind] = complaint
        sample = heard.sample
        if sample is not None and sample.symbol in self._believed and self._is_of_session(sample):
            self._arriving.add(sample)
            if heard.company is not None:
                self._companies[sample.symbol] = heard.company

    def _is_of_session(self, sample: Sample) -> bool:
        """Prices from before and after a session are none that a rule waits for."""
        return self._calendar.is_open(sample.as_of)

    def _take_in(self, now: datetime) -> None:
        samples = self._arriving.take()
        try:
            if self._wrong:
                _raise(self._wrong, now)
            doubted = of_strangers(self._companies) if samples else []
            self._complain([*self._complaints.values(), *doubted], now)
            refused = {complaint.symbol for complaint in doubted}
            good = [sample for sample in samples if sample.symbol not in refused]
            if good:
                self._world.take_in(completed(good, self._calendar), now)
                accepted = told(samples=good, now=now)
                self._arriving.accepted([one for one in good if one.symbol in accepted])
                self._good |= accepted
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the next prices are taken in all the same
            logger.exception("prices of the stream could not be taken in")
        self._companies.clear()
        self._complaints.clear()
        self._wrong = ""

    def _complain(self, complaints: Collection[Complaint], now: datetime) -> None:
        self._complained.update((one.symbol, monotonic()) for one in complaints)
        if lasting := [one.symbol for one in complaints if one.lasting]:
            leave_out(symbols=lasting, now=now)
        raise_incidents(said=[Said(one.symbol, one.kind, one.words) for one in complaints], now=now)
