"""What an order does to a portfolio: pure arithmetic, or a refusal in words.

A portfolio is a `Snapshot`; `apply`, `deposit`, `withdraw` and `split` answer with the `Entry` to
be written and the snapshot after it, or with a `Refusal`. There is no credit and there are no short
sales: neither cash nor a position is ever below zero.

Cost basis follows the average-cost method (IRS Publication 550, "Average basis"): a purchase adds
its amount, a sale takes away the basis of the shares held in proportion, rounded half up to cents.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from portfolios import money
from portfolios.money import format_price, format_quantity, format_usd

ZERO = Decimal(0)
SHARES_FOR_AMOUNT_STEP = Decimal("0.000001")


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Kind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    BUY = "buy"
    SELL = "sell"
    SPLIT = "split"


class RefusalCode(StrEnum):
    """Why an order was refused, for programs: these words never change their meaning."""

    INSUFFICIENT_CASH = "insufficient_cash"
    INSUFFICIENT_SHARES = "insufficient_shares"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_PRICE = "invalid_price"
    INVALID_AMOUNT = "invalid_amount"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_MAXIMUM = "above_maximum"
    ABOVE_DAY = "above_day"
    TOO_LARGE = "too_large"
    UNKNOWN_SYMBOL = "unknown_symbol"


@dataclass(frozen=True, slots=True)
class Position:
    """Shares held, and the dollars that they cost."""

    quantity: Decimal = ZERO
    cost_basis: Decimal = ZERO


NO_POSITION = Position()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A portfolio at one moment: dollars, and a position for every symbol that is held."""

    cash: Decimal = ZERO
    positions: Mapping[str, Position] = field(default_factory=dict)

    def position(self, symbol: str) -> Position:
        return self.positions.get(symbol, NO_POSITION)


@dataclass(frozen=True, slots=True)
class Order:
    """To buy or to sell `quantity` shares at `price` dollars a share.

    Raises TypeError for a quantity or price that is no Decimal, such as a float.
    """

    side: Side
    symbol: str
    quantity: Decimal
    price: Decimal

    def __post_init__(self) -> None:
        money.decimal_only(self.quantity)
        money.decimal_only(self.price)

    def __str__(self) -> str:
        return f"{format_quantity(self.quantity)} {self.symbol} at {format_price(self.price)}"


