"""The price turns: it falls from its peak, or rises from its trough."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from actions.marks import Level, Mark, Role
from actions.rules import (
    Band,
    Evaluation,
    Example,
    Outcome,
    Price,
    Rule,
    State,
    Trigger,
    View,
    Wake,
)
from actions.triggers._levels import fires_at, measured_from
from actions.triggers._moves import (
    PercentBelow100,
    above,
    band,
    below,
    ceiling,
    floor,
    next_above,
    next_below,
    percent_in_words,
    whose_price,
)
from portfolios.money import EXACT, format_price


class TrailingStop(Trigger):
    """Fires when the price falls by `percent` or `amount` from its highest since the rule began.

    The stop follows the peak upwards and never comes down. Direction `up` is the mirror image: a
    rise from the lowest price. After a firing it starts anew.

    The state is {"peak": "107.000000"}, or "trough", as soon as there is one.
    """

    title = "Trailing stop"
    summary = "Fires when the price turns: when it falls from its peak, or rises from its trough."
    examples = (
        Example({"percent": "5"}, "when the price falls 5% from its peak"),
        Example(
            {"amount": "10", "activation_price": "120"},
            "when the price falls $10.00 from its peak, once it has been at or above $120.00",
        ),
        Example(
            {"percent": "7.5", "direction": "up", "symbol": "SPY"},
            "when SPY's price rises 7.5% from its trough",
        ),
    )

    direction: Literal["down", "up"] = Field(
        "down",
        title="Direction",
        description="down: it follows the price up and fires when it falls. up: it follows the "
        "price down and fires when it rises.",
    )
    percent: PercentBelow100 | None = Field(
        None, title="Percent", description="How far it must turn, in percent of the peak or trough."
    )
    amount: Price | None = Field(
        None,
        title="Amount",
        description="How far it must turn, in USD, instead of in percent.",
        validate_default=True,
    )
    activation_price: Price | None = Field(
        None,
        title="Starts at",
        description="It begins to follow once the price is here or beyond; empty: at once.",
    )

    @field_validator("amount")
    @classmethod
    def _one_distance(cls, amount: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if "percent" in info.data and (amount is None) == (info.data["percent"] is None):
            found = "none is set" if amount is None else "percent and amount are set"
            raise ValueError(f"Set exactly one of percent or amount; {found}.")
        return amount

    def activate(self, rule: Rule, view: View) -> State:
        (symbol,) = self.watched(rule)
        quote = view.quotes.get(symbol)
        return self._observe(quote.price, {}) if quote else {}

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        price = view.quotes[symbol].price
        state = self._observe(price, rule.state)
        best = self._best(state)
        if best is None:
            return Evaluation(Outcome.NOT_FIRED, self._waiting(symbol, price), state)
        stop = self._stop(best)
        if not self._reached(price, stop):
            return Evaluation(Outcome.NOT_FIRED, self._words(symbol, price, best, "not "), state)
        return Evaluation(Outcome.FIRED, self._words(symbol, price, best, ""), {})

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        best = self._best(rule.state)
        if best is None:
            return Wake({symbol: self._band(behind=None, beyond=self.activation_price)})
        return Wake({symbol: self._band(behind=self._stop(best), beyond=self._next(best))})

    def follow(self, rule: Rule, view: View) -> Wake:
        # The stop rises behind a shut gate too, also while the price is at or below it.
        (symbol,) = self.watched(rule)
        best = self._best(rule.state)
        if best is None:
            return Wake()
        return Wake({symbol: self._band(behind=None, beyond=self._next(best))})

    def describe(self, symbol: str | None) -> str:
        turns = "falls" if self._falls else "rises"
        words = f"when {whose_price(self, symbol)} {turns} {self._distance} from its {self._turn}"
        if self.activation_price is None:
            return words
        side = "above" if self._falls else "below"
        return f"{words}, once it has been at or {side} {format_price(self.activation_price)}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        best = self._best(rule.state)
        if best is not None:
            stop = self._band(behind=self._stop(best), beyond=None)
            turn = measured_from(symbol, best, self._turn.capitalize())
            return (*turn, *fires_at(symbol, stop))
        if self.activation_price is None:
            return ()
        side = "above" if self._falls else "below"
        words = f"Starts to follow at or {side} {format_price(self.activation_price)}"
        return (Level(symbol, self.activation_price, Role.START, words),)

    # --- Following ---

    @property
    def _falls(self) -> bool:
        return self.direction == "down"

    @property
    def _turn(self) -> str:
        return "peak" if self._falls else "trough"

    def _best(self, state: State) -> Decimal | None:
        best = state.get(self._turn)
        return None if best is None else Decimal(best)

    def _observe(self, price: Decimal, state: State) -> State:
        best = self._best(state)
        beyond = self.activation_price if best is None else self._next(best)
        if beyond is None or (price >= beyond if self._falls else price <= beyond):
            return {self._turn: str(price)}
        return state

    def _next(self, best: Decimal) -> Decimal:
        """The nearest price that is better than `best`."""
        return next_above(best) if self._falls else next_below(best)

    def _stop(self, best: Decimal) -> Decimal:
        """The first price that fires. Not above zero where `amount` is more than the peak."""
        if self.percent is not None:
            return below(best, self.percent) if self._falls else above(best, self.percent)
        amount = self.amount or Decimal(0)
        if self._falls:
            return floor(EXACT.subtract(best, amount))
        return ceiling(EXACT.add(best, amount))

    def _reached(self, price: Decimal, stop: Decimal) -> bool:
        return price <= stop if self._falls else price >= stop

    def _band(self, *, behind: Decimal | None, beyond: Decimal | None) -> Band:
        if self._falls:
            return band(below=behind, above=beyond)
        return band(below=beyond, above=behind)

    # --- Words ---

    @property
    def _distance(self) -> str:
        if self.percent is not None:
            return percent_in_words(self.percent)
        return format_price(self.amount or Decimal(0))

    def _waiting(self, symbol: str, price: Decimal) -> str:
        side = "above" if self._falls else "below"
        start = format_price(self.activation_price or Decimal(0))
        return f"{symbol} at {format_price(price)} has not been at or {side} {start} yet."

    def _words(self, symbol: str, price: Decimal, best: Decimal, not_: str) -> str:
        side = "below" if self._falls else "above"
        stop = self._stop(best)
        since = f"{self._distance} {side} its {self._turn} of {format_price(best)}"
        if stop <= 0:
            return (
                f"{symbol} is at {format_price(price)}, and no price can be {since}: "
                "the stop must rise before it can fire."
            )
        return (
            f"{symbol} at {format_price(price)} is {not_}at or {side} the stop at "
            f"{format_price(stop)}, {since}."
        )
