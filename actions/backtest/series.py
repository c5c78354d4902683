"""A symbol's bars as columns of whole numbers, and its sessions made of them. Pure.

Instants are microseconds since 1970 in UTC, prices millionths of a dollar, volumes shares: int64.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod
from operator import mul

import numpy as np
import numpy.typing as npt

from actions.backtest.extremes import Extremes
from actions.backtest.new_york import days_of
from market.hours import TradingCalendar
from market.quotes import PRICE_MAX, PRICE_STEP, VOLUME_MAX, Bar

type Ints = npt.NDArray[np.int64]
type Split = tuple[date, Fraction]  # the first day at the new price, and new shares for an old one

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
PER_DOLLAR = 10**6
_DAY = 86_400 * 10**6  # microseconds
_WINTER = 5 * 3_600 * 10**6  # how far New York is behind UTC in winter
MOST = int(PRICE_MAX * PER_DOLLAR)


def micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def instant(micros: int | np.int64) -> datetime:
    return EPOCH + int(micros) * MICROSECOND


def instants(micros: Ints) -> Sequence[datetime]:
    """Of many at once, a third as long for each."""
    return [EPOCH + passed for passed in micros.astype("timedelta64[us]").tolist()]


def price(millionths: int | np.int64) -> Decimal:
    return int(millionths) * PRICE_STEP


def prices(millionths: Ints) -> Sequence[Decimal]:
    return [each * PRICE_STEP for each in millionths.tolist()]


def millionths(price: Decimal) -> int:
    """A price with at most 6 decimals."""
    return int(price.quantize(PRICE_STEP, ROUND_HALF_EVEN).scaleb(6))


class BadSplit(ValueError):
    """Splits that cannot be: says which, and why."""


@dataclass(frozen=True, eq=False)
class Series:
    """One symbol's bars, oldest first, no two at the same instant.

    A bar's close is a quote at its `at`, the bar's end. `volume` is the bar's own. A series is
    daily where hardly any two bars share a day of New York, and then each bar is a session;
    otherwise it is intraday. `printed` are the closes as they stood in the market, where splits
    have brought `close` into other units: `units` are the stretches of bars (from, before) between
    splits, each with its number of shares for one of those that the prices are of.
    """

    symbol: str
    at: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    printed: Ints
    units: Sequence[tuple[int, int, Fraction]] = ()

    @classmethod
    def of(cls, symbol: str, bars: Iterable[Bar]) -> "Series":
        """The bars of one symbol, oldest first."""
        rows = [
            (
                micros(bar.at),
                *(millionths(each) for each in (bar.open, bar.high, bar.low, bar.close)),
                bar.volume,
            )
            for bar in bars
        ]
        at, first, high, low, close, volume = np.array(rows, np.int64).reshape(-1, 6).T.copy()
        return cls(symbol, at, first, high, low, close, volume, close)

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def days(self) -> Ints:
        """New York's day of each bar, counted from 1970."""
        return days_of(self.at)

    @cached_property
    def extremes(self) -> Extremes:
        """The closes, to be searched again and again."""
        return Extremes(self.close)

    @cached_property
    def is_daily(self) -> bool:
        # The winter's days all year round, which need no time zone: no bar is near midnight. Only
        # neighbours that lie closer than a day can share one.
        near = np.flatnonzero(np.diff(self.at) < _DAY)
        days, next_days = ((self.at[n] - _WINTER) // _DAY for n in (near, near + 1))
        return 2 * int(np.count_nonzero(days == next_days)) <= len(self)

    def last_until(self, micros: int) -> int:
        """The index of the last bar at or before that instant; -1: there is none."""
        return int(np.searchsorted(self.at, micros, side="right")) - 1

    def stamp(self, index: int) -> str:
        """The bar's instant as files have it: 2008-10-10T20:00:00Z."""
        return in_words(instant(self.at[index]))

    def in_units_of(self, start: datetime, splits: Sequence[Split]) -> "Series":
        """The same bars in the shares of `start`, whatever was split before or after.

        A rule that is rescaled at a split (its prices divided by the factor, its quantities
        multiplied) does what it does unchanged on bars that are scaled the other way. What comes
        after a split is multiplied, and so exact; what lay before is rounded to 6 decimals.
        Raises BadSplit.
        """
        if not splits:
            return self
        units = self._stretches(start, splits)
        if all(unit == 1 for _, _, unit in units):
            return self
        columns = {name: getattr(self, name).copy() for name in ("open", "high", "low", "close")}
        volume = self.volume.copy()
        for first, end, unit in units:
            for column in columns.values():
                column[first:end] = _scaled(column[first:end], unit, PRICE_STEP)
            volume[first:end] = _scaled(volume[first:end], 1 / unit, None)
        return replace(self, **columns, volume=volume, units=units)

    def unit(self, index: int) -> Fraction:
        """The shares at that bar for one of those that the prices are of."""
        return next((unit for first, end, unit in self.units if first <= index < end), Fraction(1))

    def _stretches(
        self, start: datetime, splits: Sequence[Split]
    ) -> list[tuple[int, int, Fraction]]:
        ordered = sorted(splits)
        edges = [_day_number(day) for day, _ in ordered]
        if len(set(edges)) < len(edges):
            raise BadSplit("Two splits fall on the same day. Give their product as one.")
        starts_on = days_of(np.array([micros(start)], np.int64))[0]
        past = prod(
            factor for edge, (_, factor) in zip(edges, ordered, strict=True) if edge <= starts_on
        )
        factors = accumulate((factor for _, factor in ordered), mul, initial=1 / Fraction(past))
        bounds = [0, *(int(n) for n in np.searchsorted(self.days, edges)), len(self)]
        return [
            (first, end, unit) for (first, end), unit in zip(pairwise(bounds), factors, strict=True)
        ]


def in_words(at: datetime) -> str:
    """An instant as 2008-10-10T20:00:00Z, with a fraction of a second where it has one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_of(number: int) -> date:
    return EPOCH_DAY + timedelta(days=int(number))


def _day_number(day: date) -> int:
    return (day - EPOCH_DAY).days


def _scaled(column: Ints, factor: Fraction, step: Decimal | None) -> Ints:
    """Prices rounded to their nearest step and not to nothing; volumes, without one, cut."""
    if factor == 1 or not len(column):
        return column
    most = MOST if step else VOLUME_MAX
    if int(column.max()) * factor > most:
        raise BadSplit("The splits make a price or a volume larger than any can be.")
    up, down = factor.numerator, factor.denominator
    if int(column.max()) * up * 2 < 2**63 - down:
        scaled = (2 * column * up + down) // (2 * down) if step else column * up // down
    else:
        half = Fraction(1, 2) if step else Fraction(0)
        scaled = np.array([int(int(each) * factor + half) for each in column], np.int64)
    return np.maximum(scaled, 1) if step else scaled


@dataclass(frozen=True, eq=False)
class Sessions:
    """The sessions of a series, oldest first: of a daily one its bars, of an intraday one what its
    bars between an opening and a close come to.

    `at` is the instant of the close. `volumes` is, for each bar of the series, the volume of its
    session until then, at its opening 0; of a bar between sessions, that of the session before.
    """

    symbol: str
    at: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    volumes: Ints

    @classmethod
    def of(cls, series: Series, calendar: TradingCalendar) -> "Sessions":
        if series.is_daily:
            columns = (series.open, series.high, series.low, series.close, series.volume)
            return cls(series.symbol, series.at, *columns, series.volume)
        opens, closes = _hours(series.days, calendar)
        session = np.searchsorted(closes, series.at, side="left")
        opened = np.append(opens, np.iinfo(np.int64).max)[session]
        within, at_open = series.at > opened, series.at == opened
        bars, session = np.flatnonzero(within), session[within]
        firsts = np.flatnonzero(np.diff(session, prepend=-1))
        lasts = np.append(firsts[1:], len(session)) - 1
        added = np.where(within, series.volume, 0)
        total = np.cumsum(added)
        begun = np.zeros(len(series), np.int64)
        begun[bars[firsts]] = (total - added)[bars[firsts]]
        begun[at_open] = total[at_open]
        volumes = total - np.maximum.accumulate(begun)
        if not len(bars):
            none = np.zeros(0, np.int64)
            return cls(series.symbol, none, none, none, none, none, none, volumes)
        return cls(
            series.symbol,
            closes[session[firsts]],
            series.open[bars[firsts]],
            np.maximum.reduceat(series.high[bars], firsts),
            np.minimum.reduceat(series.low[bars], firsts),
            series.close[bars[lasts]],
            volumes[bars[lasts]],
            volumes,
        )

    @cached_property
    def closes_total(self) -> Ints:
        """The running total of the closes, from 0 on; it may go round the 64 bits."""
        return np.concatenate([[0], np.cumsum(self.close)])

    @cached_property
    def volumes_total(self) -> Ints:
        return np.concatenate([[0], np.cumsum(self.volume)])

    @cached_property
    def largest_close(self) -> int:
        return int(self.close.max(initial=0))

    @cached_property
    def _made(self) -> dict[int, Bar]:
        return {}

    def completed(self, micros: int, count: int) -> list[Bar]:
        """The last `count` that had closed at that instant, oldest first."""
        end = int(np.searchsorted(self.at, micros, side="right"))
        return [self._bar(index) for index in range(max(0, end - count), end)]

    def _bar(self, index: int) -> Bar:
        made = self._made.get(index)
        if made is None:
            made = self._made[index] = _bar(
                self.symbol,
                instant(int(self.at[index])),
                price(self.open[index]),
                price(self.high[index]),
                price(self.low[index]),
                price(self.close[index]),
                int(self.volume[index]),
            )
        return made


def _bar(*values: object) -> Bar:
    """A Bar of values that were checked when the series was read: there are many."""
    bar = object.__new__(Bar)
    for name, value in zip(Bar.__slots__, values, strict=True):
        object.__setattr__(bar, name, value)
    return bar


def _hours(days: Ints, calendar: TradingCalendar) -> tuple[Ints, Ints]:
    """The openings and the closes of the sessions in which bars of these days can lie."""
    numbers = np.unique(np.concatenate([days, days + 1]))
    found = [close for number in numbers if (close := calendar.close_of(day_of(number)))]
    opens = [_open_of(close, calendar) for close in found]
    return (
        np.array([micros(at) for at in opens], np.int64),
        np.array([micros(at) for at in found], np.int64),
    )


def _open_of(close: datetime, calendar: TradingCalendar) -> datetime:
    before = calendar.last_close(close - MICROSECOND)
    opened = calendar.next_open(before)
    return opened if opened < close else before  # without a break, the close before is the open
