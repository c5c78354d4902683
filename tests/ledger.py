"""Orders that are carried out as those of rules are: drafted, posted and written together."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from portfolios import ledger
from portfolios.ledger import Order, Refusal
from portfolios.recording import Line
from portfolios.services import LockedPortfolio, write


def record_trades(
    *,
    locked: LockedPortfolio,
    orders: Sequence[Order],
    at: datetime,
    reference: UUID | None = None,
    note: str = "",
) -> list[Line] | Refusal:
    """The ledger's lines of the orders, all or none, or why not."""
    applied = ledger.apply_all(locked.snapshot, orders)
    if isinstance(applied, Refusal):
        return applied
    entries, after = applied
    lines = locked.draft(entries, reference)
    locked.post(lines, after, rule_at=None)
    write(locked=[locked], at=at, note=note)
    return lines
