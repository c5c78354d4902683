"""What price_above and price_below share: the same condition, mirrored."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from actions.fields import Price
from actions.marks import Level, Mark, Role
from actions.rules import (
    PRICE_STEP,
    Band,
    Evaluation,
    Outcome,
    Rule,
    State,
    Threshold,
    Trigger,
    View,
    Wake,
)
from actions.triggers._levels import fires_at
from portfolios.money import format_price

if TYPE_CHECKING:  # arrays are for those who backtest
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints


class PriceLevel(Trigger):
    """The price reaches a threshold from one side; the threshold itself counts as reached."""

    threshold: Price = Field(title="Price", description="The price, in USD, that sets it off.")
    on: Literal["level", "cross"] = Field(
        "level",
        title="Fires on",
        description="level: whenever the price is there, also from the start. "
        "cross: only once the price has been on the other side since the rule began.",
    )

    rising: ClassVar[bool]

    def rounds_up(self, parameter: str) -> bool:
        return self.rising  # exact: no price lies between the threshold and where it is rounded to

    def activate(self, rule: Rule, view: View) -> State:
        (symbol,) = self.watched(rule)
        quote = view.quotes.get(symbol)
        return self._observe(quote.price, {}) if quote else {}

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        price = view.quotes[symbol].price
        state = self._observe(price, rule.state)
        if not self._reached(price):
            return Evaluation(Outcome.NOT_FIRED, self._words(symbol, price, "not"), state)
        if self.on == "cross" and not state.get("armed"):
            reason = self._words(symbol, price, "already") + " It waits for a crossing."
            return Evaluation(Outcome.NOT_FIRED, reason, state)
        return Evaluation(Outcome.FIRED, self._words(symbol, price, ""), {})

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        waits_to_arm = self.on == "cross" and not rule.state.get("armed")
        return Wake(bands={symbol: self._arming_band() if waits_to_arm else self._firing_band()})

    def threshold_price(self) -> Threshold:
        return Threshold(self.threshold, self.rising)

    def first_fires(
        self, parameter: str, values: Sequence[Decimal | int], state: State, chart: "Chart"
    ) -> "Ints | None":
        if parameter != "threshold" or self.on != "level":
            return None
        return chart.first_above(values) if self.rising else chart.first_below(values)

    def all_fires(self, state: State, chart: "Chart", most: int | None) -> "Ints":
        reached = chart.all_above if self.rising else chart.all_below
        armed = bool(state.get("armed")) if self.on == "cross" else None
        return reached(self.threshold, armed)[:most]

    def describe(self, symbol: str | None) -> str:
        whose = f"{self.symbol}'s price" if self.symbol and self.symbol != symbol else "the price"
        price = format_price(self.threshold)
        if self.on == "cross":
            return f"when {whose} {'rises' if self.rising else 'falls'} to {price}"
        return f"when {whose} is at or {self._side} {price}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        if self.on == "level":
            return fires_at(symbol, self._firing_band())
        words = f"Fires on a {'rise' if self.rising else 'fall'} to {format_price(self.threshold)}"
        if not rule.state.get("armed"):
            words += f", once {'below' if self.rising else 'above'} it"
        return (Level(symbol, self.threshold, Role.TRIGGER, words),)

    @property
    def _side(self) -> str:
        return "above" if self.rising else "below"

    def _reached(self, price: Decimal) -> bool:
        return price >= self.threshold if self.rising else price <= self.threshold

    def _observe(self, price: Decimal, state: State) -> State:
        if self.on == "cross" and not self._reached(price):
            return {"armed": True}
        return state

    def _firing_band(self) -> Band:
        return Band(above=self.threshold) if self.rising else Band(below=self.threshold)

    def _arming_band(self) -> Band:
        # Strictly on the other side: the next price that there can be beyond the threshold.
        if self.rising:
            return Band(below=self.threshold - PRICE_STEP)
        return Band(above=self.threshold + PRICE_STEP)

    def _words(self, symbol: str, price: Decimal, adverb: str) -> str:
        is_ = f"is {adverb}" if adverb else "is"
        limit = format_price(self.threshold)
        return f"{symbol} at {format_price(price)} {is_} at or {self._side} {limit}."
