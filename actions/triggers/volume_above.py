"""A session's volume reaches a number of shares, or a multiple of what is usual."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from operator import attrgetter
from typing import Annotated, Self

from pydantic import Field, model_validator

from actions.rules import (
    Band,
    Evaluation,
    Example,
    Needs,
    Number,
    Outcome,
    Rule,
    Trigger,
    View,
    Wake,
)
from actions.triggers._sessions import SPARE
from actions.triggers._whole import Whole
from actions.triggers._words import day_in_words
from market.hours import TradingCalendar
from market.quotes import VOLUME_MAX, Bar, Sample

ANY_VOLUME = 0  # every quote that tells one wakes

_INSTANT = timedelta(microseconds=1)


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

    threshold: Annotated[Whole, Field(gt=0, le=VOLUME_MAX)] | None = Field(
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
        past = self._past(quote, view)
        needed = self._needed(past)
        if needed is None:
            return Evaluation(Outcome.UNKNOWN, self._no_average(symbol, past), rule.state)
        told = f"{symbol}'s volume in the session is {quote.volume:,}; it waits for {needed:,}"
        if self.multiple is not None:
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
        quote = view.quotes[symbol]
        past = self._past(quote, view)
        # The average holds for a session, and so until the next one opens; a late bar changes it.
        volume = self._needed(past) if _is_complete(past, quote, view.calendar) else ANY_VOLUME
        bands = {} if volume is None else {symbol: Band(volume_above=volume)}
        return Wake(bands, at=view.calendar.next_open(quote.as_of - _INSTANT))

    def describe(self, symbol: str | None) -> str:
        volume = "the session's volume"
        if self.symbol and self.symbol != symbol:
            volume = f"{self.symbol}'s volume in a session"
        if self.threshold is not None:
            return f"when {volume} is at least {self.threshold:,}"
        return f"when {volume} is at least {self.multiple} times its {self.lookback}-day average"

    def _past(self, quote: Sample, view: View) -> Sequence[Bar]:
        """The sessions to average: the last of those before the one whose volume `quote` tells."""
        bars = view.bars.get(quote.symbol, ())
        before = min(quote.as_of, _close_of(quote, view.calendar))
        return bars[: bisect_left(bars, before, key=attrgetter("at"))][-self.lookback :]

    def _needed(self, past: Sequence[Bar]) -> int | None:
        """The fewest shares that are enough; None while that is not known."""
        if self.multiple is None:
            return self.threshold
        total = sum(bar.volume for bar in past)
        if len(past) < self.lookback or not total:
            return None
        return ceil(Fraction(self.multiple) * total / self.lookback)

    def _no_average(self, symbol: str, past: Sequence[Bar]) -> str:
        if len(past) < self.lookback:
            return (
                f"The average takes {self.lookback} completed sessions of {symbol}, and there are "
                f"{len(past)}."
            )
        return f"No volume is known of the last {self.lookback} sessions of {symbol}."


def _close_of(quote: Sample, calendar: TradingCalendar) -> datetime:
    """The close of the session whose volume `quote` tells: the one that is open, or the last.

    A quote of the instant of a close is of the session that closes, in every market. One of the
    instant of an opening need not have the new session's volume yet.
    """
    just_before = quote.as_of - _INSTANT
    if calendar.is_open(just_before):
        return calendar.next_close(just_before)
    return calendar.last_close(just_before)


def _is_complete(past: Sequence[Bar], quote: Sample, calendar: TradingCalendar) -> bool:
    """Whether the newest of `past` is the session before the quote's."""
    previous_close = calendar.last_close(_close_of(quote, calendar) - _INSTANT)
    return bool(past) and past[-1].at >= previous_close
