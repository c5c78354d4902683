"""What people ask for is done once, however often the same form is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from portfolios.ledger import Refusal
from portfolios.models import Portfolio, Transaction, Wish
from portfolios.services import lock_portfolio


class KeyReused(ValueError):
    """The key came with another wish before."""


@dataclass(frozen=True, slots=True)
class Done:
    """The ledger's line to which a wish led. `before`: when it was sent the first time."""

    line: Transaction
    before: bool = False


@transaction.atomic
def done_once(
    *, portfolio: Portfolio, key: UUID, wanted: str, do: Callable[[], Transaction | Refusal]
) -> Done | Refusal:
    """What `do` writes to the portfolio's ledger, or why not; with a `key` that was sent before,
    the line of the first time. Two at once are one: the second waits for the portfolio.

    A refusal is not kept, so the same form may be sent again. Raises KeyReused where the key came
    with another `wanted`: then nothing is done.
    """
    lock_portfolio(portfolio_id=portfolio.pk)
    before = Wish.objects.select_related("transaction").filter(portfolio=portfolio, key=key).first()
    if before is not None:
        if before.wanted != wanted:
            raise KeyReused
        return Done(before.transaction, before=True)
    done = do()
    if isinstance(done, Refusal):
        return done
    Wish.objects.create(portfolio=portfolio, key=key, wanted=wanted, transaction_id=done.pk)
    return Done(done)
