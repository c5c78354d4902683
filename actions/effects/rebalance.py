"""Brings symbols to target weights, at the prices seen when the rule fires."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from actions.fields import Number, Symbol, in_capitals
from actions.parts import Example, InvalidRule
from actions.rules import Desk, Effect, Plan, Rule
from portfolios.ledger import Order, Refusal, RefusalCode, Side, Snapshot, shares_for_amount
from portfolios.money import CENT, EXACT, format_usd, times

MOST_TARGETS = 50
LEAST_TRADE = Decimal("1.00")  # dollars, where the rule itself sets none

Weight = Annotated[Number, Field(ge=0, le=1, max_digits=7, decimal_places=6)]


def _each_once(targets: object) -> object:
    """The targets by symbol in capitals. Two that are the same then are refused, not merged."""
    if not isinstance(targets, Mapping):
        raise ValueError("Give each symbol its weight, such as AAPL: 0.6.")
    if not 1 <= len(targets) <= MOST_TARGETS:
        raise ValueError(f"Name 1 to {MOST_TARGETS} symbols; {len(targets)} are named.")
    by_symbol: dict[object, object] = {}
    for name, weight in targets.items():
        symbol = in_capitals(name)
        if symbol in by_symbol:
            raise ValueError(f"{str(symbol)[:40]} is named twice. Name each symbol once.")
        by_symbol[symbol] = weight
    return by_symbol


def _at_most_all(targets: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    """The targets with the largest first: the database keeps no order that people chose."""
    total = sum(targets.values(), Decimal(0))
    if total > 1:
        raise ValueError(
            f"The weights add up to {_percent(total)} ({total}). Use 100 % (1) or less in all."
        )
    return dict(sorted(targets.items(), key=lambda target: (-target[1], target[0])))


class Rebalance(Effect):
    """Sells, then buys, until each symbol of `targets` has its weight; the rest stays cash.

    What is divided is the cash and what the named symbols are worth. Other holdings are left alone.
    """

    title = "Rebalance"
    summary = "Sells and buys so that each symbol gets the part of your money that you choose."
    examples = (
        Example(
            {"targets": {"AAPL": "0.6", "MSFT": "0.3"}},
            "Rebalance to 60 % AAPL, 30 % MSFT and 10 % cash",
        ),
        Example({"targets": {"SPY": "1", "IBM": "0"}}, "Rebalance to 100 % SPY and 0 % IBM"),
        Example(
            {"targets": {"AAPL": "0.125"}, "min_trade_usd": "50"},
            "Rebalance to 12.5 % AAPL and 87.5 % cash in trades of $50.00 or more",
        ),
    )
    trades = True

    targets: Annotated[
        Mapping[Symbol, Weight], AfterValidator(_at_most_all), BeforeValidator(_each_once)
    ] = Field(
        title="Target weights",
        description="Each symbol with its part of your cash and of what these symbols are worth: "
        "0.6 is 60 %, and 0 sells it out. What is left to 1 stays cash.",
    )
    min_trade_usd: Annotated[Number, Field(ge=0, max_digits=14, decimal_places=2)] = Field(
        LEAST_TRADE,
        title="Smallest trade",
        description="Trades for less than this, in USD, are left out.",
    )

    def check(self, symbol: str | None) -> None:
        if symbol is not None:
            raise InvalidRule({"symbol": "Leave it out: the targets name what is traded."})

    def named(self) -> Mapping[str, str]:
        return {f"targets.{symbol}": symbol for symbol in self.targets}

    def symbols(self, rule: Rule) -> frozenset[str]:
        return frozenset(self.targets)

    def worth(self, portfolio: Snapshot, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """What the portfolio's shares of each named symbol are worth, in dollars, not rounded."""
        return {
            symbol: EXACT.multiply(portfolio.position(symbol).quantity, prices[symbol])
            for symbol in self.targets
        }

    def plan(self, rule: Rule, desk: Desk) -> Plan | Refusal:
        """The orders, each of which the portfolio's ledger takes; none where all is near enough."""
        portfolio = desk.portfolio or Snapshot()
        prices = {symbol: desk.quotes[symbol].price for symbol in self.targets}
        with localcontext(EXACT):
            worth = self.worth(portfolio, prices)
            divided = portfolio.cash + sum(worth.values())
            if divided == 0:
                return Refusal(
                    RefusalCode.INSUFFICIENT_CASH,
                    "There is nothing to divide: no cash, and none of the symbols named.",
                )
            missing = {
                symbol: weight * divided - worth[symbol] for symbol, weight in self.targets.items()
            }
            sales = self._sales(portfolio, prices, missing)
            cash = portfolio.cash + _total(sales)
            orders = (*sales, *self._purchases(cash, prices, missing))
        return Plan(orders, "" if orders else self._nothing_to_do())

    def describe(self, symbol: str | None) -> str:
        parts = [f"{_percent(weight)} {name}" for name, weight in self.targets.items()]
        if cash := 1 - sum(self.targets.values(), Decimal(0)):
            parts.append(f"{_percent(cash)} cash")
        *others, last = parts
        weights = f"{', '.join(others)} and {last}" if others else last
        if self.min_trade_usd == LEAST_TRADE:
            return f"Rebalance to {weights}"
        return f"Rebalance to {weights} in trades of {format_usd(self._least)} or more"

    @property
    def _least(self) -> Decimal:
        return max(self.min_trade_usd, CENT)

    def _sales(
        self,
        portfolio: Snapshot,
        prices: Mapping[str, Decimal],
        missing: Mapping[str, Decimal],
    ) -> list[Order]:
        """The largest first. What has no weight goes to the last fraction, however little."""
        sales = []
        for symbol in sorted(missing, key=lambda symbol: (missing[symbol], symbol)):
            price = prices[symbol]
            if self.targets[symbol] == 0:
                held = portfolio.position(symbol).quantity
                if held > 0:
                    sales.append(Order(Side.SELL, symbol, held, price))
            elif missing[symbol] < 0:
                shares = shares_for_amount(-missing[symbol], price)
                if times(shares, price) >= self._least:
                    sales.append(Order(Side.SELL, symbol, shares, price))
        return sales

    def _purchases(
        self, cash: Decimal, prices: Mapping[str, Decimal], missing: Mapping[str, Decimal]
    ) -> list[Order]:
        """The largest first.

        Sales are rounded, and the small ones left out, so there may be less cash than is missing:
        then the largest purchase is the smaller for it.
        """
        wanted = [_purchase(symbol, amount, prices) for symbol, amount in missing.items()]
        wanted = [order for order in wanted if _amount(order) >= self._least]
        excess = _total(wanted) - cash
        purchases = []
        for order in sorted(wanted, key=lambda order: (-_amount(order), order.symbol)):
            kept = order
            if excess > 0:
                kept = _purchase(order.symbol, _amount(order) - excess, prices)
            if _amount(kept) < self._least:
                excess -= _amount(order)
                continue
            excess -= _amount(order) - _amount(kept)
            purchases.append(kept)
        return purchases

    def _nothing_to_do(self) -> str:
        return (
            f"Nothing was traded: no trade of {format_usd(self._least)} or more would bring the "
            "portfolio nearer to its targets."
        )


def _purchase(symbol: str, amount: Decimal, prices: Mapping[str, Decimal]) -> Order:
    """For `amount` dollars, cut to cents, at most; for nothing where that is below zero."""
    cents = max(amount, Decimal(0)).quantize(CENT, ROUND_DOWN, EXACT)
    return Order(Side.BUY, symbol, shares_for_amount(cents, prices[symbol]), prices[symbol])


def _amount(order: Order) -> Decimal:
    """What the ledger will count for it, in dollars."""
    return times(order.quantity, order.price)


def _total(orders: Iterable[Order]) -> Decimal:
    return sum(map(_amount, orders), Decimal(0))


def _percent(weight: Decimal) -> str:
    return f"{(weight * 100).normalize():f} %"
