"""What holdings are worth, and how that has changed. Pure.

A holding without a price has no value, and a total says which ones it is without: nothing is taken
to be worth 0, or its cost, because nobody knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from market.quotes import Sample
from portfolios.ledger import ZERO, Position
from portfolios.money import times, usd


@dataclass(frozen=True, slots=True)
class Held:
    """A position at its latest price. `weight` is in percent of the whole portfolio."""

    symbol: str
    position: Position
    quote: Sample | None
    value: Decimal | None
    weight: Decimal | None

    @property
    def average_cost(self) -> Decimal:
        """Dollars a share."""
        return self.position.cost_basis / self.position.quantity

    @property
    def gain(self) -> Decimal | None:
        """What it is worth above its cost, below zero for a loss."""
        return None if self.value is None else self.value - self.position.cost_basis

    @property
    def gain_percent(self) -> Decimal | None:
        cost = self.position.cost_basis
        return None if self.gain is None or cost == 0 else self.gain * 100 / cost


@dataclass(frozen=True, slots=True)
class Worth:
    """Cash and holdings, the most valuable first, those without a price last."""

    cash: Decimal
    holdings: tuple[Held, ...]

    @property
    def value(self) -> Decimal:
        """Of the cash and of all that has a price."""
        return self.cash + sum((held.value or ZERO for held in self.holdings), ZERO)

    @property
    def unpriced(self) -> list[str]:
        """The symbols that the value is without."""
        return [held.symbol for held in self.holdings if held.value is None]

    @property
    def cash_weight(self) -> Decimal:
        """In percent."""
        return _percent(self.cash, self.value)


@dataclass(frozen=True, slots=True)
class Traded:
    """What was bought and sold of a symbol: shares above zero where more were bought, and the
    effect on cash in dollars. `split`: its shares were split meanwhile."""

    shares: Decimal
    amount: Decimal
    split: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What the market did to holdings, in dollars and in percent of what there was before; money
    paid in or out is none of it. `without` are symbols of which it is not known."""

    usd: Decimal
    percent: Decimal | None
    without: tuple[str, ...] = ()


def worth(
    *, cash: Decimal, positions: Mapping[str, Position], quotes: Mapping[str, Sample]
) -> Worth:
    values = {
        symbol: times(position.quantity, quotes[symbol].price) if symbol in quotes else None
        for symbol, position in positions.items()
    }
    total = cash + sum((value or ZERO for value in values.values()), ZERO)
    held = [
        Held(
            symbol,
            position,
            quotes.get(symbol),
            value := values[symbol],
            None if value is None else _percent(value, total),
        )
        for symbol, position in positions.items()
    ]
    held.sort(key=lambda each: (each.value is None, -(each.value or ZERO), each.symbol))
    return Worth(cash, tuple(held))


def change_since(
    *,
    began: datetime,
    now: Worth,
    traded: Mapping[str, Traded],
    quotes: Mapping[str, Sample],
) -> Change:
    """How the value has changed since the close at `began`, given what was traded since then.

    A share that was held then counts from that close, which is a quote's `previous_close`; one that
    was bought since, from what it cost; one that was sold, to what it brought. A quote from before
    `began` has not moved since.
    """
    positions = {held.symbol: held.position.quantity for held in now.holdings}
    total = ZERO
    without = []
    for symbol in sorted(positions.keys() | traded.keys()):
        gain = _gain(
            positions.get(symbol, ZERO),
            traded.get(symbol, Traded(ZERO, ZERO)),
            quotes.get(symbol),
            began,
        )
        if gain is None:
            without.append(symbol)
        else:
            total += gain
    before = now.value - total
    return Change(usd(total), total * 100 / before if before > 0 else None, tuple(without))


def together(positions: Iterable[tuple[str, Position]]) -> dict[str, Position]:
    """Positions of several portfolios as if they were of one."""
    summed: dict[str, Position] = {}
    for symbol, position in positions:
        before = summed.get(symbol, Position())
        summed[symbol] = Position(
            before.quantity + position.quantity, before.cost_basis + position.cost_basis
        )
    return summed


def _gain(held: Decimal, traded: Traded, quote: Sample | None, began: datetime) -> Decimal | None:
    before = held - traded.shares
    if quote is None or traded.split:
        return None
    reference = quote.previous_close if quote.as_of > began else quote.price
    if reference is None and before:
        return None
    return held * quote.price + traded.amount - before * (reference or ZERO)


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return part * 100 / whole if whole else ZERO
