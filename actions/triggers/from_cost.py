"""The price is a percentage away from what the shares held have cost."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from actions.marks import Mark
from actions.parts import Example
from actions.rules import Band, Evaluation, Needs, Outcome, Rule, Trigger, View, Wake
from actions.triggers._levels import fires_at, measured_from
from actions.triggers._moves import Percent, band, moved_in_words, percent_in_words, whose_price
from portfolios.ledger import Position
from portfolios.money import EXACT, format_price


class FromCost(Trigger):
    """Fires when the price is `percent` or more below (or above) the average cost of the shares.

    That cost is the position's, in the rule's portfolio: its cost basis divided by its quantity.
    Where none is held the outcome is unknown. A trade changes the cost, and no price or instant
    tells of it: after each one, the engine looks at the portfolio's rules of this kind again.
    """

    title = "Away from my cost"
    summary = "Fires when the price is a percentage away from what your shares cost on average."
    examples = (
        Example({"percent": "8"}, "when the price is 8 % or more below your average cost"),
        Example(
            {"percent": "25", "direction": "up"},
            "when the price is 25 % or more above your average cost",
        ),
        Example(
            {"percent": "12.5", "symbol": "SPY"},
            "when SPY's price is 12.5 % or more below your average cost",
        ),
    )

    direction: Literal["down", "up"] = Field(
        "down",
        title="Direction",
        description="down: below what the shares cost, at a loss. up: above it, at a profit.",
    )
    percent: Percent = Field(
        title="Percent", description="How far away from the average cost, at least."
    )

    @field_validator("percent")
    @classmethod
    def _can_be(cls, percent: Decimal, info: ValidationInfo) -> Decimal:
        if percent >= 100 and info.data.get("direction") == "down":
            raise ValueError("A price cannot fall by 100 % or more.")
        return percent

    def needs(self, rule: Rule) -> Needs:
        return Needs(portfolio=True)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        price = view.quotes[symbol].price
        held = _held(symbol, view)
        if held is None:
            reason = f"The portfolio holds no {symbol} that cost anything."
            return Evaluation(Outcome.UNKNOWN, reason, rule.state)
        average = _average(held)
        fired = self._reached(price, held)
        reason = (
            f"{symbol} at {format_price(price)} is {moved_in_words(price, average)} "
            f"the average cost of {format_price(average)}"
        )
        waits = "." if fired else f"; it waits for {percent_in_words(self.percent)} {self._side}."
        return Evaluation(Outcome.FIRED if fired else Outcome.NOT_FIRED, reason + waits, rule.state)

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        held = _held(symbol, view)
        if held is None:
            return Wake()
        return Wake({symbol: self._band(held)})

    def describe(self, symbol: str | None) -> str:
        distance = f"{percent_in_words(self.percent)} or more {self._side} your average cost"
        return f"when {whose_price(self, symbol)} is {distance}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        held = _held(symbol, view)
        if held is None:
            return ()
        return (
            *measured_from(symbol, _average(held), "Average cost"),
            *fires_at(symbol, self._band(held)),
        )

    @property
    def _falls(self) -> bool:
        return self.direction == "down"

    @property
    def _side(self) -> str:
        return "below" if self._falls else "above"

    def _target(self, held: Position) -> Decimal:
        """A hundred times what the position is worth where it fires."""
        sign = -1 if self._falls else 1
        return EXACT.multiply(held.cost_basis, EXACT.add(Decimal(100), sign * self.percent))

    def _band(self, held: Position) -> Band:
        # Rounded to 120 digits at worst, far below the grid of prices: never too wide on it.
        level = EXACT.divide(self._target(held), EXACT.multiply(held.quantity, Decimal(100)))
        return band(below=level) if self._falls else band(above=level)

    def _reached(self, price: Decimal, held: Position) -> bool:
        worth = EXACT.multiply(EXACT.multiply(price, held.quantity), Decimal(100))
        return worth <= self._target(held) if self._falls else worth >= self._target(held)


def _held(symbol: str, view: View) -> Position | None:
    """The position with a cost to compare with: above zero, as that of dust may not be."""
    held = view.portfolio.position(symbol) if view.portfolio else Position()
    return held if held.quantity > 0 and held.cost_basis > 0 else None


def _average(held: Position) -> Decimal:
    return EXACT.divide(held.cost_basis, held.quantity)
