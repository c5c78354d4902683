"""Many rules over many symbols, as they are once the evaluator has looked at each: asleep.

Half of the rules wait for the price to fall, half for it to rise, to thresholds 1 to 30 % away. A
user has a thousand rules and holds twenty symbols. All of it follows from the numbers: two
populations of a size are alike.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import User
from actions.models import Action, Watch
from actions.watches import widen_alerts
from market.models import Instrument, Quote
from market.services import follow
from portfolios.ledger import Kind
from portfolios.models import Holding, Portfolio, Transaction

RULES_A_USER = 1000
HOLDINGS_A_USER = 20
RULES_A_STATEMENT = 250_000
CASH = Decimal(1_000_000)

# The golden ratio's multiples spread evenly, however many there are. The watch is what the trigger
# asks for: price_above's `above`, price_below's `below` (a test compares them).
_RULES = """
WITH numbered AS (
    SELECT n,
           n %% cardinality(%(symbols)s::text[]) AS place,
           n / cardinality(%(symbols)s::text[]) %% 2 = 0 AS falls,
           0.01 + 0.29 * (n * 0.6180339887498949 %% 1) AS distance,
           n / %(rules_a_user)s AS owner
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
), drawn AS (
    SELECT falls, (%(users)s::uuid[])[owner - %(first_owner)s + 1] AS user_id,
           (%(symbols)s::text[])[place + 1] AS symbol,
           round((%(prices)s::numeric[])[place + 1]
                 * (CASE WHEN falls THEN 1 - distance ELSE 1 + distance END), 2) AS threshold
      FROM numbered
), rules AS (
    INSERT INTO actions (user_id, action_type, symbol, quantity, trigger_type, trigger_params,
                         valid_from, last_evaluated_at, created_at, updated_at)
    SELECT user_id, CASE WHEN falls THEN 'BUY' ELSE 'NOTIFY' END, symbol,
           CASE WHEN falls THEN 1 END, CASE WHEN falls THEN 'price_below' ELSE 'price_above' END,
           jsonb_build_object('threshold', threshold::text),
           %(at)s, %(at)s, %(at)s, %(at)s
      FROM drawn
    RETURNING id, symbol, trigger_type, (trigger_params->>'threshold')::numeric AS threshold
)
INSERT INTO watches (action_id, symbol, below, above)
SELECT id, symbol, CASE WHEN trigger_type = 'price_below' THEN threshold END,
       CASE WHEN trigger_type = 'price_above' THEN threshold END
  FROM rules
"""

_FILLED = [
    model._meta.db_table
    for model in (User, Instrument, Quote, Portfolio, Holding, Transaction, Action, Watch)
]

_HOLDINGS = """
INSERT INTO portfolios_holding (portfolio_id, symbol, quantity, cost_basis)
SELECT portfolio.id, (%(symbols)s::text[])[
           (portfolio.number * 7 + n) %% cardinality(%(symbols)s::text[]) + 1], 10, 1000
  FROM unnest(%(portfolios)s::uuid[]) WITH ORDINALITY AS portfolio(id, number),
       generate_series(1, least(%(holdings)s, cardinality(%(symbols)s::text[]))) AS n
"""


class Population:
    """Grows to the number of rules that is asked for; the symbols stay the same."""

    def __init__(self, *, symbols: int, at: datetime) -> None:
        self.prices = {
            f"S{n:05d}": Decimal(2000 + n * 7919 % 48_000).scaleb(-2) for n in range(symbols)
        }
        self.rules = 0
        self._at = at - timedelta(days=1)
        Instrument.objects.bulk_create([Instrument(symbol=symbol) for symbol in self.prices])
        follow(symbols=self.prices)

    def grow(self, rules: int) -> None:
        """Adds rules until there are so many, and tidies up as autovacuum would in time."""
        for first, last in _spans(self.rules, rules):
            self._add(first, last)
        self.rules = rules
        with transaction.atomic():
            widen_alerts(symbols=self.prices)
        with connection.cursor() as cursor:
            if connection.in_atomic_block:
                # The whole database's would hold, until the transaction ends, locks on catalogues
                # that it shares with others.
                cursor.execute(f"ANALYZE {', '.join(_FILLED)}")
            else:
                cursor.execute("VACUUM (ANALYZE)")
                cursor.execute("CHECKPOINT")

    @transaction.atomic
    def _add(self, first: int, last: int) -> None:
        first_owner = first // RULES_A_USER
        users = self._add_users(first_owner, last // RULES_A_USER)
        with connection.cursor() as cursor:
            # The foreign keys hold by construction; checking them takes longer than the rest.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                _RULES,
                {
                    "first": first,
                    "last": last,
                    "symbols": list(self.prices),
                    "prices": list(self.prices.values()),
                    "users": [user.pk for user in users],
                    "first_owner": first_owner,
                    "rules_a_user": RULES_A_USER,
                    "at": self._at,
                },
            )
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")

    def _add_users(self, first: int, last: int) -> list[User]:
        users = [User(username=f"bench-{n}") for n in range(first, last + 1)]
        User.objects.bulk_create(users)
        portfolios = [
            Portfolio(user=user, name="Main", is_primary=True, cash=CASH, transactions_count=1)
            for user in users
        ]
        Portfolio.objects.bulk_create(portfolios)
        Transaction.objects.bulk_create(
            Transaction(
                portfolio=portfolio,
                sequence=1,
                kind=Kind.DEPOSIT.value,
                amount=CASH,
                cash_after=CASH,
                at=self._at,
            )
            for portfolio in portfolios
        )
        with connection.cursor() as cursor:
            cursor.execute(
                _HOLDINGS,
                {
                    "symbols": list(self.prices),
                    "portfolios": [portfolio.pk for portfolio in portfolios],
                    "holdings": HOLDINGS_A_USER,
                },
            )
        return users


def _spans(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last number of each statement's rules. Each begins with a new user."""
    assert begin % RULES_A_USER == 0, "grow in whole users"
    for first in range(begin, end, RULES_A_STATEMENT):
        yield first, min(first + RULES_A_STATEMENT, end) - 1
