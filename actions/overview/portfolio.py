"""One of the user's portfolios: what is in it, what it is worth, what moved in it."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import InvalidPage, Paginator
from django.db.models import Count
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.http import SignedIn, page_or_part, told
from accounts.models import User
from actions.models import Action
from actions.rules import Status
from market.services import calendar, quote_max_age
from portfolios.allocation import allocation
from portfolios.models import Portfolio, Transaction
from portfolios.selectors import portfolios_of, transactions_of
from portfolios.services import primary_portfolio
from portfolios.valuation import day_began, standing
from portfolios.views import no_such_portfolio

TRANSACTIONS_A_PAGE = 15
LASTING = (Status.ACTIVE.value, Status.PAUSED.value)


@dataclass(frozen=True, slots=True)
class RulesOn:
    """How many rules trade or watch a symbol in a portfolio."""

    active: int = 0
    paused: int = 0


@login_required
def primary(request: SignedIn) -> HttpResponseBase:
    """The user's primary portfolio, opened at first need."""
    return _page(request, primary_portfolio(user=request.user).pk)


@login_required
def one(request: SignedIn, portfolio_id: UUID) -> HttpResponseBase:
    return _page(request, portfolio_id)


def _page(request: SignedIn, portfolio_id: UUID) -> HttpResponseBase:
    user, now = request.user, timezone.now()
    portfolios = list(portfolios_of(user=user))
    chosen = next((each for each in portfolios if each.pk == portfolio_id), None)
    if chosen is None:
        raise no_such_portfolio()
    number = request.GET.get("page", "1")
    try:
        lines = _Ledger(chosen).page(number)
    except InvalidPage:
        told(request, f"There is no page {number[:12]} of transactions. This is the first.")
        return redirect("one-portfolio", portfolio_id=chosen.pk)
    market = calendar()
    stand = standing(portfolios=[chosen], began=day_began(market, now))
    context = {
        "now": now,
        "zone": user.zone,
        "portfolios": portfolios,
        "portfolio": chosen,
        "worth": stand.worth,
        "change": stand.change,
        "names": stand.names,
        "market_open": market.is_open(now),
        "oldest_fresh": now - quote_max_age(),
        "slices": allocation(stand.worth),
        "rules": _rules_on(user, chosen),
        "lines": lines,
    }
    return page_or_part(request, "overview/portfolio.html", "live", context)


class _Ledger(Paginator[Transaction]):
    """The portfolio's transactions, whose number its row knows."""

    def __init__(self, portfolio: Portfolio) -> None:
        super().__init__(transactions_of(portfolio=portfolio), TRANSACTIONS_A_PAGE)
        self._portfolio = portfolio

    @cached_property
    def count(self) -> int:
        return self._portfolio.transactions_count


def _rules_on(user: User, portfolio: Portfolio) -> dict[str, RulesOn]:
    """The rules that go on, by their symbol: those of this portfolio, and those of none."""
    rules = Action.objects.filter(user=user, status__in=LASTING, symbol__isnull=False)
    mine = rules.filter(portfolio=portfolio) | rules.filter(portfolio__isnull=True)
    counted: dict[str, dict[str, int]] = {}
    counts = mine.values_list("symbol", "status").annotate(n=Count("id")).order_by()
    for symbol, status, count in counts:
        counted.setdefault(symbol, {})[status] = count
    return {symbol: RulesOn(**each) for symbol, each in counted.items()}