class Entry(NamedTuple):
    """One line of the ledger.

    `amount` is the effect on cash in dollars: above zero for what comes in (deposits, sales).
    `quantity` is the effect on the position, above zero for a purchase. Deposits and withdrawals
    have no symbol, quantity, price, quantity_after or cost_basis_after; a split has no price, and
    an amount of 0.
    """

    kind: Kind
    amount: Decimal
    cash_after: Decimal
    symbol: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    quantity_after: Decimal | None = None
    cost_basis_after: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not done, and why: a code for programs, a sentence with the numbers for people."""

    code: RefusalCode
    message: str


def apply(snapshot: Snapshot, order: Order) -> tuple[Entry, Snapshot] | Refusal:
    """The ledger entry of `order` and the portfolio after it, or why it is refused.

    The amount is quantity x price, rounded half up to cents.
    """
    if refusal := _malformed(order):
        return refusal
    amount = money.times(order.quantity, order.price)
    if refusal := _unfit(order, amount) or _uncovered(snapshot, order, amount):
        return refusal
    if order.side is Side.BUY:
        kind, quantity, amount = Kind.BUY, order.quantity, -amount
    else:
        kind, quantity = Kind.SELL, -order.quantity
    after = _posted(snapshot, amount, order.symbol, quantity)
    position = after.position(order.symbol)
    if _overflows(after.cash, position):
        return Refusal(RefusalCode.TOO_LARGE, f"{order} would exceed what a portfolio can hold.")
    entry = Entry(
        kind=kind,
        amount=amount,
        cash_after=after.cash,
        symbol=order.symbol,
        quantity=quantity,
        price=order.price,
        quantity_after=position.quantity,
        cost_basis_after=position.cost_basis,
    )
    return entry, after


def apply_all(
    snapshot: Snapshot, orders: Iterable[Order]
) -> tuple[list[Entry], Snapshot] | Refusal:
    """The entries of all orders, one after the other, or the first refusal: all or nothing."""
    entries = []
    for order in orders:
        applied = apply(snapshot, order)
        if isinstance(applied, Refusal):
            return applied
        entry, snapshot = applied
        entries.append(entry)
    return entries, snapshot


def deposit(snapshot: Snapshot, amount: Decimal) -> tuple[Entry, Snapshot] | Refusal:
    """The entry of `amount` dollars paid in and the portfolio after it, or why it is refused."""
    return _invalid_amount(amount) or _moved(snapshot, Kind.DEPOSIT, amount)


def withdraw(snapshot: Snapshot, amount: Decimal) -> tuple[Entry, Snapshot] | Refusal:
    """The entry of `amount` dollars paid out and the portfolio after it, or why it is refused."""
    if refusal := _invalid_amount(amount):
        return refusal
    if amount > snapshot.cash:
        return _short_of_cash("The withdrawal", amount, snapshot)
    return _moved(snapshot, Kind.WITHDRAWAL, -amount)


def split(snapshot: Snapshot, symbol: str, factor: Fraction) -> tuple[Entry, Snapshot] | Refusal:
    """The entry of a split and the portfolio after it, or why it is refused.

    `factor` is the new shares for each old one: 7 for a 7-for-1 split, 1/8 for a reverse split, 3/2
    for 3-for-2. Fractions of shares are kept, cut to 8 decimals. The cost basis stays as it is; of
    dust that is cut to nothing it goes with the position. Raises TypeError for a factor that is no
    Fraction, ValueError for one that is not above 0, or is 1.
    """
    before = snapshot.position(symbol)
    if before.quantity == 0:
        return Refusal(RefusalCode.INSUFFICIENT_SHARES, f"The portfolio holds no {symbol}.")
    held = _times(before.quantity, checked_factor(factor))
    if held > money.MAX_QUANTITY:
        return Refusal(
            RefusalCode.TOO_LARGE,
            f"Split {format_factor(factor)}, {format_quantity(before.quantity)} {symbol} would "
            "exceed what a portfolio can hold.",
        )
    after = _with_shares(snapshot, symbol, held)
    entry = Entry(
        kind=Kind.SPLIT,
        amount=ZERO,
        cash_after=after.cash,
        symbol=symbol,
        quantity=money.EXACT.subtract(held, before.quantity),
        quantity_after=held,
        cost_basis_after=after.position(symbol).cost_basis,
    )
    return entry, after


def checked_factor(factor: Fraction) -> Fraction:
    """`factor` itself. Raises TypeError unless it is a Fraction, ValueError unless it splits."""
    if not isinstance(factor, Fraction):
        raise TypeError(f"{factor!r} is a {type(factor).__name__}, where a Fraction is needed.")
    if factor <= 0 or factor == 1:
        raise ValueError(f"{factor} new shares for an old one are no split.")
    return factor


def format_factor(factor: Fraction) -> str:
    """7-for-1, 3-for-2, 1-for-8: the new shares, then the old ones."""
    return f"{factor.numerator}-for-{factor.denominator}"


def replay(entries: Iterable[Entry]) -> Snapshot:
    """The portfolio that `entries` lead to, from nothing.

    Reads symbols, quantities and amounts only, never what an entry says that came after it, and so
    verifies it. Raises ValueError where an entry sells what is not there.
    """
    snapshot = Snapshot()
    for entry in entries:
        if entry.symbol is not None and entry.quantity is not None:
            held = money.EXACT.add(snapshot.position(entry.symbol).quantity, entry.quantity)
            if held < 0:
                raise ValueError(f"{entry} sells more than is held.")
            if entry.kind is Kind.SPLIT:
                snapshot = _with_shares(snapshot, entry.symbol, held)
            else:
                snapshot = _posted(snapshot, entry.amount, entry.symbol, entry.quantity)
        else:
            snapshot = Snapshot(snapshot.cash + entry.amount, snapshot.positions)
        if snapshot.cash < 0:
            raise ValueError(f"{entry} spends more than is there.")
    return snapshot


def shares_for_amount(amount: Decimal, price: Decimal) -> Decimal:
    """The shares that `amount` dollars buy at `price`, rounded down to 6 decimals.

    Raises ValueError for a price that is not above zero, TypeError for floats.
    """
    if money.checked(price) <= 0:
        raise ValueError(f"{price} is not a price.")
    shares = money.EXACT.divide(money.checked(amount), price)
    return shares.quantize(SHARES_FOR_AMOUNT_STEP, rounding=ROUND_DOWN, context=money.EXACT)


def _malformed(order: Order) -> Refusal | None:
    """A quantity or price that the columns could not keep as it is, or no quantity at all."""
    if order.quantity.is_zero():  # what is left of an amount or a fraction that was rounded down
        return Refusal(
            RefusalCode.INVALID_QUANTITY,
            f"That comes to 0 shares of {order.symbol}: too little to {order.side.lower()}.",
        )
    if not money.storable(order.quantity, step=money.QUANTITY_STEP, maximum=money.MAX_QUANTITY):
        return Refusal(
            RefusalCode.INVALID_QUANTITY,
            f"{order.quantity} is not a number of shares: above 0, with at most 8 decimals.",
        )
    if not money.storable(order.price, step=money.PRICE_STEP, maximum=money.MAX_PRICE):
        return Refusal(
            RefusalCode.INVALID_PRICE,
            f"{order.price} is not a price: above 0, with at most 6 decimals.",
        )
    return None


def _unfit(order: Order, amount: Decimal) -> Refusal | None:
    """An amount that is too large or none at all, whatever the portfolio holds."""
    if amount > money.MAX_USD:
        return Refusal(
            RefusalCode.TOO_LARGE,
            f"{order} is {format_usd(amount)}, more than {format_usd(money.MAX_USD)}.",
        )
    if order.side is Side.BUY and amount == 0:  # shares for nothing; selling such dust is allowed
        return Refusal(
            RefusalCode.INVALID_QUANTITY,
            f"{order} is less than half a cent: too little to buy.",
        )
    return None


def _uncovered(snapshot: Snapshot, order: Order, amount: Decimal) -> Refusal | None:
    if order.side is Side.BUY:
        short = amount > snapshot.cash
        return _short_of_cash(f"Buying {order}", amount, snapshot) if short else None
    held = snapshot.position(order.symbol).quantity
    if order.quantity <= held:
        return None
    return Refusal(
        RefusalCode.INSUFFICIENT_SHARES,
        f"Selling {format_quantity(order.quantity)} {order.symbol} needs that many shares, "
        f"but the portfolio holds {format_quantity(held)}.",
    )


def _overflows(cash: Decimal, position: Position) -> bool:
    """Whether the columns could not keep it."""
    return (
        cash > money.MAX_USD
        or position.quantity > money.MAX_QUANTITY
        or position.cost_basis > money.MAX_USD
    )


def _short_of_cash(what: str, amount: Decimal, snapshot: Snapshot) -> Refusal:
    return Refusal(
        RefusalCode.INSUFFICIENT_CASH,
        f"{what} needs {format_usd(amount)}, but there is {format_usd(snapshot.cash)} in cash.",
    )


def _invalid_amount(amount: Decimal) -> Refusal | None:
    if money.storable(amount, step=money.CENT, maximum=money.MAX_USD):
        return None
    return Refusal(
        RefusalCode.INVALID_AMOUNT,
        f"{amount} is not an amount of dollars: above 0, in whole cents.",
    )


def _moved(snapshot: Snapshot, kind: Kind, amount: Decimal) -> tuple[Entry, Snapshot] | Refusal:
    cash = snapshot.cash + amount
    if cash > money.MAX_USD:
        return Refusal(
            RefusalCode.TOO_LARGE,
            f"{format_usd(amount)} would exceed what a portfolio can hold.",
        )
    return Entry(kind=kind, amount=amount, cash_after=cash), Snapshot(cash, snapshot.positions)


def _posted(snapshot: Snapshot, amount: Decimal, symbol: str, quantity: Decimal) -> Snapshot:
    """The portfolio after a trade; the signs are those of an Entry."""
    before = snapshot.position(symbol)
    basis_added = -amount if quantity > 0 else -_basis_of(before, -quantity)
    held = money.EXACT.add(before.quantity, quantity)
    positions = dict(snapshot.positions)
    if held == 0:
        del positions[symbol]  # with it goes its basis, to the cent
    else:
        positions[symbol] = Position(held, before.cost_basis + basis_added)
    return Snapshot(snapshot.cash + amount, positions)


def _with_shares(snapshot: Snapshot, symbol: str, held: Decimal) -> Snapshot:
    """The portfolio after a split that leaves so many shares."""
    positions = dict(snapshot.positions)
    before = positions.pop(symbol, NO_POSITION)
    if held:
        positions[symbol] = Position(held, before.cost_basis)
    return Snapshot(snapshot.cash, positions)


def _times(shares: Decimal, factor: Fraction) -> Decimal:
    """Shares after a split, cut to 8 decimals. In whole numbers, which are exact."""
    steps = int(money.EXACT.divide(shares, money.QUANTITY_STEP))
    return money.EXACT.multiply(
        Decimal(steps * factor.numerator // factor.denominator), money.QUANTITY_STEP
    )


def _basis_of(position: Position, sold: Decimal) -> Decimal:
    """What the `sold` shares of `position` cost on average, in dollars rounded half up."""
    whole = money.EXACT.multiply(position.cost_basis, sold)
    return money.usd(money.EXACT.divide(whole, position.quantity))
