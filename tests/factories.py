"""Rows for the tests: UserFactory.create(username="ada"), typed, unlike UserFactory(...).

Money comes into a portfolio through the ledger, as everywhere.
"""

# mypy: disallow-untyped-calls=False
# (factory-boy annotates its factories, but not its declarations)

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from accounts.models import User
from market.models import Instrument
from portfolios import services
from portfolios.models import Portfolio

PASSWORD = "correct horse battery staple"
OPENED_AT = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


@cache
def hashed_password() -> str:
    return make_password(PASSWORD)  # slow by design, so once for all users


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = Sequence(lambda n: f"user{n}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")
    password = LazyFunction(hashed_password)


class InstrumentFactory(DjangoModelFactory[Instrument]):
    class Meta:
        model = Instrument
        django_get_or_create = ("symbol",)

    symbol = Sequence(lambda n: f"TEST{n}")


class PortfolioFactory(DjangoModelFactory[Portfolio]):
    """The user's primary portfolio, with `deposit` dollars paid in.

    A second one for the same user needs `is_primary=False` and a name.
    """

    class Meta:
        model = Portfolio

    user = SubFactory(UserFactory)
    name = services.PRIMARY_NAME
    is_primary = True

    @classmethod
    def _create(
        cls, model_class: type[Portfolio], *args: Any, deposit: Decimal | int = 0, **fields: Any
    ) -> Portfolio:
        portfolio: Portfolio = super()._create(model_class, *args, **fields)
        if deposit:
            services.deposit(portfolio=portfolio, amount=Decimal(deposit), at=OPENED_AT)
            portfolio.refresh_from_db()
        return portfolio
