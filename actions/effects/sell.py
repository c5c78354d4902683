"""Sells at the price seen when the rule fires."""

from decimal import Decimal

from pydantic import Field

from actions.effects._sized import Sized
from actions.fields import Fraction
from actions.parts import Example
from actions.rules import Desk, Plan, Rule
from portfolios import money
from portfolios.ledger import Order, Refusal, RefusalCode, Side


class Sell(Sized):
    """Sells `quantity` shares, or `amount_usd` worth, or a `fraction` of what is held then."""

    title = "Sell"
    summary = "Sells shares at the current price, never more than you hold."
    examples = (
        Example({"quantity": "10"}, "Sell 10 AAPL"),
        Example({"fraction": "1"}, "Sell all of your AAPL"),
        Example({"fraction": "0.5"}, "Sell 50 % of your AAPL"),
    )
    either = ("quantity", "amount_usd", "fraction")

    fraction: Fraction | None = Field(
        None,
        title="Part of the position",
        description="The part of what you hold when it fires: 1 is all of it, 0.5 is half.",
    )

    def sizes(self) -> dict[str, Decimal | None]:
        return {**super().sizes(), "fraction": self.fraction}

    def plan(self, rule: Rule, desk: Desk) -> Plan | Refusal:
        price = desk.quotes[rule.traded].price
        if self.fraction is None:
            return Plan(orders=(Order(Side.SELL, rule.traded, self.shares(price), price),))
        position = desk.portfolio.positions.get(rule.traded) if desk.portfolio else None
        if position is None:
            return Refusal(RefusalCode.INSUFFICIENT_SHARES, f"There is no {rule.traded} to sell.")
        quantity = money.quantity(money.EXACT.multiply(position.quantity, self.fraction))
        return Plan(orders=(Order(Side.SELL, rule.traded, quantity, price),))

    def describe(self, symbol: str | None) -> str:
        if self.fraction is None:
            return f"Sell {self.size_in_words(symbol)}"
        if self.fraction == 1:
            return f"Sell all of your {symbol}"
        return f"Sell {(self.fraction * 100).normalize():f} % of your {symbol}"
