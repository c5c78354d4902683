"""What is read of portfolios, and whether the ledger holds."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from operator import itemgetter

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from market.arrays import uuid_array
from market.bulk import ask, run
from portfolios.ledger import Position, Snapshot
from portfolios.models import Holding, Portfolio, PortfolioPause, Transaction

type Positions = dict[uuid.UUID, dict[str, Position]]  # by portfolio and symbol

_POSITIONS = """
SELECT portfolio_id, symbol, quantity, cost_basis FROM portfolios_holding
 WHERE portfolio_id = ANY(%s::uuid[]) ORDER BY portfolio_id, symbol
"""

_STANDING = """
SELECT portfolio.id, portfolio.cash, held.symbol, held.quantity, held.cost_basis
  FROM portfolios_portfolio portfolio
  LEFT JOIN portfolios_holding held ON held.portfolio_id = portfolio.id
 WHERE portfolio.id = ANY(%s::uuid[]) ORDER BY portfolio.id, held.symbol
"""

_PAUSED_PRIMARIES = """
SELECT user_id, paused_by_owner, paused_by_staff FROM portfolios_portfolio
 WHERE user_id = ANY(%s::uuid[]) AND is_primary AND (paused_by_owner OR paused_by_staff)
"""


def primary_portfolio_of(*, user: User) -> Portfolio | None:
    """The user's primary portfolio if there is one yet (services.primary_portfolio opens it)."""
    return Portfolio.objects.filter(user=user, is_primary=True).first()


class Pause(StrEnum):
    """Whether the rules of a user's portfolios are paused, and by whom."""

    NONE = "none"
    IN_PART = "in_part"
    BY_OWNER = "by_owner"
    BY_STAFF = "by_staff"


def pause_by(*, switches: Collection[Sequence[bool]]) -> Pause:
    """Whether all rules of a user are paused, some, or none; support's pause is named first.

    `switches` are, of each portfolio, whether its owner has paused it, and whether support has.
    """
    if not any(owner or staff for owner, staff in switches):
        return Pause.NONE
    if not all(owner or staff for owner, staff in switches):
        return Pause.IN_PART
    return Pause.BY_STAFF if any(staff for _, staff in switches) else Pause.BY_OWNER


def pause_in_words(*, by_owner: bool, by_staff: bool) -> str:
    """Why no rule of a portfolio may fire; empty where they may."""
    if by_staff:
        return "Support has paused this portfolio."
    return "You have paused this portfolio." if by_owner else ""


