"""Portfolios: what is held, what it is worth, its ledger, and money in and out."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.urls import path
from django.utils import timezone
from pydantic import BaseModel, BeforeValidator, Field, StrictStr
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from market.quotes import Sample
from market.selectors import latest_quotes
from portfolios.ledger import Refusal, Side
from portfolios.models import Holding, Portfolio, Transaction
from portfolios.money import plain_number, times
from portfolios.prices import NotNow, tradable_quote
from portfolios.selectors import holdings_of, owned_portfolio, portfolios_of, transactions_of
from portfolios.services import deposit, open_portfolio, primary_portfolio, trade, withdraw
from rest.answers import decimal_text
from rest.bodies import Body, read, read_query
from rest.paging import Page, Paged
from rest.problems import Problem, invalid
from rest.schema import described
from rest.scopes import Scope
from rest.views import ApiView

_Number = Annotated[Decimal, BeforeValidator(plain_number), Field(gt=0, allow_inf_nan=False)]
Usd = Annotated[_Number, Field(max_digits=14, decimal_places=2)]
Shares = Annotated[_Number, Field(max_digits=20, decimal_places=8)]


class NewPortfolio(Body):
    name: Annotated[StrictStr, Field(min_length=1, max_length=100)]


class Money(Body):
    amount: Usd = Field(description="Dollars.")
    note: Annotated[StrictStr, Field(max_length=200)] = ""


class Trade(Body):
    """An order at the price of now."""

    side: Literal["BUY", "SELL"]
    symbol: Annotated[StrictStr, Field(min_length=1, max_length=16)]
    quantity: Shares = Field(description="Shares.")
    note: Annotated[StrictStr, Field(max_length=200)] = ""


class HoldingOut(BaseModel):
    """`value` is at the latest price, null where there is none yet."""

    symbol: str
    quantity: str
    cost_basis: str
    price: str | None
    value: str | None


class PortfolioOut(BaseModel):
    """`value` is the cash and what the shares are worth, null while a price is missing."""

    id: UUID
    name: str
    is_primary: bool
    cash: str
    paused: bool
    created_at: datetime


class PortfolioInFull(PortfolioOut):
    value: str | None
    holdings: list[HoldingOut]


class Portfolios(BaseModel):
    """The primary one first."""

    results: list[PortfolioOut]


class TransactionOut(BaseModel):
    """A line of the ledger. `amount` is above zero for what comes in."""

    id: UUID
    sequence: int
    kind: Literal["deposit", "withdrawal", "buy", "sell", "split"]
    symbol: str | None
    quantity: str | None
    price: str | None
    amount: str
    cash_after: str
    reference: UUID | None
    at: datetime
    note: str


class Transactions(Page):
    results: list[TransactionOut]


class PortfolioView(ApiView):
    def mine(self, request: Request, portfolio_id: UUID) -> Portfolio:
        return owned_portfolio(user=_user(request), portfolio_id=portfolio_id)


class PortfoliosView(ApiView):
    @described("list_portfolios", scope=Scope.READ, answers=Portfolios)
    def get(self, request: Request) -> Response:
        """The user's portfolios."""
        primary_portfolio(user=_user(request))
        return Response({"results": [_told(each) for each in portfolios_of(user=_user(request))]})

    @described(
        "open_portfolio", scope=Scope.TRADE, body=NewPortfolio, answers=PortfolioInFull, status=201
    )
    def post(self, request: Request) -> Response:
        """Opens a further, empty portfolio."""
        asked = read(NewPortfolio, request)
        try:
            portfolio = open_portfolio(user=_user(request), name=asked.name)
        except ValidationError as wrong:
            errors = {name: " ".join(words) for name, words in wrong.message_dict.items()}
            raise invalid(
                {name.replace("__all__", "name"): errors[name] for name in errors}
            ) from None
        portfolio.refresh_from_db()
        return Response(_in_full(portfolio), status=HTTPStatus.CREATED)


class OnePortfolio(PortfolioView):
    @described("get_portfolio", scope=Scope.READ, answers=PortfolioInFull, refused=(404,))
    def get(self, request: Request, portfolio_id: UUID) -> Response:
        """A portfolio with what it holds, and what that is worth."""
        return Response(_in_full(self.mine(request, portfolio_id)))


class TransactionsView(PortfolioView):
    @described(
        "list_transactions", scope=Scope.READ, query=Paged, answers=Transactions, refused=(404,)
    )
    def get(self, request: Request, portfolio_id: UUID) -> Response:
        """The portfolio's ledger, newest line first."""
        page = read_query(Paged, request)
        lines = transactions_of(portfolio=self.mine(request, portfolio_id))[page.rows]
        return Response(page.answer(request, [_line(each) for each in lines]))


