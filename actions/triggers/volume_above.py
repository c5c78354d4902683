"""A session's volume reaches a number of shares, or a multiple of what is usual."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from actions.fields import Number
from actions.marks import Axis, Level, Mark, Role
from actions.parts import Example
from actions.rules import Band, Evaluation, Needs, Outcome, Rule, Trigger, View, Wake
from actions.scaling import Scales
from actions.triggers._sessions import INSTANT, SPARE, closed_before, last_close_before, missing
from actions.triggers._whole import Whole
from actions.triggers._words import day_in_words
from market.hours import TradingCalendar
from market.quotes import VOLUME_MAX, Bar

if TYPE_CHECKING:
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints

ANY_VOLUME = 0  # every quote that tells one wakes


class VolumeAbove(Trigger):
    """Fires when the shares traded since the session's open are at least so many."""

    title = "Volume at or above"
    summary = (
        "Fires when a session's volume reaches a number of shares or a multiple of its average."
    )
    examples = (
        Example({"threshold": 100_000_000}, "when the session's volume is at least 100,000,000"),
        Example(
            {"multiple": "2.5", "lookback": 30, "symbol": "SPY"},
            "when SPY's volume in a session is at least 2.5 times its 30-day average",
        ),
    )
    either = ("threshold", "multiple")

    threshold: Annotated[Whole, Field(gt=0, le=VOLUME_MAX), Scales.SHARES] | None = Field(
        None,
        title="Shares",
        description="How many shares must have been traded. Set this or a multiple.",
    )
    multiple: Annotated[Number, Field(gt=0, max_digits=10, decimal_places=4)] | None = Field(
        None,
        title="Multiple of the average",
        description="How many times the average of past sessions' volumes. Set this or shares.",
    )
    lookback: Whole = Field(
        20,
        ge=1,
        le=400,
        title="Sessions averaged",
        description="How many completed sessions the average takes; only counts with a multiple.",
    )

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.threshold is None) == (self.multiple is None):
            found = "none is set" if self.threshold is None else "both are"
            raise ValueError(f"Set exactly one of threshold or multiple; {found}.")
        return self

    def needs(self, rule: Rule) -> Needs:
        return Needs(sessions=0 if self.multiple is None else self.lookback + SPARE)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        if quote.volume is None:
            told = f"{symbol}'s quote does not tell the volume."
            return Evaluation(Outcome.UNKNOWN, told, rule.state)
        needed = self._needed(symbol, quote.as_of, view)
        if needed is None:
            told = self._no_average(symbol, quote.as_of, view)
            return Evaluation(Outcome.UNKNOWN, told, rule.state)
        told = f"{symbol}'s volume in the session is {quote.volume:,}; it waits for {needed:,}"
        if self.multiple is not None:
            past = self._past(symbol, quote.as_of, view)
            told += (
                f", {self.multiple} times the average of the {self.lookback} sessions up to "
                f"{day_in_words(past[-1].session)}"
            )
        fired = quote.volume >= needed
        return Evaluation(Outcome.FIRED if fired else Outcome.NOT_FIRED, f"{told}.", rule.state)

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        if self.threshold is not None:
            return Wake({symbol: Band(volume_above=self.threshold)})
        at = view.quotes[symbol].as_of
        # The average holds for a session, and so until the next one opens; a late bar may come.
        is_late = _missing(self._past(symbol, at, view), at, view.calendar)
        volume = ANY_VOLUME if is_late else self._needed(symbol, at, view)
        bands = {} if volume is None else {symbol: Band(volume_above=volume)}
        return Wake(bands, at=view.calendar.next_open(at - INSTANT))

    def scan(self, rule: Rule, chart: "Chart") -> "Ints | None":
        if self.multiple is None or not chart.is_daily:
            return None
        needed = chart.average_volume(self.lookback) * float(self.multiple)
        return chart.at_or_above(chart.volume, needed)

    def describe(self, symbol: str | None) -> str:
        volume = "the session's volume"
        if self.symbol and self.symbol != symbol:
            volume = f"{self.symbol}'s volume in a session"
        if self.threshold is not None:
            return f"when {volume} is at least {self.threshold:,}"
        return f"when {volume} is at least {self.multiple} times its {self.lookback}-day average"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        needed = self._needed(symbol, view.now, view)
        if needed is None:
            return ()
        levels = [(Decimal(needed), Role.TRIGGER, f"Fires at or above {needed:,} shares")]
        if self.multiple is not None:
            past = self._past(symbol, view.now, view)
            average = Decimal(round(Fraction(sum(bar.volume for bar in past), len(past))))
            levels.insert(0, (average, Role.REFERENCE, f"{self.lookback}-day average"))
        return tuple(
            Level(symbol, value, role, words, Axis.VOLUME)
            for value, role, words in levels
            if 0 < value <= VOLUME_MAX
        )

    def _past(self, symbol: str, at: datetime, view: View) -> Sequence[Bar]:
        """The sessions to average: the last before the one whose volume a quote of `at` tells."""
        before = min(at, _close_of(at, view.calendar))
        return closed_before(symbol, before, view)[-self.lookback :]

    def _needed(self, symbol: str, at: datetime, view: View) -> int | None:
        """The fewest shares that are enough at `at`; None while that is not known."""
        if self.multiple is None:
            return self.threshold
        past = self._past(symbol, at, view)
        total = sum(bar.volume for bar in past)
        if len(past) < self.lookback or not total or _missing(past, at, view.calendar):
            return None
        return ceil(Fraction(self.multiple) * total / self.lookback)

    def _no_average(self, symbol: str, at: datetime, view: View) -> str:
        past = self._past(symbol, at, view)
        if len(past) < self.lookback:
            return (
                f"The average takes {self.lookback} completed sessions of {symbol}, and there are "
                f"{len(past)}."
            )
        if day := _missing(past, at, view.calendar):
            return f"The average of {symbol} is not known: {day_in_words(day)} is missing."
        return f"No volume is known of the last {self.lookback} sessions of {symbol}."


def _close_of(at: datetime, calendar: TradingCalendar) -> datetime:
    """The close of the session whose volume a quote of `at` tells: that which is open, or the last.

    A quote of the instant of a close is of the session that closes, in every market. One of the
    instant of an opening need not have the new session's volume yet.
    """
    just_before = at - INSTANT
    if calendar.is_open(just_before):
        return calendar.next_close(just_before)
    return calendar.last_close(just_before)


def _missing(past: Sequence[Bar], at: datetime, calendar: TradingCalendar) -> date | None:
    """The day of the session before the one of `at`, where `past` lacks it."""
    return missing(past, last_close_before(_close_of(at, calendar), calendar))
