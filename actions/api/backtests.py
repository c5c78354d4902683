"""Backtests: asked for, looked at, cancelled and forgotten."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, BeforeValidator, Field, StrictInt, StrictStr, model_validator
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from actions.api.base import RuleView, user_of
from actions.api.executions import Nothing
from actions.api.shapes import NewRule, RuleToCreate
from actions.backtest.books import Costs
from actions.backtest.splits import SplitFactor
from actions.backtesting.runs import (
    ask_for_backtest,
    backtests_of,
    cancel_backtest,
    delete_backtest,
    owned_backtest,
)
from actions.backtesting.terms import (
    LARGEST_FILE,
    MOST_SETTINGS,
    Sessions,
    Sweep,
    Wish,
    undated,
)
from actions.drafting import Draft
from actions.fields import Number, Quantity, Symbol
from actions.models import Backtest
from actions.selectors import owned_action
from rest.bodies import Body, InstantOrDay, as_day, read, read_query
from rest.paging import Page, Paged
from rest.parsing import StrictJson
from rest.schema import described
from rest.scopes import Scope

_Dollars = Annotated[Number, Field(ge=0, max_digits=14, decimal_places=2)]
_Percent = Annotated[Number, Field(ge=0, lt=100, max_digits=8, decimal_places=6)]
_Setting = Annotated[Number, Field(max_digits=18, decimal_places=6)]
_Day = Annotated[date, BeforeValidator(as_day)]
_Name = Annotated[StrictStr, Field(min_length=1, max_length=40)]


class SweepIn(Body):
    """One number of the trigger at several values: those, or so many from one to another."""

    parameter: _Name = Field(description="One of the trigger's parameters that is a number.")
    values: Annotated[list[_Setting], Field(min_length=1, max_length=MOST_SETTINGS)] | None = None
    first: _Setting | None = Field(None, alias="from")
    last: _Setting | None = Field(None, alias="to")
    steps: Annotated[StrictInt, Field(ge=1, le=MOST_SETTINGS)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.first, self.last, self.steps]
        if self.values is None and None in ways:
            raise ValueError("Send values, or from, to and steps.")
        if self.values is not None and ways != [None] * 3:
            raise ValueError("Send either values, or from, to and steps.")
        return self

    def wish(self) -> Sweep:
        return Sweep(
            parameter=self.parameter,
            values=self.values or (),
            first=self.first,
            last=self.last,
            steps=self.steps,
        )


class _Asked(Body):
    """A stored rule of yours (`action_id`), or one that is not (`rule`), over past bars.

    A stored rule begins with the backtest, whatever its own dates are.
    """

    action_id: UUID | None = None
    start: InstantOrDay = Field(description="An instant, or a day of New York: its beginning.")
    end: InstantOrDay | None = Field(
        None, description="An instant, or a day: its end. By default the last bar."
    )
    commission_usd: _Dollars = Field(Decimal(0), description="Dollars an order.")
    commission_percent: _Percent = Field(Decimal(0), description="Of an order's amount.")
    slippage_percent: _Percent = Field(
        Decimal(0), description="By how much a fill is worse than the price seen."
    )
    cash: _Dollars | None = Field(None, description="By default the portfolio's.")
    holdings: Annotated[dict[Symbol, Quantity], Field(max_length=100)] | None = Field(
        None, description="Shares by symbol. By default the portfolio's."
    )
    sweep: SweepIn | None = None
    bars: Annotated[StrictStr, Field(max_length=LARGEST_FILE)] | None = Field(
        None,
        description="CSV with the header symbol,timestamp,open,high,low,close,volume. By default "
        "the bars that are held.",
    )
    sessions: Sessions = Field(
        Sessions.EXCHANGE, description="The exchange's, or one each day for the bars that are sent."
    )

    splits: Annotated[dict[Symbol, list[tuple[_Day, SplitFactor]]], Field(max_length=100)] = Field(
        {},
        description="Of the bars that are sent, by symbol: the first day at the new price, and the "
        'new shares for an old one, a number or "1/8". Those of the bars that are held are known.',
    )


class BacktestWish(_Asked):
    rule: NewRule | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.rule is None) == (self.action_id is None):
            raise ValueError("Send exactly one of action_id and rule.")
        return self

    def wish(self, user: User) -> Wish:
        """Raises Action.DoesNotExist for another's rule."""
        if self.rule is not None:
            draft = self.rule.draft()
        else:
            assert self.action_id is not None  # noqa: S101 -- _one_rule
            draft = undated(Draft.of(owned_action(user=user, action_id=self.action_id)))
        return Wish(
            draft=draft,
            action_id=self.action_id,
            start=self.start,
            end=self.end,
            costs=Costs(self.commission_usd, self.commission_percent, self.slippage_percent),
            cash=self.cash,
            holdings=self.holdings,
            sweep=self.sweep.wish() if self.sweep else None,
            bars=None if self.bars is None else self.bars.encode(),
            sessions=self.sessions,
            splits=self.splits,
        )


class BacktestToAsk(_Asked):
    rule: RuleToCreate | None = None  # type: ignore[valid-type]


BacktestToAsk.__doc__ = _Asked.__doc__


class PastFire(BaseModel):
    """A firing that was carried out, and the price that was watched."""

    at: datetime
    price: str | None
    reason: str


class PastBlock(BaseModel):
    """A firing that was not: `why` is the gate or the refusal's code."""

    at: datetime
    why: str
    reason: str


