"""Rules that all fire at one quote: of many portfolios, on one symbol, buying and selling."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from actions.watches import widen_alerts
from market.models import Instrument
from market.services import follow
from portfolios import ledger
from portfolios.ledger import Order, Refusal, Side
from portfolios.models import Portfolio
from portfolios.services import locked, write

SYMBOL = "STORM"
CALM = Decimal("100.00")  # the price at which all rules sleep
LOW = Decimal("88.37")  # the price at which all of them fire
CASH = Decimal(10_000_000)
SHARES = Decimal(100_000)

# Rule after rule goes to another portfolio, so that each batch has rules of all of them: neighbours
# in a batch share no portfolio, and two batches share them all.
_RULES = """
WITH rules AS (
    INSERT INTO actions (user_id, portfolio_id, action_type, symbol, quantity, trigger_type,
                         trigger_params, valid_from, last_evaluated_at, created_at, updated_at)
    SELECT (%(users)s::uuid[])[n %% %(owners)s + 1], (%(portfolios)s::uuid[])[n %% %(owners)s + 1],
           CASE WHEN n %% 3 = 0 THEN 'SELL' ELSE 'BUY' END, %(symbol)s, 1 + n %% 7 * 0.5,
           'price_below', jsonb_build_object('threshold', (90 + n %% 900 * 0.01)::text),
           %(at)s, %(at)s + n * interval '1 microsecond', %(at)s + n * interval '1 microsecond',
           %(at)s
      FROM generate_series(0, %(rules)s - 1) AS n
    RETURNING id, (trigger_params->>'threshold')::numeric AS threshold
)
INSERT INTO watches (action_id, symbol, below) SELECT id, %(symbol)s, threshold FROM rules
"""


class Storm:
    """Portfolios with cash and shares, for which rules are made storm after storm."""

    def __init__(self, *, portfolios: int, at: datetime) -> None:
        Instrument.objects.create(symbol=SYMBOL)
        follow(symbols=[SYMBOL])
        users = User.objects.bulk_create(User(username=f"storm-{n}") for n in range(portfolios))
        rows = Portfolio.objects.bulk_create(
            Portfolio(user=user, name="Main", is_primary=True) for user in users
        )
        self.users = [user.pk for user in users]
        self.portfolios = [row.pk for row in rows]
        self._at = at - timedelta(days=1)
        _fund(self.portfolios, self._at)

    @transaction.atomic
    def brew(self, rules: int) -> None:
        """Adds so many sleeping rules, one to each portfolio in turn."""
        with connection.cursor() as cursor:
            cursor.execute(
                _RULES,
                {
                    "users": self.users,
                    "portfolios": self.portfolios,
                    "owners": len(self.portfolios),
                    "rules": rules,
                    "symbol": SYMBOL,
                    "at": self._at,
                },
            )
        widen_alerts(symbols=[SYMBOL])


def tidy_up() -> None:
    """As autovacuum would in time."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


@transaction.atomic
def _fund(portfolios: list[UUID], at: datetime) -> None:
    books = locked(portfolio_ids=portfolios)
    for book in books.values():
        paid_in = ledger.deposit(book.snapshot, CASH)
        assert not isinstance(paid_in, Refusal)
        entry, after = paid_in
        bought = ledger.apply(after, Order(Side.BUY, SYMBOL, SHARES, Decimal(50)))
        assert not isinstance(bought, Refusal)
        book.post(book.draft([entry, bought[0]]), bought[1], rule_at=None)
    write(locked=books.values(), at=at)
