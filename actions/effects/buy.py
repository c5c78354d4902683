"""Buys at the price seen when the rule fires."""

from actions.effects._sized import Sized
from actions.parts import Example
from actions.rules import Desk, Plan, Rule
from portfolios.ledger import Order, Refusal, Side


class Buy(Sized):
    """Buys `quantity` shares, or as many as `amount_usd` pays for."""

    title = "Buy"
    summary = "Buys shares at the current price."
    examples = (
        Example({"quantity": "10"}, "Buy 10 AAPL"),
        Example({"amount_usd": "2000"}, "Buy $2,000.00 of AAPL"),
    )

    def plan(self, rule: Rule, desk: Desk) -> Plan | Refusal:
        price = desk.quotes[rule.traded].price
        quantity = self.shares(price)
        return Plan(orders=(Order(Side.BUY, rule.traded, quantity, price),))

    def describe(self, symbol: str | None) -> str:
        return f"Buy {self.size_in_words(symbol)}"
