"""What a portfolio lets its rules trade: how small and large an order may be, how much a day. Pure.

A day is New York's, whose exchange's days the rules trade on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from market.hours import NEW_YORK
from portfolios.ledger import ZERO, Entry, Kind, Refusal, RefusalCode
from portfolios.money import format_usd


@dataclass(frozen=True, slots=True)
class Limits:
    """In dollars, and in executions of rules; None: no limit.

    The least and the most that one order may come to, and the most that rules may trade in a day:
    in executions, and in dollars bought and sold.
    """

    order_least: Decimal | None = None
    order_most: Decimal | None = None
    day_executions: int | None = None
    day_usd: Decimal | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, naming the limit, for one that is not above zero."""
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and not (Decimal(value).is_finite() and value > 0):
                raise ValueError(f"{limit.name} must be above 0, or left out for no limit.")

    def tightened(self, by: "Limits") -> "Limits":
        """The tighter of both, limit by limit."""
        return Limits(
            order_least=_tighter(max, self.order_least, by.order_least),
            order_most=_tighter(min, self.order_most, by.order_most),
            day_executions=_tighter(min, self.day_executions, by.day_executions),
            day_usd=_tighter(min, self.day_usd, by.day_usd),
        )


@dataclass(frozen=True, slots=True)
class Day:
    """What the rules have traded in a portfolio on one day."""

    date: date
    executions: int = 0
    usd: Decimal = ZERO

    def after(self, entries: Sequence[Entry]) -> "Day":
        """The day after one more execution, which wrote these entries."""
        return Day(self.date, self.executions + 1, self.usd + traded(entries))


@lru_cache(maxsize=128)  # of a storm's trades it is asked thousands of times
def day_of(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()


def next_day(now: datetime) -> datetime:
    """The instant at which the next day begins."""
    return datetime.combine(day_of(now) + timedelta(days=1), time(), NEW_YORK)


def traded(entries: Sequence[Entry]) -> Decimal:
    """Dollars bought and sold."""
    return sum((abs(entry.amount) for entry in entries), ZERO)


def beyond(entries: Sequence[Entry], limits: Limits) -> Refusal | None:
    """Why orders that led to these entries are refused, whatever the day. To sell the last share
    of something is never too little."""
    for entry in entries:
        if refusal := ill_sized(entry, limits):
            return refusal
    total = traded(entries)
    if limits.day_usd is not None and total > limits.day_usd:
        return Refusal(
            RefusalCode.ABOVE_DAY,
            f"This trades {format_usd(total)}, more than the {format_usd(limits.day_usd)} that "
            "rules may trade in a day here.",
        )
    return None


def spent(entries: Sequence[Entry], day: Day, limits: Limits) -> str | None:
    """Why orders that led to these entries must wait for the next day; None: they need not."""
    if not entries:
        return None
    if limits.day_executions is not None and day.executions >= limits.day_executions:
        return f"The portfolio's {limits.day_executions} executions of this day are used up."
    if limits.day_usd is not None and day.usd + traded(entries) > limits.day_usd:
        return (
            f"Rules have traded {format_usd(day.usd)} in this portfolio today, and may trade "
            f"{format_usd(limits.day_usd)} a day: {format_usd(traded(entries))} more is too much."
        )
    return None


def ill_sized(entry: Entry, limits: Limits) -> Refusal | None:
    """Why the order that led to this entry is refused: it is too small, or too large."""
    amount = abs(entry.amount)
    sold_out = entry.kind is Kind.SELL and entry.quantity_after == 0
    if limits.order_least is not None and amount < limits.order_least and not sold_out:
        return Refusal(
            RefusalCode.BELOW_MINIMUM,
            f"{_order(entry)}, below the minimum order of {format_usd(limits.order_least)}.",
        )
    if limits.order_most is not None and amount > limits.order_most:
        return Refusal(
            RefusalCode.ABOVE_MAXIMUM,
            f"{_order(entry)}, above the maximum order of {format_usd(limits.order_most)}.",
        )
    return None


def _order(entry: Entry) -> str:
    return f"The order for {entry.symbol} is {format_usd(abs(entry.amount))}"


def _tighter[N: (Decimal, int)](
    pick: Callable[[Iterable[N]], N], one: N | None, other: N | None
) -> N | None:
    known = [limit for limit in (one, other) if limit is not None]
    return pick(known) if known else None
