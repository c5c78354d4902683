"""What trading costs, and what a portfolio is worth from bar to bar. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from actions.rules import Desk, Plan, Rule
from actions.trading import check_limits
from portfolios import ledger, money
from portfolios.ledger import (
    Entry,
    Order,
    Refusal,
    RefusalCode,
    Side,
    Snapshot,
    shares_for_amount,
)
from portfolios.limits import Day, Limits, day_of
from portfolios.money import CENT, EXACT, PRICE_STEP, format_usd

ZERO = Decimal(0)
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a broker and the market take of each order: `commission_usd` dollars, and
    `commission_percent` of its amount, rounded half up to cents; and by how many percent the fill
    is worse than the price seen, `slippage_percent`. The engine itself counts none.

    Raises ValueError, naming the field, for what is below zero or no number, and for a slippage of
    100 % or more.
    """

    commission_usd: Decimal = ZERO
    commission_percent: Decimal = ZERO
    slippage_percent: Decimal = ZERO

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if money.checked(getattr(self, name)) < 0:
                raise ValueError(f"{name} must not be below 0.")
        if max(self.slippage_percent, self.commission_percent) >= HUNDRED:
            raise ValueError("slippage_percent and commission_percent must be below 100.")

    def commission(self, amount: Decimal) -> Decimal:
        """On an order of `amount` dollars."""
        percent = EXACT.multiply(abs(amount), self.commission_percent)
        return money.usd(EXACT.add(self.commission_usd, EXACT.divide(percent, HUNDRED)))

    def price(self, side: Side, price: Decimal) -> Decimal:
        """The fill of an order at `price`: dearer for a purchase, cheaper for a sale."""
        worse = self.slippage_percent if side is Side.BUY else -self.slippage_percent
        slipped = money.price(EXACT.divide(EXACT.multiply(price, HUNDRED + worse), HUNDRED))
        return max(slipped, PRICE_STEP)

    def order(self, order: Order, cash: Decimal, *, sized_in_shares: bool) -> Order:
        """The order as it is filled. A purchase for an amount of money buys so much the less that
        its commission is paid out of the amount, and out of the cash that there is."""
        price = self.price(order.side, order.price)
        if order.side is Side.SELL or sized_in_shares or self == FREE:
            return Order(order.side, order.symbol, order.quantity, price)
        wanted = min(money.times(order.quantity, order.price), cash)
        share = EXACT.add(Decimal(1), EXACT.divide(self.commission_percent, HUNDRED))
        amount = EXACT.divide(wanted - self.commission_usd, share).quantize(CENT, ROUND_DOWN, EXACT)
        return Order(order.side, order.symbol, shares_for_amount(max(amount, ZERO), price), price)


FREE = Costs()


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill, as it stood in the market that day: shares, dollars a share, dollars of cash that it
    brought (below zero for a purchase) without the commission, and the cash after all of it."""

    at: datetime
    side: Side
    symbol: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    commission: Decimal
    cash_after: Decimal


@dataclass(frozen=True, slots=True)
class Filled:
    """What a plan's orders came to: the ledger's entries, each with its commission and the cash
    after it, and the portfolio then."""

    entries: tuple[Entry, ...]
    commissions: tuple[Decimal, ...]
    cash: tuple[Decimal, ...]
    after: Snapshot


def fill(plan: Plan, before: Snapshot, costs: Costs, *, sized_in_shares: bool) -> Filled | Refusal:
    """The orders carried out one after the other, or the first refusal: all or nothing."""
    snapshot = before
    entries, commissions, cash = [], [], []
    for order in plan.orders:
        filled = costs.order(order, snapshot.cash, sized_in_shares=sized_in_shares)
        applied = ledger.apply(snapshot, filled)
        if isinstance(applied, Refusal):
            return applied
        entry, snapshot = applied
        commission = costs.commission(entry.amount)
        if commission > snapshot.cash:
            return Refusal(
                RefusalCode.INSUFFICIENT_CASH,
                f"The commission of {format_usd(commission)} on {filled} needs more than the "
                f"{format_usd(snapshot.cash)} in cash.",
            )
        snapshot = Snapshot(snapshot.cash - commission, snapshot.positions)
        entries.append(entry)
        commissions.append(commission)
        cash.append(snapshot.cash)
    return Filled(tuple(entries), tuple(commissions), tuple(cash), snapshot)


class Books:
    """A portfolio that a rule trades in, with its costs and its limits, as it goes on.

    Without a `snapshot` nothing is traded, and every execution succeeds.
    """

    def __init__(self, snapshot: Snapshot | None, costs: Costs, limits: Limits) -> None:
        self.snapshot = snapshot
        self._costs, self._limits = costs, limits
        self._day: Day | None = None

    def execute(self, rule: Rule, desk: Desk) -> Filled | Refusal | None:
        """What an execution of `rule` trades, or why it is refused; None where it trades nothing.

        Raises HeldBack where the portfolio's day is spent.
        """
        if self.snapshot is None or not rule.effect.trades:
            return None
        plan = rule.effect.plan(rule, desk)
        if isinstance(plan, Refusal):
            return plan
        in_shares = getattr(rule.effect, "quantity", None) is not None
        filled = fill(plan, self.snapshot, self._costs, sized_in_shares=in_shares)
        if isinstance(filled, Refusal):
            return filled
        day = self._day if self._day and self._day.date == day_of(desk.now) else None
        day = day or Day(day_of(desk.now))
        if refusal := check_limits(filled.entries, limits=self._limits, day=day, now=desk.now):
            return refusal
        if filled.entries:
            self._day = day.after(filled.entries)
        self.snapshot = filled.after
        return filled
