"""What buying and selling share: the size, as shares or as an amount of money."""

from decimal import Decimal
from typing import ClassVar

from pydantic import Field, model_validator

from actions.fields import Quantity, Usd
from actions.rules import Effect
from portfolios.ledger import shares_for_amount
from portfolios.money import format_quantity, format_usd


class Sized(Effect):
    """An order for a number of shares, or for as many as an amount of money stands for."""

    trades = True
    either: ClassVar[tuple[str, ...]] = ("quantity", "amount_usd")

    quantity: Quantity | None = Field(None, title="Shares", description="How many shares.")
    amount_usd: Usd | None = Field(
        None,
        title="Amount",
        description="For how much money, in USD, instead of a number of shares.",
    )

    @model_validator(mode="after")
    def _one_size(self) -> "Sized":
        given = [name for name, value in self.sizes().items() if value is not None]
        if len(given) != 1:
            names = " or ".join(self.sizes())
            found = "none is set" if not given else f"{' and '.join(given)} are set"
            raise ValueError(f"Set exactly one of {names}; {found}.")
        return self

    def sizes(self) -> dict[str, Decimal | None]:
        """The ways of giving the size, of which exactly one is set."""
        return {"quantity": self.quantity, "amount_usd": self.amount_usd}

    def shares(self, price: Decimal) -> Decimal:
        """How many shares the size is at `price`; an amount buys amount / price, rounded down."""
        if self.quantity is not None:
            return self.quantity
        return shares_for_amount(self.amount_usd or Decimal(0), price)

    def size_in_words(self, symbol: str | None) -> str:
        if self.quantity is not None:
            return f"{format_quantity(self.quantity)} {symbol}"
        return f"{format_usd(self.amount_usd or Decimal(0))} of {symbol}"
