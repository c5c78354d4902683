"""Everything that writes portfolios and their ledger: each function is one use case.

Instants are handed in, money is in dollars. What a portfolio cannot do is an answer (`Refusal`),
never an exception, and leaves nothing written.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from market.models import Instrument
from portfolios import ledger
from portfolios.ledger import Entry, Order, Refusal, RefusalCode, Side, Snapshot
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.selectors import positions_of

PRIMARY_NAME = "Main"

_TAKE_CHANGED = """
WITH changed AS (
    SELECT id FROM portfolios_portfolio WHERE changed ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE portfolios_portfolio p SET changed = false FROM changed WHERE p.id = changed.id
RETURNING p.id
"""


@dataclass(slots=True)
class LockedPortfolio:
    """A portfolio that nobody else can write to until this transaction ends.

    `snapshot` and `portfolio` advance with every `record_trades`. After a roll-back to a savepoint
    they are ahead of the database: lock again.
    """

    portfolio: Portfolio
    snapshot: Snapshot


def primary_portfolio(*, user: User) -> Portfolio:
    """The user's primary portfolio, opened at first need. Two at once open one."""
    mine = Portfolio.objects.filter(user=user, is_primary=True)
    if found := mine.first():
        return found
    Portfolio.objects.bulk_create(
        [Portfolio(user=user, name=PRIMARY_NAME, is_primary=True)], ignore_conflicts=True
    )
    return mine.get()


@transaction.atomic
def open_portfolio(*, user: User, name: str) -> Portfolio:
    """A further, empty portfolio of the user.

    Raises ValidationError for a name that is empty, too long or already one of the user's.
    """
    primary_portfolio(user=user)  # first, so that its name is not taken by another
    portfolio = Portfolio(user=user, name=name.strip())
    portfolio.full_clean()
    try:
        with transaction.atomic():
            portfolio.save(force_insert=True)
    except IntegrityError:  # opened by another request since full_clean looked
        raise ValidationError({"name": "You already have a portfolio of this name."}) from None
    return portfolio


def locked(*, portfolio_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, LockedPortfolio]:
    """The portfolios with their holdings, locked until the transaction ends; two statements.

    Always locked in the order of their ids, so that two transactions never wait for each other.
    Raises Portfolio.DoesNotExist if one is missing, TransactionManagementError outside a
    transaction.
    """
    wanted = set(portfolio_ids)
    # NO KEY: rows that only refer to a portfolio, such as a rule's, may be written meanwhile.
    portfolios = Portfolio.objects.select_for_update(no_key=True).filter(id__in=wanted)
    found = {portfolio.id: portfolio for portfolio in portfolios.order_by("id")}
    if missing := wanted - found.keys():
        raise Portfolio.DoesNotExist(f"No portfolio {', '.join(map(str, sorted(missing)))}.")
    positions = positions_of(portfolio_ids=found.keys())
    return {
        id: LockedPortfolio(portfolio, Snapshot(portfolio.cash, positions[id]))
        for id, portfolio in found.items()
    }


def lock_portfolio(*, portfolio_id: uuid.UUID) -> LockedPortfolio:
    """As `locked`, for one."""
    return locked(portfolio_ids=[portfolio_id])[portfolio_id]


def record_trades(
    *,
    locked: LockedPortfolio,
    orders: Sequence[Order],
    at: datetime,
    reference: uuid.UUID | None = None,
    note: str = "",
    minimum: Decimal = ledger.ZERO,
) -> list[Transaction] | Refusal:
    """Carries out the orders one after the other, all or none: their ledger lines, or why not.

    `reference` is what caused them, such as an execution's id; `minimum` the smallest order in
    dollars. Four statements at most, however many the orders. Every symbol must be an Instrument:
    IntegrityError at the commit otherwise. Raises TransactionManagementError outside a transaction.
    """
    applied = ledger.apply_all(locked.snapshot, orders, minimum=minimum)
    if isinstance(applied, Refusal):
        return applied
    return _record(locked, *applied, at=at, reference=reference, note=note)


@transaction.atomic
def deposit(
    *, portfolio: Portfolio, amount: Decimal, at: datetime, note: str = ""
) -> Transaction | Refusal:
    """Pays `amount` dollars in: the ledger's line, or why not."""
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.deposit(locked.snapshot, amount)
    return _record_one(locked, applied, at=at, note=note)


@transaction.atomic
def withdraw(
    *, portfolio: Portfolio, amount: Decimal, at: datetime, note: str = ""
) -> Transaction | Refusal:
    """Pays `amount` dollars out: the ledger's line, or why not."""
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.withdraw(locked.snapshot, amount)
    return _record_one(locked, applied, at=at, note=note)


@transaction.atomic
def trade(
    *,
    portfolio: Portfolio,
    side: Side,
    symbol: str,
    quantity: Decimal,
    price: Decimal,
    at: datetime,
    note: str = "",
    minimum: Decimal = ledger.ZERO,
) -> Transaction | Refusal:
    """Buys or sells `quantity` shares at `price` dollars a share: the ledger's line, or why not.

    For people: a symbol that is not known is refused too, as "unknown_symbol".
    """
    if not Instrument.objects.filter(pk=symbol).exists():
        return Refusal(RefusalCode.UNKNOWN_SYMBOL, f"{symbol} is not a symbol that is traded here.")
    order = Order(side=side, symbol=symbol, quantity=quantity, price=price)
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.apply(locked.snapshot, order, minimum=minimum)
    return _record_one(locked, applied, at=at, note=note)


def _record_one(
    locked: LockedPortfolio, applied: tuple[Entry, Snapshot] | Refusal, *, at: datetime, note: str
) -> Transaction | Refusal:
    if isinstance(applied, Refusal):
        return applied
    entry, after = applied
    return _record(locked, [entry], after, at=at, reference=None, note=note)[0]


def _record(
    locked: LockedPortfolio,
    entries: list[Entry],
    after: Snapshot,
    *,
    at: datetime,
    reference: uuid.UUID | None,
    note: str,
) -> list[Transaction]:
    """Writes the entries, then what they lead to. Two that hold the same stale snapshot collide on
    the unique sequence, so a forgotten lock is an error and never a wrong balance."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The ledger is written in a transaction.")
    if not entries:
        return []
    portfolio = locked.portfolio
    written = Transaction.objects.bulk_create(
        Transaction(
            portfolio=portfolio,
            sequence=sequence,
            kind=entry.kind,
            instrument_id=entry.symbol,
            quantity=entry.quantity,
            price=entry.price,
            amount=entry.amount,
            cash_after=entry.cash_after,
            quantity_after=entry.quantity_after,
            cost_basis_after=entry.cost_basis_after,
            reference=reference,
            at=at,
            note=note,
        )
        for sequence, entry in enumerate(entries, start=portfolio.transactions_count + 1)
    )
    _store_holdings(portfolio, {entry.symbol for entry in entries if entry.symbol}, after)
    count = portfolio.transactions_count + len(entries)
    Portfolio.objects.filter(id=portfolio.id).update(
        cash=after.cash, transactions_count=count, changed=True
    )
    portfolio.cash, portfolio.transactions_count, locked.snapshot = after.cash, count, after
    return written


def take_changed() -> list[uuid.UUID]:
    """The portfolios that were written to since this was last asked; each is told once.

    One that is being written to at this moment is told the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_CHANGED)
        return [id for (id,) in cursor.fetchall()]


def _store_holdings(portfolio: Portfolio, symbols: set[str], after: Snapshot) -> None:
    held = symbols & after.positions.keys()
    if held:
        Holding.objects.bulk_create(
            [
                Holding(
                    portfolio=portfolio,
                    instrument_id=symbol,
                    quantity=after.positions[symbol].quantity,
                    cost_basis=after.positions[symbol].cost_basis,
                )
                for symbol in sorted(held)
            ],
            update_conflicts=True,
            unique_fields=["portfolio", "instrument"],
            update_fields=["quantity", "cost_basis"],
        )
    if sold_out := symbols - held:
        Holding.objects.filter(portfolio=portfolio, instrument_id__in=sold_out).delete()