class PastTrade(BaseModel):
    at: datetime
    side: Literal["buy", "sell"]
    symbol: str
    quantity: str
    price: str
    amount: str = Field(description="Dollars of cash that it brought: below 0 for a purchase.")
    commission: str
    cash_after: str


class PastWorth(BaseModel):
    """In dollars: the portfolio's worth, and that of the cash put into the symbol and held."""

    at: datetime
    portfolio: str
    held: str


class PortfolioLeft(BaseModel):
    cash: str
    holdings: dict[str, str]


class BacktestResult(BaseModel):
    """What the rule would have done. Lists have at most 1,000 entries, curves about 500 points.
    `equity` is empty for a rule that trades nothing."""

    status: str = Field(description="The rule's at the end.")
    reason: str = Field(description="Why it has ended, or what the last bar means to it.")
    fires_count: int
    fires: list[PastFire]
    trades_count: int
    trades: list[PastTrade]
    blocked_count: int
    blocked: list[PastBlock]
    equity: list[PastWorth]
    portfolio: PortfolioLeft
    symbol: str | None
    prices: list[tuple[datetime, str]] = Field(description="Instants and closes.")


class SettingResult(BaseModel):
    """What the rule would have done with one value. `worth` is in dollars, at the end."""

    value: str
    fires: int
    first_at: datetime | None
    trades: int
    blocked: int
    worth: str | None
    reason: str


class BacktestOut(BaseModel):
    """A backtest. `progress` is in percent; `error` is why it failed."""

    id: UUID
    description: str = Field(description="The rule as one plain sentence.")
    action_id: UUID | None
    status: Literal["queued", "running", "done", "cancelled", "failed"]
    progress: int
    error: str
    cells: int = Field(description="Bars times settings.")
    created_at: datetime
    ended_at: datetime | None


class BacktestInFull(BacktestOut):
    """A backtest with its terms, and what it has found so far."""

    start: datetime
    end: datetime
    cash: str
    parameter: str = Field(description="The number that is swept; empty for none.")
    values: list[str]
    result: BacktestResult | None
    settings: list[SettingResult] = Field(description="Of the sweep, in the order of its values.")


class Backtests(Page):
    results: list[BacktestOut]


class JsonWithBars(StrictJson):
    """A body that may have a file of bars in it."""

    largest = LARGEST_FILE + 2**20


class BacktestsView(RuleView):
    parser_classes = [JsonWithBars]

    @described("list_backtests", scope=Scope.READ, query=Paged, answers=Backtests)
    def get(self, request: Request) -> Response:
        """The user's backtests, newest first, without what they found."""
        page = read_query(Paged, request)
        found = backtests_of(user=user_of(request))[page.rows]
        return Response(page.answer(request, [_told(each) for each in found]))

    @described(
        "ask_for_backtest",
        scope=Scope.RULES,
        body=BacktestToAsk,
        answers=BacktestInFull,
        status=201,
        or_else=202,
        refused=(404, 409),
    )
    def post(self, request: Request) -> Response:
        """Says what a rule would have done over past bars.

        What is short is answered at once (201). What is long is played by and by (202): look at
        it again until its status is done, failed or cancelled.
        """
        user = user_of(request)
        wish = read(BacktestWish, request).wish(user)
        backtest = ask_for_backtest(user=user, wish=wish, clock=timezone.now)
        status = HTTPStatus.ACCEPTED if backtest.is_open else HTTPStatus.CREATED
        where = request.build_absolute_uri(f"{request.path}/{backtest.pk}")
        return Response(_in_full(backtest), status=status, headers={"Location": where})


class BacktestInDetail(RuleView):
    @described("get_backtest", scope=Scope.READ, answers=BacktestInFull, refused=(404,))
    def get(self, request: Request, backtest_id: UUID) -> Response:
        """A backtest: how far it is, and what it has found."""
        return Response(_in_full(owned_backtest(user=user_of(request), backtest_id=backtest_id)))

    @described("delete_backtest", scope=Scope.RULES, status=204, refused=(404,))
    def delete(self, request: Request, backtest_id: UUID) -> Response:
        """Forgets a backtest; one that is being played ends."""
        delete_backtest(user=user_of(request), backtest_id=backtest_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class CancelBacktest(RuleView):
    @described(
        "cancel_backtest",
        scope=Scope.RULES,
        body=Nothing,
        answers=BacktestInFull,
        refused=(404, 409),
    )
    def post(self, request: Request, backtest_id: UUID) -> Response:
        """Ends a backtest that waits or is being played. What it has found until then stays."""
        user = user_of(request)
        owned_backtest(user=user, backtest_id=backtest_id)  # 404 before what is wrong with the body
        read(Nothing, request)
        backtest = cancel_backtest(user=user, backtest_id=backtest_id, now=timezone.now())
        return Response(_in_full(backtest))


def _told(backtest: Backtest) -> dict[str, Any]:
    return {
        "id": backtest.pk,
        "description": backtest.sentence,
        "action_id": backtest.action_id,
        "status": backtest.status,
        "progress": backtest.progress,
        "error": backtest.error,
        "cells": backtest.cells,
        "created_at": backtest.created_at,
        "ended_at": backtest.ended_at,
    }


def _in_full(backtest: Backtest) -> Mapping[str, Any]:
    terms = backtest.terms
    return {
        **_told(backtest),
        "start": terms["start"],
        "end": terms["end"],
        "cash": terms["portfolio"]["cash"],
        "parameter": terms["parameter"],
        "values": terms["values"],
        "result": backtest.found,
        "settings": backtest.swept,
    }
