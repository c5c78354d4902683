"""Plays a backtest that is kept, a slice at a time, under a lease.

What has been found is stored after each play (the rule as it is, then each setting of the sweep),
and is not played again. While it is played the lease is renewed twice a second, which tells how far
it is, and finds out whether somebody has cancelled or deleted it or taken it over.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q

from actions.backtest.report import report, setting
from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.backtest.sweep import at_setting
from actions.backtesting.terms import Terms, series_for
from actions.models import Backtest
from actions.rules import Rule

LEASE = timedelta(seconds=30)
RENEWED_AFTER = timedelta(seconds=0.5)

Clock = Callable[[], datetime]

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """It was cancelled or deleted, or somebody else plays it."""


class TooLong(Exception):
    """One play took longer than there is patience for."""

    def __init__(self, lease: "Lease") -> None:
        super().__init__()
        self.lease = lease


@dataclass(slots=True)
class Lease:
    """The right to play a backtest, until `until`, which stands in its row."""

    backtest: Backtest
    until: datetime
    renewed: datetime

    @classmethod
    def take(cls, backtest_id: UUID, now: datetime) -> "Lease | None":
        """None where there is nothing to play, or somebody plays it."""
        free = Q(leased_until=None) | Q(leased_until__lt=now)
        until = now + LEASE
        taken = Backtest.objects.filter(free, pk=backtest_id, status__in=Backtest.OPEN).update(
            status=Backtest.Statuses.RUNNING,
            leased_until=until,
            attempts=F("attempts") + 1,
            updated_at=now,
        )
        if not taken:
            return None
        found = Backtest.objects.filter(pk=backtest_id, leased_until=until).first()
        return cls(found, until, now) if found else None

    def write(self, now: datetime, **columns: Any) -> None:
        """Sets these columns and renews the lease, unless they say otherwise. Raises LeaseLost."""
        until = now + LEASE
        columns = {"leased_until": until, "updated_at": now} | columns
        mine = Backtest.objects.filter(pk=self.backtest.pk, leased_until=self.until)
        if not mine.update(**columns):
            raise LeaseLost
        self.until, self.renewed = until, now

    def give_back(self, now: datetime) -> None:
        """Leaves the rest to whoever takes it next."""
        self._last_write(now, attempts=0)

    def end(self, status: str, now: datetime, *, error: str = "") -> None:
        self._last_write(now, status=status, error=error, bars=None, ended_at=now)

    def _last_write(self, now: datetime, **columns: Any) -> None:
        with suppress(LeaseLost):  # then there is nothing to give back, or to end
            self.write(now, leased_until=None, **columns)


def play_slice(
    *, backtest_id: UUID, clock: Clock, slice_seconds: float, play_seconds: float
) -> bool:
    """Plays what is open of a backtest, until it has ended or `slice_seconds` have passed. Returns
    whether something is left to be played.

    Raises TooLong, with the lease still held, where one play takes more than `play_seconds`.
    """
    now = clock()
    lease = Lease.take(backtest_id, now)
    if lease is None:
        return False
    try:
        return _play(lease, clock, now + timedelta(seconds=slice_seconds), play_seconds)
    except LeaseLost:
        return False
    except (TooLong, OperationalError, InterfaceError):
        raise  # without its database it is taken up once there is one again
    except Exception:
        _log.exception("Backtest %s failed", backtest_id)
        words = "It failed by a fault of ours, which has been recorded."
        lease.end(Backtest.Statuses.FAILED, clock(), error=words)
        return False


def _play(lease: Lease, clock: Clock, until: datetime, play_seconds: float) -> bool:
    kept = lease.backtest
    terms = Terms.model_validate(kept.terms)
    rule = terms.rule()
    bars = None if kept.bars is None else bytes(kept.bars)
    series = series_for(rule, terms.sessions, bars, clock())
    plays = 1 + len(terms.values)
    found, swept = kept.found, list(kept.swept)
    while (done := (found is not None) + len(swept)) < plays:
        beat = _beat(lease, clock, done, plays, play_seconds)
        progress = 100 * (done + 1) // plays
        if found is None:
            found = _found(terms, rule, series, beat)
            lease.write(clock(), found=found, progress=progress)
        else:
            swept.append(_setting(terms, rule, series, len(swept), beat))
            lease.write(clock(), swept=swept, progress=progress)
        if clock() >= until and done + 1 < plays:
            lease.give_back(clock())
            return True
    lease.end(Backtest.Statuses.DONE, clock())
    return False


def _found(
    terms: Terms, rule: Rule, series: Mapping[str, Series], beat: Callable[[float], None]
) -> dict[str, Any]:
    done = backtest(rule, series, beat=beat, **terms.play())
    return report(rule, series, done, start=terms.start, end=terms.end)


def _setting(
    terms: Terms,
    rule: Rule,
    series: Mapping[str, Series],
    place: int,
    beat: Callable[[float], None],
) -> dict[str, Any]:
    value = terms.values[place]
    variant = at_setting(rule, terms.parameter, value)
    return setting(value, variant, backtest(variant, series, beat=beat, **terms.play()))


def _beat(
    lease: Lease, clock: Clock, done: int, plays: int, play_seconds: float
) -> Callable[[float], None]:
    """Renews the lease while a play goes on, and ends one that takes too long."""
    ends = clock() + timedelta(seconds=play_seconds)

    def beat(share: float) -> None:
        now = clock()
        if now >= ends:
            raise TooLong(lease)
        if now - lease.renewed >= RENEWED_AFTER:
            lease.write(now, progress=min(int(100 * (done + share) / plays), 99))

    return beat
