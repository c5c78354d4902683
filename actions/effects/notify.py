"""Tells the owner, and trades nothing."""

from pydantic import Field

from actions.fields import Text
from actions.parts import Example
from actions.rules import Desk, Effect, Plan, Rule
from portfolios.ledger import Refusal


class Notify(Effect):
    """Sends the owner a message, with the reason for which the rule fired."""

    title = "Notify"
    summary = "Tells you, in the app and by e-mail, and trades nothing."
    examples = (
        Example({}, "Notify me about AAPL"),
        Example({"message": "Look at earnings."}, "Notify me about AAPL"),
    )
    trades = False

    message: Text = Field(
        "", max_length=500, title="Message", description="Your own words, added to the notice."
    )

    def plan(self, rule: Rule, desk: Desk) -> Plan | Refusal:
        return Plan(message=self.message)

    def describe(self, symbol: str | None) -> str:
        return f"Notify me about {symbol}" if symbol else "Notify me"