class DepositView(PortfolioView):
    @described(
        "deposit",
        scope=Scope.TRADE,
        body=Money,
        answers=TransactionOut,
        status=201,
        refused=(404, 409),
    )
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Pays money in."""
        portfolio = self.mine(request, portfolio_id)
        asked = read(Money, request)
        return _done(
            deposit(portfolio=portfolio, amount=asked.amount, at=timezone.now(), note=asked.note)
        )


class WithdrawView(PortfolioView):
    @described(
        "withdraw",
        scope=Scope.TRADE,
        body=Money,
        answers=TransactionOut,
        status=201,
        refused=(404, 409),
    )
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Pays money out."""
        portfolio = self.mine(request, portfolio_id)
        asked = read(Money, request)
        return _done(
            withdraw(portfolio=portfolio, amount=asked.amount, at=timezone.now(), note=asked.note)
        )


class TradeView(PortfolioView):
    @described(
        "trade",
        scope=Scope.TRADE,
        body=Trade,
        answers=TransactionOut,
        status=201,
        refused=(404, 409),
    )
    def post(self, request: Request, portfolio_id: UUID) -> Response:
        """Buys or sells at the latest price, which must be fresh, while the market is open."""
        portfolio = self.mine(request, portfolio_id)
        asked = read(Trade, request)
        now = timezone.now()
        symbol = asked.symbol.strip().upper()
        return _done(
            trade(
                portfolio=portfolio,
                side=Side(asked.side),
                symbol=symbol,
                quantity=asked.quantity,
                price=_price_now(symbol, now),
                at=now,
                note=asked.note,
            )
        )


def _user(request: Request) -> User:
    assert isinstance(request.user, User)  # noqa: S101 -- IsAuthenticated has turned others away
    return request.user


def _price_now(symbol: str, now: datetime) -> Decimal:
    try:
        return tradable_quote(symbol=symbol, now=now).price
    except NotNow as not_now:
        if not_now.code == "no_quote":
            raise invalid({"symbol": str(not_now)}) from None
        raise _conflict(not_now.code, str(not_now)) from None


def _done(done: Transaction | Refusal) -> Response:
    if isinstance(done, Refusal):
        raise _conflict(done.code.value, done.message)
    return Response(_line(done), status=HTTPStatus.CREATED)


def _conflict(code: str, words: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, code, words)


def _told(portfolio: Portfolio) -> dict[str, Any]:
    return {
        "id": portfolio.pk,
        "name": portfolio.name,
        "is_primary": portfolio.is_primary,
        "cash": f"{portfolio.cash:.2f}",
        "paused": portfolio.paused_by_owner or portfolio.paused_by_staff,
        "created_at": portfolio.created_at,
    }


def _in_full(portfolio: Portfolio) -> dict[str, Any]:
    holdings = list(holdings_of(portfolio=portfolio))
    quotes = latest_quotes(symbols=[each.instrument_id for each in holdings])
    worth = [_worth(each, quotes) for each in holdings]
    known = [value for value in worth if value is not None]
    value = portfolio.cash + sum(known) if len(known) == len(worth) else None
    return _told(portfolio) | {
        "value": _text(value, 2),
        "holdings": [
            {
                "symbol": each.instrument_id,
                "quantity": decimal_text(each.quantity),
                "cost_basis": f"{each.cost_basis:.2f}",
                "price": _text(quotes[each.instrument_id].price)
                if known_value is not None
                else None,
                "value": _text(known_value, 2),
            }
            for each, known_value in zip(holdings, worth, strict=True)
        ],
    }


def _worth(holding: Holding, quotes: Mapping[str, Sample]) -> Decimal | None:
    quote = quotes.get(holding.instrument_id)
    return times(holding.quantity, quote.price) if quote else None


def _line(line: Transaction) -> dict[str, Any]:
    return {
        "id": line.pk,
        "sequence": line.sequence,
        "kind": line.kind,
        "symbol": line.instrument_id,
        "quantity": _text(line.quantity),
        "price": _text(line.price),
        "amount": f"{line.amount:.2f}",
        "cash_after": f"{line.cash_after:.2f}",
        "reference": line.reference,
        "at": line.at,
        "note": line.note,
    }


def _text(number: Decimal | None, decimals: int | None = None) -> str | None:
    if number is None:
        return None
    return decimal_text(number) if decimals is None else f"{number:.{decimals}f}"


urlpatterns = [
    path("portfolios", PortfoliosView.as_view()),
    path("portfolios/<uuid:portfolio_id>", OnePortfolio.as_view()),
    path("portfolios/<uuid:portfolio_id>/transactions", TransactionsView.as_view()),
    path("portfolios/<uuid:portfolio_id>/deposit", DepositView.as_view()),
    path("portfolios/<uuid:portfolio_id>/withdraw", WithdrawView.as_view()),
    path("portfolios/<uuid:portfolio_id>/trade", TradeView.as_view()),
]