def paused_primaries(*, user_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Why no rule may fire that names no portfolio, of those of these users whose primary one is
    paused."""
    return ask_paused_primaries(user_ids=user_ids)() if user_ids else {}


def ask_paused_primaries(*, user_ids: Collection[uuid.UUID]) -> Callable[[], dict[uuid.UUID, str]]:
    """As `paused_primaries`: asks, and gives what is called for the answer (`market.bulk.ask`)."""
    rows = ask(_PAUSED_PRIMARIES, [uuid_array(user_ids)])
    return lambda: {
        user_id: pause_in_words(by_owner=by_owner, by_staff=by_staff)
        for user_id, by_owner, by_staff in rows()
    }


@dataclass(frozen=True, slots=True)
class Held:
    """A span in which a portfolio held its rules back; `end` is None while it lasts. `by_staff`:
    support had paused it, whether its owner had or not."""

    begin: datetime
    end: datetime | None
    by_staff: bool


def pauses_of(*, user: User) -> dict[uuid.UUID | None, list[Held]]:
    """When each of the user's portfolios was paused, oldest first; under None, what is under the
    primary portfolio's id. One query."""
    turned = PortfolioPause.objects.filter(pgh_obj__user=user).order_by("pgh_obj", "pgh_id")
    rows = turned.values_list(
        "pgh_obj", "pgh_created_at", "paused_by_owner", "paused_by_staff", "pgh_obj__is_primary"
    )
    found: dict[uuid.UUID | None, list[Held]] = {}
    for portfolio_id, group in groupby(rows, key=itemgetter(0)):
        of_one = list(group)
        ends = [row[1] for row in of_one[1:]]
        held = [
            Held(begin, end, by_staff)
            for (_, begin, by_owner, by_staff, _), end in zip(of_one, [*ends, None], strict=True)
            if by_owner or by_staff
        ]
        found[portfolio_id] = held
        if of_one[0][-1]:
            found[None] = held
    return found


def portfolios_of(*, user: User) -> QuerySet[Portfolio]:
    """The user's portfolios, the primary one first."""
    return Portfolio.objects.filter(user=user).order_by("-is_primary", "name")


def owned_portfolio(*, user: User, portfolio_id: uuid.UUID) -> Portfolio:
    """The one gate to somebody's portfolio. Raises Portfolio.DoesNotExist for another's."""
    return Portfolio.objects.get(user=user, pk=portfolio_id)


def transactions_of(*, portfolio: Portfolio) -> QuerySet[Transaction]:
    """The portfolio's ledger, its newest line first."""
    return Transaction.objects.filter(portfolio=portfolio).order_by("-sequence")


def holdings_of(*, portfolio: Portfolio) -> QuerySet[Holding]:
    """What the portfolio holds, by symbol (`.instrument_id`)."""
    return Holding.objects.filter(portfolio=portfolio).order_by("instrument_id")


def holdings_in(*, user: User, symbol: str) -> QuerySet[Holding]:
    """What the user's portfolios hold of a symbol, the primary one first."""
    found = Holding.objects.filter(portfolio__user=user, instrument=symbol)
    return found.select_related("portfolio").order_by("-portfolio__is_primary", "portfolio__name")


def snapshots(*, portfolio_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Snapshot]:
    """Cash and positions of these portfolios, as they stand; nothing is locked. One statement."""
    cash: dict[uuid.UUID, Decimal] = {}
    positions: dict[uuid.UUID, dict[str, Position]] = {}
    for id, amount, symbol, quantity, basis in run(_STANDING, [uuid_array(portfolio_ids)]):
        cash[id] = amount
        held = positions.setdefault(id, {})
        if symbol is not None:
            held[symbol] = Position(quantity, basis)
    return {id: Snapshot(amount, positions[id]) for id, amount in cash.items()}


def positions_of(*, portfolio_ids: Collection[uuid.UUID]) -> Positions:
    """The positions of each of these portfolios, by symbol."""
    return ask_positions(portfolio_ids=portfolio_ids)()


def ask_positions(*, portfolio_ids: Collection[uuid.UUID]) -> Callable[[], Positions]:
    """As `positions_of`: asks, and gives what is called for the answer (`market.bulk.ask`)."""
    rows = ask(_POSITIONS, [uuid_array(portfolio_ids)])

    def positions() -> Positions:
        found: Positions = {id: {} for id in portfolio_ids}
        for id, symbol, quantity, cost_basis in rows():
            found[id][symbol] = Position(quantity, cost_basis)
        return found

    return positions


@dataclass(frozen=True, slots=True)
class LedgerSize:
    portfolios: int
    transactions: int


def ledger_size() -> LedgerSize:
    return LedgerSize(Portfolio.objects.count(), Transaction.objects.count())


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A stored number that does not follow from the ledger. `what` names it in words."""

    portfolio_id: uuid.UUID
    what: str
    stored: Decimal
    recomputed: Decimal


def discrepancies() -> list[Discrepancy]:
    """Where stored balances and the ledger disagree; empty when all is well.

    Six statements that PostgreSQL works out by itself, each on one snapshot of the database, so
    that trades may go on meanwhile; only what is wrong reaches memory. Of a running balance that
    is wrong from some line on, the first such line is named.
    """
    found: list[Discrepancy] = []
    with connection.cursor() as cursor:
        for check in _CHECKS:
            cursor.execute(check)
            found.extend(Discrepancy(*row) for row in cursor.fetchall())
    return found


_BALANCES = """
WITH recomputed AS (
    SELECT portfolio_id, sum(amount) AS cash, count(*) AS transactions
    FROM portfolios_transaction GROUP BY portfolio_id
)
SELECT portfolio.id, compared.what, compared.stored, compared.recomputed
FROM portfolios_portfolio AS portfolio
LEFT JOIN recomputed ON recomputed.portfolio_id = portfolio.id
CROSS JOIN LATERAL (VALUES
    ('cash', portfolio.cash, coalesce(recomputed.cash, 0)),
    ('number of transactions', portfolio.transactions_count, coalesce(recomputed.transactions, 0))
) AS compared (what, stored, recomputed)
WHERE compared.stored <> compared.recomputed
ORDER BY portfolio.id, compared.what
"""

# The quantity is summed up anew. The basis cannot be (each sale rounds), so the last line's is
# taken, which _BASIS_AFTER proves line by line.
_HOLDINGS = """
WITH last AS (
    SELECT DISTINCT ON (portfolio_id, symbol) portfolio_id, symbol, cost_basis_after
    FROM portfolios_transaction WHERE symbol IS NOT NULL
    ORDER BY portfolio_id, symbol, sequence DESC
), held AS (
    SELECT portfolio_id, symbol, sum(quantity) AS quantity
    FROM portfolios_transaction WHERE symbol IS NOT NULL
    GROUP BY portfolio_id, symbol
), recomputed AS (
    SELECT * FROM held JOIN last USING (portfolio_id, symbol)
)
SELECT portfolio_id, compared.what || ' of ' || symbol, compared.stored, compared.recomputed
FROM portfolios_holding AS holding
FULL JOIN recomputed USING (portfolio_id, symbol)
CROSS JOIN LATERAL (VALUES
    ('quantity', coalesce(holding.quantity, 0), coalesce(recomputed.quantity, 0)),
    ('cost basis', coalesce(holding.cost_basis, 0), coalesce(recomputed.cost_basis_after, 0))
) AS compared (what, stored, recomputed)
WHERE compared.stored <> compared.recomputed
ORDER BY portfolio_id, symbol, compared.what DESC
"""

_SEQUENCES = """
SELECT DISTINCT ON (portfolio_id)
    portfolio_id, 'sequence of transaction ' || sequence, sequence::numeric, expected::numeric
FROM (
    SELECT portfolio_id, sequence,
        row_number() OVER (PARTITION BY portfolio_id ORDER BY sequence) AS expected
    FROM portfolios_transaction
) AS line
WHERE sequence <> expected
ORDER BY portfolio_id, sequence
"""

_RUNNING_BALANCES = """
SELECT DISTINCT ON (line.portfolio_id, compared.what)
    line.portfolio_id,
    compared.what || ' after transaction ' || line.sequence,
    compared.stored,
    compared.recomputed
FROM (
    SELECT portfolio_id, sequence, symbol, cash_after, quantity_after,
        sum(amount) OVER (PARTITION BY portfolio_id ORDER BY sequence) AS cash,
        sum(quantity) OVER (PARTITION BY portfolio_id, symbol ORDER BY sequence) AS quantity
    FROM portfolios_transaction
) AS line
CROSS JOIN LATERAL (VALUES
    ('cash', line.cash_after, line.cash),
    ('quantity of ' || line.symbol, line.quantity_after, line.quantity)
) AS compared (what, stored, recomputed)
WHERE compared.stored <> compared.recomputed
ORDER BY line.portfolio_id, compared.what, line.sequence
"""

# ledger.py's average cost, each line from the one before. div() cuts to a whole number exactly,
# where PostgreSQL's division keeps 16 digits: div(200bs + q, 2q) is 100bs/q rounded half up, the
# basis of the sold shares in cents. Times 0.01, not / 100, for the same reason.
_BASIS_AFTER = """
SELECT DISTINCT ON (portfolio_id, symbol)
    portfolio_id,
    'cost basis of ' || symbol || ' after transaction ' || sequence,
    cost_basis_after,
    recomputed
FROM (
    SELECT portfolio_id, symbol, sequence, cost_basis_after,
        CASE
            WHEN kind = 'split' AND quantity_after <> 0 THEN basis_before
            WHEN quantity > 0 THEN basis_before - amount
            WHEN quantity_after = 0 OR quantity_before = 0 THEN 0
            ELSE basis_before - div(
                200 * basis_before * -quantity + quantity_before, 2 * quantity_before
            ) * 0.01
        END AS recomputed
    FROM (
        SELECT *,
            coalesce(lag(cost_basis_after) OVER before, 0) AS basis_before,
            coalesce(lag(quantity_after) OVER before, 0) AS quantity_before
        FROM portfolios_transaction WHERE symbol IS NOT NULL
        WINDOW before AS (PARTITION BY portfolio_id, symbol ORDER BY sequence)
    ) AS line
) AS line
WHERE cost_basis_after <> recomputed
ORDER BY portfolio_id, symbol, sequence
"""

# ledger.py's split, cut to 8 decimals, of the quantity before it. A split that is not recorded, or
# is another symbol's, leaves the quantity as it was.
_SPLITS = """
SELECT portfolio_id,
    'quantity of ' || symbol || ' after the split of transaction ' || sequence,
    quantity_after,
    recomputed
FROM (
    SELECT line.*, coalesce(
        div(quantity_before * 100000000 * split.new_shares, split.old_shares) * 0.00000001,
        quantity_before
    ) AS recomputed
    FROM (
        SELECT *, quantity_after - quantity AS quantity_before
        FROM portfolios_transaction WHERE kind = 'split'
    ) AS line
    LEFT JOIN portfolios_split AS split ON split.id = line.reference AND split.symbol = line.symbol
) AS line
WHERE quantity_after <> recomputed
ORDER BY portfolio_id, sequence
"""

_CHECKS = (_BALANCES, _SEQUENCES, _RUNNING_BALANCES, _BASIS_AFTER, _SPLITS, _HOLDINGS)
