"""Everything that writes portfolios and their ledger: each function is one use case.

Instants are handed in, money is in dollars. What a portfolio cannot do is an answer (`Refusal`),
never an exception, and leaves nothing written.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from market.arrays import uuid_array
from market.bulk import ask, run
from market.models import Instrument
from portfolios import ledger
from portfolios.ledger import Entry, Order, Position, Refusal, RefusalCode, Side, Snapshot
from portfolios.limits import Day, Limits, day_of, ill_sized
from portfolios.models import Holding, Portfolio, Split, Transaction
from portfolios.recording import Line, write_ledger
from portfolios.selectors import ask_positions, pause_in_words, positions_of

PRIMARY_NAME = "Main"
NAME_TAKEN = "You already have a portfolio of this name."
_JOINER = "\u200d"  # between the parts of an emoji

_TAKE_CHANGED = """
WITH changed AS (
    SELECT id FROM portfolios_portfolio WHERE changed ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE portfolios_portfolio p SET changed = false FROM changed WHERE p.id = changed.id
RETURNING p.id
"""

_READ = """
SELECT id, cash, transactions_count, paused_by_owner, paused_by_staff,
       order_least, order_most, day_executions, day_usd,
       counted_on, executions_counted, usd_counted
  FROM portfolios_portfolio
 WHERE id = ANY(%s::uuid[]) ORDER BY id
"""

# NO KEY: rows that only refer to a portfolio, such as a rule's, may be written meanwhile.
_LOCK = f"{_READ} FOR NO KEY UPDATE"


@dataclass(slots=True)
class LockedPortfolio:
    """A portfolio that nobody else can write to until this transaction ends.

    It advances with every trade that is posted to it or recorded. After a roll-back to a savepoint
    it is ahead of the database: lock again.

    `day` is what rules have traded in it today, or on an earlier day; `limits` are its owner's and
    the site's; `paused` says why no rule may fire in it, and is empty where rules may.
    """

    id: uuid.UUID
    snapshot: Snapshot
    transactions_count: int
    day: Day
    limits: Limits
    paused: str = ""
    unwritten: list[Line] = field(default_factory=list)

    def draft(self, entries: Iterable[Entry], reference: uuid.UUID | None = None) -> list[Line]:
        """The ledger's next lines, were these entries posted. Changes nothing."""
        return [
            Line(uuid.uuid4(), self.id, sequence, entry, reference)
            for sequence, entry in enumerate(entries, start=self.transactions_count + 1)
        ]

    def today(self, now: datetime) -> Day:
        """What rules have traded in it on the day of `now`."""
        return self.day if self.day.date == day_of(now) else Day(day_of(now))

    def post(self, lines: Sequence[Line], after: Snapshot, *, rule_at: datetime | None) -> None:
        """Takes the lines, which `write` writes with those of others. They count for the day where
        they are an execution of a rule, at `rule_at`."""
        self.unwritten.extend(lines)
        if rule_at is not None and lines:
            self.day = self.today(rule_at).after([line.entry for line in lines])
        self.transactions_count += len(lines)
        self.snapshot = after


type Locked = dict[uuid.UUID, LockedPortfolio]  # by its id


def primary_portfolio(*, user: User) -> Portfolio:
    """The user's primary portfolio, opened at first need. Two at once open one."""
    return Portfolio.objects.get(id=primary_portfolios(user_ids=[user.pk])[user.pk])


def primary_portfolios(*, user_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """The primary portfolio of each of these users, opened where there is none yet."""
    primary = Portfolio.objects.filter(user__in=user_ids, is_primary=True)
    found = dict(primary.values_list("user_id", "id"))
    if missing := sorted(set(user_ids) - found.keys()):
        Portfolio.objects.bulk_create(
            [Portfolio(user_id=id, name=PRIMARY_NAME, is_primary=True) for id in missing],
            ignore_conflicts=True,
        )
        found |= primary.filter(user__in=missing).values_list("user_id", "id")
    return found


@transaction.atomic
def open_portfolio(*, user: User, name: str) -> Portfolio:
    """A further, empty portfolio of the user.

    Raises ValidationError for a name that is empty, too long or already one of the user's.
    """
    primary_portfolio(user=user)  # first, so that its name is not taken by another
    portfolio = Portfolio(user=user)
    _save_as(portfolio, name)
    return portfolio


@transaction.atomic
def rename_portfolio(*, portfolio: Portfolio, name: str) -> None:
    """Gives the portfolio another name. Raises ValidationError as open_portfolio."""
    _save_as(portfolio, name, update_fields=["name"])


def _save_as(portfolio: Portfolio, name: str, update_fields: Collection[str] | None = None) -> None:
    portfolio.name = name.strip()
    shown = portfolio.name.replace(_JOINER, "")
    if portfolio.name and not (shown and shown.isprintable()):
        raise ValidationError({"name": "Use visible characters in one line."})
    portfolio.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            portfolio.save(force_insert=update_fields is None, update_fields=update_fields)
    except IntegrityError:  # the database alone knows whether there is another of this name
        raise ValidationError({"name": NAME_TAKEN}) from None


@transaction.atomic
def make_primary(*, portfolio: Portfolio) -> None:
    """Makes it the user's one primary portfolio, in which new rules trade unless they name another.

    Rules that there are stay where they are.
    """
    mine = Portfolio.objects.filter(user=portfolio.user_id)
    # All of them are locked, in their order: of two at once the later one is the last word.
    list(mine.select_for_update(no_key=True).order_by("id").values_list("id"))
    mine.filter(is_primary=True).exclude(id=portfolio.pk).update(is_primary=False)
    mine.filter(id=portfolio.pk).update(is_primary=True)


def locked(*, portfolio_ids: Iterable[uuid.UUID]) -> Locked:
    """The portfolios with their holdings, locked until the transaction ends; two statements.

    Always locked in the order of their ids, so that two transactions never wait for each other.
    Raises Portfolio.DoesNotExist if one is missing, TransactionManagementError outside a
    transaction.
    """
    return ask_locked(portfolio_ids=portfolio_ids)()


def ask_locked(*, portfolio_ids: Iterable[uuid.UUID]) -> Callable[[], Locked]:
    """As `locked`: asks, and gives what is called for the answer (`market.bulk.ask`)."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Portfolios are locked in a transaction.")
    return _ask_portfolios(_LOCK, set(portfolio_ids))


def _ask_portfolios(statement: str, wanted: set[uuid.UUID]) -> Callable[[], Locked]:
    rows = ask(statement, [uuid_array(wanted)])
    positions = ask_positions(portfolio_ids=wanted)

    def portfolios() -> Locked:
        found, held = rows(), positions()
        if missing := wanted - {row[0] for row in found}:
            raise Portfolio.DoesNotExist(f"No portfolio {', '.join(map(str, sorted(missing)))}.")
        return {row[0]: _locked(row, held[row[0]]) for row in found}

    return portfolios


def _locked(row: tuple[Any, ...], positions: Mapping[str, Position]) -> LockedPortfolio:
    id, cash, count, by_owner, by_staff, *rest = row
    least, most, day_executions, day_usd, counted_on, executions, usd = rest
    return LockedPortfolio(
        id,
        Snapshot(cash, positions),
        count,
        Day(counted_on or date.min, executions, usd),
        Limits(least, most, day_executions, day_usd).tightened(by=settings.SITE_LIMITS),
        pause_in_words(by_owner=by_owner, by_staff=by_staff),
    )


def lock_portfolio(*, portfolio_id: uuid.UUID) -> LockedPortfolio:
    """As `locked`, for one."""
    return locked(portfolio_ids=[portfolio_id])[portfolio_id]


def as_if_locked(*, portfolio_id: uuid.UUID) -> LockedPortfolio:
    """As `lock_portfolio` without the lock: to try what would become of it. Write none of it."""
    return _ask_portfolios(_READ, {portfolio_id})()[portfolio_id]


def as_if_locked_by(*, portfolio: Portfolio) -> LockedPortfolio:
    """As `as_if_locked`, by a row that is at hand; one that is not stored yet holds nothing."""
    p = portfolio
    positions = {} if p._state.adding else positions_of(portfolio_ids=[p.pk])[p.pk]
    switches = (p.paused_by_owner, p.paused_by_staff)
    limits = (p.order_least, p.order_most, p.day_executions, p.day_usd)
    day = (p.counted_on, p.executions_counted, p.usd_counted)
    return _locked((p.pk, p.cash, p.transactions_count, *switches, *limits, *day), positions)


def write(*, locked: Iterable[LockedPortfolio], at: datetime, note: str = "") -> None:
    """Writes what was posted to these portfolios, in two statements at most, however many.

    Every symbol must be an Instrument: IntegrityError at the commit otherwise. Raises
    TransactionManagementError outside a transaction.
    """
    lines = []
    holdings = {}
    days = {}
    for portfolio in locked:
        days[portfolio.id] = portfolio.day
        lines += portfolio.unwritten
        for line in portfolio.unwritten:
            if symbol := line.entry.symbol:
                held = portfolio.snapshot.positions.get(symbol)
                holdings[portfolio.id, symbol] = held
        portfolio.unwritten = []
    write_ledger(lines=lines, holdings=holdings, days=days, at=at, note=note)


@transaction.atomic
def deposit(
    *, portfolio: Portfolio, amount: Decimal, at: datetime, note: str = ""
) -> Transaction | Refusal:
    """Pays `amount` dollars in: the ledger's line, or why not."""
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.deposit(locked.snapshot, amount)
    return _record(locked, applied, at=at, note=note)


@transaction.atomic
def withdraw(
    *, portfolio: Portfolio, amount: Decimal, at: datetime, note: str = ""
) -> Transaction | Refusal:
    """Pays `amount` dollars out: the ledger's line, or why not."""
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.withdraw(locked.snapshot, amount)
    return _record(locked, applied, at=at, note=note)


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
) -> Transaction | Refusal:
    """Buys or sells `quantity` shares at `price` dollars a share: the ledger's line, or why not.

    For people: a symbol that is not known is refused too, as "unknown_symbol". An order must be of
    a size that the portfolio's limits allow; what they say of a day holds for rules alone.
    """
    if not Instrument.objects.filter(pk=symbol).exists():
        return Refusal(RefusalCode.UNKNOWN_SYMBOL, f"{symbol} is not a symbol that is traded here.")
    order = Order(side=side, symbol=symbol, quantity=quantity, price=price)
    locked = lock_portfolio(portfolio_id=portfolio.id)
    applied = ledger.apply(locked.snapshot, order)
    if not isinstance(applied, Refusal) and (refusal := ill_sized(applied[0], locked.limits)):
        return refusal
    return _record(locked, applied, at=at, note=note)


@transaction.atomic
def record_split(
    *, symbol: str, factor: Fraction, at: datetime, on: date | None = None
) -> Split | Refusal | None:
    """Splits the shares of all who hold `symbol`: `factor` new ones for each old (ledger.split).

    `on` is the day that it is the split of, by default that of `at`. The split, to which their
    transactions refer, or None where that of this day has been recorded before. Refused as a whole
    where one holds more than can be split. The same number of statements however many hold it. What
    somebody buys meanwhile, who held none before, counts as bought after the split. Raises
    ValidationError where another factor has been recorded for this day, or nobody can hold the
    symbol; TypeError and ValueError as ledger.checked_factor.
    """
    ledger.checked_factor(factor)
    if not Instrument.objects.filter(pk=symbol).exists():
        raise ValidationError({"symbol": f"{symbol} is not a symbol that is traded here."})
    split, recorded = Split.objects.get_or_create(
        instrument_id=symbol,
        on=on or day_of(at),
        defaults={"new_shares": factor.numerator, "old_shares": factor.denominator},
    )
    if not recorded:
        if Fraction(split.new_shares, split.old_shares) != factor:
            raise ValidationError({"factor": f"{split} is recorded already. Correct the day."})
        return None
    holders = Holding.objects.filter(instrument=symbol).values_list("portfolio_id", flat=True)
    books = locked(portfolio_ids=holders)
    for book in books.values():
        if symbol not in book.snapshot.positions:
            continue  # sold while we waited for the lock
        applied = ledger.split(book.snapshot, symbol, factor)
        if isinstance(applied, Refusal):
            transaction.set_rollback(True)
            return applied
        entry, after = applied
        book.post(book.draft([entry], split.pk), after, rule_at=None)
    write(locked=books.values(), at=at, note=f"Split {ledger.format_factor(factor)}.")
    return split


def _record(
    locked: LockedPortfolio, applied: tuple[Entry, Snapshot] | Refusal, *, at: datetime, note: str
) -> Transaction | Refusal:
    if isinstance(applied, Refusal):
        return applied
    entry, after = applied
    (line,) = lines = locked.draft([entry])
    locked.post(lines, after, rule_at=None)
    write(locked=[locked], at=at, note=note)
    return Transaction(
        id=line.id,
        portfolio_id=line.portfolio_id,
        sequence=line.sequence,
        kind=entry.kind,
        instrument_id=entry.symbol,
        quantity=entry.quantity,
        price=entry.price,
        amount=entry.amount,
        cash_after=entry.cash_after,
        quantity_after=entry.quantity_after,
        cost_basis_after=entry.cost_basis_after,
        at=at,
        note=note,
    )


def pause_portfolio(*, portfolio_id: uuid.UUID, by_staff: bool = False) -> None:
    """No rule fires in this portfolio until it goes on; each keeps following its market."""
    Portfolio.objects.filter(id=portfolio_id).update(**{_pauser(by_staff): True})


def pause_every_portfolio() -> int:
    """As support: no rule of anybody's fires until support lets it go on. Returns how many."""
    return Portfolio.objects.update(**{_pauser(by_staff=True): True})


def unpause_portfolio(*, portfolio_id: uuid.UUID, by_staff: bool = False) -> None:
    """Lets the rules fire again, as far as whoever asks has paused them: support's pause is not
    ended by the owner, nor the owner's by support."""
    Portfolio.objects.filter(id=portfolio_id).update(**{_pauser(by_staff): False}, changed=True)


def set_limits(*, portfolio_id: uuid.UUID, limits: Limits) -> None:
    """Sets the owner's limits, from the next execution on; the site's hold beside them."""
    Portfolio.objects.filter(id=portfolio_id).update(**asdict(limits), changed=True)


def _pauser(by_staff: bool) -> str:
    return "paused_by_staff" if by_staff else "paused_by_owner"


def take_changed() -> list[uuid.UUID]:
    """The portfolios that were written to since this was last asked; each is told once.

    One that is being written to at this moment is told the next time.
    """
    return [id for (id,) in run(_TAKE_CHANGED, [])]


def tell_again(*, portfolio_ids: Collection[uuid.UUID]) -> None:
    """Has take_changed tell of these portfolios the next time, too."""
    if portfolio_ids:
        Portfolio.objects.filter(id__in=portfolio_ids).update(changed=True)
