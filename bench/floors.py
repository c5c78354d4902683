"""The least that a trade costs on this server: hand-written SQL, with nothing to decide.

A trade of the floors locks its rule and its portfolio, appends to the ledger, updates the holding
and the cash, records an execution and counts it on the rule. It wakes, leases, judges and tells
nobody, and its details are a word.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import batched
from pathlib import Path
from time import perf_counter
from uuid import UUID, uuid4

import psycopg
from django.db import connection

from bench.storm import LOW, SYMBOL
from tradingrules.embedded.binaries import program

CLIENTS = 8
BATCH = 100

# Each transaction takes the next rule.
_SINGLE = f"""
SELECT nextval('floor_next') AS n \\gset
SELECT action, portfolio FROM floor_rules WHERE n = :n \\gset
BEGIN;
SELECT id FROM actions WHERE id = (:action)::uuid FOR NO KEY UPDATE;
SELECT cash - {LOW} AS cash, transactions_count + 1 AS sequence
  FROM portfolios_portfolio WHERE id = (:portfolio)::uuid FOR NO KEY UPDATE \\gset
SELECT quantity + 1 AS quantity, cost_basis + {LOW} AS basis FROM portfolios_holding
 WHERE portfolio_id = (:portfolio)::uuid AND symbol = '{SYMBOL}' \\gset
SELECT gen_random_uuid() AS line \\gset
INSERT INTO portfolios_transaction (id, portfolio_id, sequence, kind, symbol, quantity, price,
    amount, cash_after, quantity_after, cost_basis_after, at)
VALUES ((:line)::uuid, (:portfolio)::uuid, :sequence, 'buy', '{SYMBOL}', 1, {LOW}, -{LOW},
        :cash, :quantity, :basis, now());
UPDATE portfolios_holding SET quantity = :quantity, cost_basis = :basis
 WHERE portfolio_id = (:portfolio)::uuid AND symbol = '{SYMBOL}';
UPDATE portfolios_portfolio SET cash = :cash, transactions_count = :sequence, changed = true
 WHERE id = (:portfolio)::uuid;
INSERT INTO action_executions (action_id, sequence, execution_status, details, transaction_id)
VALUES ((:action)::uuid, 1, 'success', '"floor"', (:line)::uuid);
UPDATE actions SET executions_count = 1, status = 'completed', last_triggered_at = now()
 WHERE id = (:action)::uuid;
COMMIT;
"""  # noqa: S608 -- constants

_BATCHED = (
    "SELECT id FROM actions WHERE id = ANY(%(actions)s) ORDER BY id FOR NO KEY UPDATE",
    "SELECT id FROM portfolios_portfolio WHERE id = ANY(%(portfolios)s) ORDER BY id "
    "FOR NO KEY UPDATE",
    """
INSERT INTO portfolios_transaction (id, portfolio_id, sequence, kind, symbol, quantity, price,
    amount, cash_after, quantity_after, cost_basis_after, at)
SELECT line, portfolio, sequence, 'buy', %(symbol)s, 1, %(price)s, -%(price)s::numeric, cash,
       quantity, basis, now()
  FROM unnest(%(lines)s::uuid[], %(portfolios)s::uuid[], %(sequences)s::int[], %(cash)s::numeric[],
              %(quantities)s::numeric[], %(bases)s::numeric[])
       AS trade(line, portfolio, sequence, cash, quantity, basis)
""",
    """
UPDATE portfolios_holding held SET quantity = trade.quantity, cost_basis = trade.basis
  FROM unnest(%(portfolios)s::uuid[], %(quantities)s::numeric[], %(bases)s::numeric[])
       AS trade(portfolio, quantity, basis)
 WHERE held.portfolio_id = trade.portfolio AND held.symbol = %(symbol)s
""",
    """
UPDATE portfolios_portfolio p
   SET cash = trade.cash, transactions_count = trade.sequence, changed = true
  FROM unnest(%(portfolios)s::uuid[], %(cash)s::numeric[], %(sequences)s::int[])
       AS trade(portfolio, cash, sequence)
 WHERE p.id = trade.portfolio
""",
    """
INSERT INTO action_executions (action_id, sequence, execution_status, details, transaction_id)
SELECT action, 1, 'success', '"floor"', line
  FROM unnest(%(actions)s::uuid[], %(lines)s::uuid[]) AS trade(action, line)
""",
    """
UPDATE actions SET executions_count = 1, status = 'completed', last_triggered_at = now()
 WHERE id = ANY(%(actions)s)
""",
)


@dataclass(frozen=True, slots=True)
class Trade:
    """One share bought, and where the portfolio stands after it."""

    action: UUID
    portfolio: UUID
    sequence: int
    cash: Decimal
    quantity: Decimal
    basis: Decimal


def single_per_s(rules: Sequence[tuple[UUID, UUID]], url: str) -> float:
    """Trades a second, a transaction each, of 8 clients of pgbench. `rules`: id and portfolio."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS floor_rules")
        cursor.execute("DROP SEQUENCE IF EXISTS floor_next")
        cursor.execute("CREATE SEQUENCE floor_next")
        cursor.execute(
            "CREATE TABLE floor_rules AS SELECT * FROM unnest(%s::uuid[], %s::uuid[])"
            " WITH ORDINALITY AS rule(action, portfolio, n)",
            [[action for action, _ in rules], [portfolio for _, portfolio in rules]],
        )
        cursor.execute("ALTER TABLE floor_rules ADD PRIMARY KEY (n)")
        cursor.execute("ANALYZE floor_rules")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "trade.sql"
        script.write_text(_SINGLE)
        started = perf_counter()
        subprocess.run(
            [
                program("pgbench"),
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={CLIENTS}",
                f"--transactions={len(rules) // CLIENTS}",
                f"--file={script}",
                url,
            ],
            check=True,
            capture_output=True,
        )
        return len(rules) // CLIENTS * CLIENTS / (perf_counter() - started)


def batched_per_s(rules: Sequence[tuple[UUID, UUID]], url: str) -> float:
    """Trades a second in batches of 100, a transaction each, of one client that sends arrays."""
    trades = list(_trades(rules))
    with psycopg.connect(url, autocommit=True) as client:
        started = perf_counter()
        for batch in batched(trades, BATCH, strict=False):
            _run(client, batch)
        return len(trades) / (perf_counter() - started)


def _trades(rules: Sequence[tuple[UUID, UUID]]) -> Iterator[Trade]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.transactions_count, p.cash, h.quantity, h.cost_basis "
            "FROM portfolios_portfolio p JOIN portfolios_holding h ON h.portfolio_id = p.id"
        )
        standing = {id: rest for id, *rest in cursor.fetchall()}
    for action, portfolio in rules:
        sequence, cash, quantity, basis = standing[portfolio]
        standing[portfolio] = [sequence + 1, cash - LOW, quantity + 1, basis + LOW]
        yield Trade(action, portfolio, *standing[portfolio])


def _run(client: psycopg.Connection, batch: Sequence[Trade]) -> None:
    params = {
        "symbol": SYMBOL,
        "price": LOW,
        "actions": [trade.action for trade in batch],
        "portfolios": [trade.portfolio for trade in batch],
        "lines": [uuid4() for _ in batch],
        "sequences": [trade.sequence for trade in batch],
        "cash": [trade.cash for trade in batch],
        "quantities": [trade.quantity for trade in batch],
        "bases": [trade.basis for trade in batch],
    }
    with client.transaction():
        for statement in _BATCHED:
            client.execute(statement, params)
