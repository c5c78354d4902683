"""The price is a percentage below its highest of the last sessions."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import Field

from actions.levels import below, next_above
from actions.marks import Mark
from actions.parts import Example
from actions.rules import ANY_PRICE, Evaluation, Needs, Outcome, Rule, State, Trigger, View, Wake
from actions.triggers._levels import fires_at, measured_from
from actions.triggers._moves import (
    PercentBelow100,
    band,
    moved_in_words,
    percent_in_words,
    whose_price,
)
from actions.triggers._sessions import (
    SPARE,
    closed_before,
    is_of_this_session,
    last_close_before,
    missing,
)
from actions.triggers._whole import Whole
from actions.triggers._words import day_in_words
from market.quotes import Bar, Sample
from portfolios.money import format_price

if TYPE_CHECKING:
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints


class FromHigh(Trigger):
    """Fires when the price is `percent` or more below the highest of `lookback` sessions.

    The highest counts each session's high, and what the rule has seen since the last of them
    closed: the state is {"peak": "107.000000", "seen_at": "2026-11-17T15:00:00+00:00"}, the last
    price above all of these. It counts until the bar of its session is there to speak for it.
    A symbol that is younger than `lookback` sessions has the highest of those that there are. While
    the bar of the last session is missing the high is unknown, and every price is remembered that
    is above those seen since.
    """

    title = "Below its high"
    summary = "Fires when the price is a percentage below its highest of the last sessions."
    examples = (
        Example({"percent": "20"}, "when the price is 20 % or more below its 252-session high"),
        Example(
            {"percent": "5", "lookback": 20, "symbol": "SPY"},
            "when SPY's price is 5 % or more below its 20-session high",
        ),
        Example(
            {"percent": "3", "lookback": 2},
            "when the price is 3 % or more below its 2-session high",
        ),
    )

    percent: PercentBelow100 = Field(title="Percent", description="How far below the high.")
    lookback: Whole = Field(
        252,
        ge=2,
        le=400,
        title="Sessions",
        description="The highest of how many completed sessions and today; 252 are a year.",
    )

    def needs(self, rule: Rule) -> Needs:
        return Needs(sessions=self.lookback + SPARE)

    def activate(self, rule: Rule, view: View) -> State:
        (symbol,) = self.watched(rule)
        quote = view.quotes.get(symbol)
        return _seen(quote) if quote else {}

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        closed = self._closed(symbol, quote.as_of, view)
        state = rule.state
        if day := missing(closed, last_close_before(quote.as_of, view.calendar)):
            peak = _peak(state, closed)
            state = state if peak is not None and quote.price <= peak else _seen(quote)
            reason = f"{symbol}'s {self._name} is not known: {day_in_words(day)} is missing."
            return Evaluation(Outcome.UNKNOWN, reason, state)
        high = _high(state, closed)
        if quote.price > high:
            state, high = _seen(quote), quote.price
        fired = quote.price <= below(high, self.percent)
        reason = (
            f"{symbol} at {format_price(quote.price)} is {moved_in_words(quote.price, high)} "
            f"its {self._name} of {format_price(high)}"
        )
        waits = "." if fired else f"; it waits for {percent_in_words(self.percent)} below."
        return Evaluation(Outcome.FIRED if fired else Outcome.NOT_FIRED, reason + waits, state)

    def watch(self, rule: Rule, view: View) -> Wake:
        return self._wake(rule, view, fires=True)

    def follow(self, rule: Rule, view: View) -> Wake:
        return self._wake(rule, view, fires=False)  # a new high counts behind a shut gate too

    def scan(self, rule: Rule, chart: "Chart") -> "Ints | None":
        if not chart.is_daily:
            return None  # within a session, what was seen since its open counts
        levels = chart.highest(self.lookback) * (1 - float(self.percent) / 100)
        return chart.at_or_below(chart.price, levels)

    def describe(self, symbol: str | None) -> str:
        distance = f"{percent_in_words(self.percent)} or more below its {self._name}"
        return f"when {whose_price(self, symbol)} is {distance}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        closed = self._closed(symbol, view.now, view)
        if missing(closed, last_close_before(view.now, view.calendar)):
            return ()
        high = _high(rule.state, closed)
        return (
            *measured_from(symbol, high, self._name.capitalize()),
            *fires_at(symbol, band(below=below(high, self.percent))),
        )

    @property
    def _name(self) -> str:
        return f"{self.lookback}-session high"

    def _closed(self, symbol: str, at: datetime, view: View) -> Sequence[Bar]:
        return closed_before(symbol, at, view)[-self.lookback :]

    def _wake(self, rule: Rule, view: View, *, fires: bool) -> Wake:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        close = view.calendar.next_close(view.now)
        closed = self._closed(symbol, quote.as_of, view)
        unknown = missing(closed, last_close_before(quote.as_of, view.calendar))
        if unknown or not is_of_this_session(quote, view):
            return Wake({symbol: ANY_PRICE}, at=close)
        high = _high(rule.state, closed)
        levels = band(below=below(high, self.percent) if fires else None, above=next_above(high))
        return Wake({symbol: levels}, at=close)


def _high(state: State, closed: Sequence[Bar]) -> Decimal:
    peak = _peak(state, closed)
    return max([bar.high for bar in closed] + ([] if peak is None else [peak]))


def _peak(state: State, closed: Sequence[Bar]) -> Decimal | None:
    """The highest price seen since the last of `closed`; None where that has spoken for it."""
    if not state or (closed and datetime.fromisoformat(state["seen_at"]) <= closed[-1].at):
        return None
    return Decimal(state["peak"])


def _seen(quote: Sample) -> State:
    return {"peak": str(quote.price), "seen_at": quote.as_of.isoformat()}
