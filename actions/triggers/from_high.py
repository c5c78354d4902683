"""The price is a percentage below its highest of the last sessions."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from actions.levels import below, next_above
from actions.rules import (
    ANY_PRICE,
    Evaluation,
    Example,
    Needs,
    Outcome,
    Rule,
    State,
    Trigger,
    View,
    Wake,
)
from actions.triggers._moves import (
    PercentBelow100,
    band,
    moved_in_words,
    percent_in_words,
    whose_price,
)
from actions.triggers._sessions import SPARE, closed_before, is_complete, is_of_this_session
from actions.triggers._whole import Whole
from market.quotes import Sample
from portfolios.money import format_price


class FromHigh(Trigger):
    """Fires when the price is `percent` or more below the highest of `lookback` sessions.

    The highest counts each session's high, and what the rule has seen since the last of them
    closed: the state is {"peak": "107.000000", "seen_at": "2026-11-17T15:00:00+00:00"}, the last
    price above all of these. It counts until the bar of its session is there to speak for it.
    A symbol that is younger than `lookback` sessions has the highest of those that there are.
    """

    title = "Below its high"
    summary = "Fires when the price is a percentage below its highest of the last sessions."
    examples = (
        Example({"percent": "20"}, "when the price is 20% or more below its 252-session high"),
        Example(
            {"percent": "5", "lookback": 20, "symbol": "SPY"},
            "when SPY's price is 5% or more below its 20-session high",
        ),
        Example(
            {"percent": "3", "lookback": 2}, "when the price is 3% or more below its 2-session high"
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
        high = self._high(rule.state, quote, view)
        if high is None:
            reason = f"It is not known what {symbol} was at in past sessions."
            return Evaluation(Outcome.UNKNOWN, reason, rule.state)
        state = rule.state
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

    def describe(self, symbol: str | None) -> str:
        distance = f"{percent_in_words(self.percent)} or more below its {self._name}"
        return f"when {whose_price(self, symbol)} is {distance}"

    @property
    def _name(self) -> str:
        return f"{self.lookback}-session high"

    def _high(self, state: State, quote: Sample, view: View) -> Decimal | None:
        """The highest before `quote`; None where no session is known."""
        closed = closed_before(quote, view)[-self.lookback :]
        if not closed:
            return None
        highs = [bar.high for bar in closed]
        if state and datetime.fromisoformat(state["seen_at"]) > closed[-1].at:
            highs.append(Decimal(state["peak"]))
        return max(highs)

    def _wake(self, rule: Rule, view: View, *, fires: bool) -> Wake:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        close = view.calendar.next_close(view.now)
        high = self._high(rule.state, quote, view)
        holds = is_of_this_session(quote, view) and is_complete(closed_before(quote, view), view)
        if high is None or not holds:
            return Wake({symbol: ANY_PRICE}, at=close)
        levels = band(below=below(high, self.percent) if fires else None, above=next_above(high))
        return Wake({symbol: levels}, at=close)


def _seen(quote: Sample) -> State:
    return {"peak": str(quote.price), "seen_at": quote.as_of.isoformat()}
