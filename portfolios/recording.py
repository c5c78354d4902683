"""Writes the ledger and what follows from it: in two statements at most, however many the lines.

The statements' only caller is services.py, which holds the portfolios' locks.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from market.arrays import plain_array, text_array, uuid_array
from market.bulk import send
from portfolios.ledger import Entry, Position
from portfolios.limits import Day

# One statement, since a lone trade waits for each: the lines, the positions and the balances.
_POST = """
WITH posted AS (
    INSERT INTO portfolios_transaction (id, portfolio_id, sequence, kind, symbol, quantity, price,
        amount, cash_after, quantity_after, cost_basis_after, reference, at, note)
    SELECT line.*, %s, %s
      FROM unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::text[], %s::text[], %s::numeric[],
                  %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
                  %s::uuid[]) AS line
), held AS (
    INSERT INTO portfolios_holding (portfolio_id, symbol, quantity, cost_basis)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::numeric[], %s::numeric[])
        ON CONFLICT (portfolio_id, symbol)
        DO UPDATE SET quantity = excluded.quantity, cost_basis = excluded.cost_basis
)
UPDATE portfolios_portfolio p
   SET cash = balance.cash, transactions_count = balance.count, changed = true,
       counted_on = balance.day, executions_counted = balance.executions,
       usd_counted = balance.usd
  FROM unnest(%s::uuid[], %s::numeric[], %s::integer[], %s::date[], %s::integer[], %s::numeric[])
       AS balance(id, cash, count, day, executions, usd)
 WHERE p.id = balance.id
"""

_SOLD_OUT = """
DELETE FROM portfolios_holding held USING unnest(%s::uuid[], %s::text[]) AS sold(portfolio, symbol)
 WHERE held.portfolio_id = sold.portfolio AND held.symbol = sold.symbol
"""


class Line(NamedTuple):
    """A ledger's entry with its place in it. `reference` is what caused it."""

    id: UUID
    portfolio_id: UUID
    sequence: int
    entry: Entry
    reference: UUID | None


def write_ledger(
    *,
    lines: Sequence[Line],
    holdings: Mapping[tuple[UUID, str], Position | None],
    days: Mapping[UUID, Day],
    at: datetime,
    note: str = "",
) -> None:
    """Appends the lines, and stores the balances that they lead to, in two statements at most.

    `holdings` are the positions that the lines change, by portfolio and symbol; None: sold to the
    last share. `days` is what the rules have traded in each of the portfolios. Each one's lines
    come in the order of their sequence; its last one tells its cash. Two that hold the same stale
    snapshot collide on the unique sequence, so a forgotten lock is an error and never a wrong
    balance. Raises TransactionManagementError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("The ledger is written in a transaction.")
    if not lines:
        return
    held = {key: position for key, position in holdings.items() if position}
    last = {line.portfolio_id: line for line in lines}
    columns = (*_line_columns(lines), *_holding_columns(held), *_balance_columns(last, days))
    send(_POST, [at, note, *columns])
    if sold_out := holdings.keys() - held.keys():
        send(_SOLD_OUT, _key_columns(sold_out))


def _line_columns(lines: Sequence[Line]) -> list[str]:
    entries = [line.entry for line in lines]
    return [
        uuid_array(line.id for line in lines),
        uuid_array(line.portfolio_id for line in lines),
        plain_array(line.sequence for line in lines),
        plain_array(entry.kind.value for entry in entries),
        # A symbol needs no quotes: see the instrument's constraint.
        plain_array(entry.symbol for entry in entries),
        plain_array(entry.quantity for entry in entries),
        plain_array(entry.price for entry in entries),
        plain_array(entry.amount for entry in entries),
        plain_array(entry.cash_after for entry in entries),
        plain_array(entry.quantity_after for entry in entries),
        plain_array(entry.cost_basis_after for entry in entries),
        uuid_array(line.reference for line in lines),
    ]


def _holding_columns(held: Mapping[tuple[UUID, str], Position]) -> list[str]:
    return [
        *_key_columns(held),
        plain_array(position.quantity for position in held.values()),
        plain_array(position.cost_basis for position in held.values()),
    ]


def _key_columns(keys: Collection[tuple[UUID, str]]) -> list[str]:
    return [uuid_array(id for id, _ in keys), text_array(symbol for _, symbol in keys)]


def _balance_columns(last: Mapping[UUID, Line], days: Mapping[UUID, Day]) -> list[str]:
    return [
        uuid_array(last),
        plain_array(line.entry.cash_after for line in last.values()),
        plain_array(line.sequence for line in last.values()),
        plain_array(days[id].date for id in last),
        plain_array(days[id].executions for id in last),
        plain_array(days[id].usd for id in last),
    ]
