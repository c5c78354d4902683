"""Rules tried on a market that is made up."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.utils import timezone
from pydantic import AfterValidator, BaseModel, Field, StrictInt
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.api.gates import GateOut, gate_told
from actions.api.shapes import NewRule, RuleToCreate
from actions.fields import Price, Symbol
from actions.rules import Wake
from actions.selectors import owned_action
from actions.simulate import MadeUp, Simulation, simulate_action, simulate_draft
from market.quotes import VOLUME_MAX
from portfolios.ledger import Entry, Snapshot
from rest.answers import decimal_text
from rest.bodies import Body, Instant, read
from rest.schema import described
from rest.scopes import Scope

_EARLIEST, _LATEST = datetime(1993, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _in_calendar(at: datetime) -> datetime:
    if not _EARLIEST <= at < _LATEST:
        raise ValueError("Use an instant from 1993 to 2099.")
    return at


class Market(Body):
    """A market that is made up. What is left out is as it stands.

    `price`, `previous_close`, `volume` and `closes` are those of the symbol that the trigger
    watches; `prices` are those of others.
    """

    price: Price | None = None
    previous_close: Price | None = None
    volume: Annotated[StrictInt, Field(ge=0, le=VOLUME_MAX)] | None = Field(
        None, description="Shares traded in the session so far."
    )
    at: Annotated[Instant, AfterValidator(_in_calendar)] | None = Field(
        None, description="By default now."
    )
    closes: Annotated[list[Price], Field(max_length=500)] = Field(
        [], description="Of the last completed sessions, oldest first."
    )
    prices: Annotated[dict[Symbol, Price], Field(max_length=100)] = Field({})
    runtime_state: dict[str, Any] | None = Field(
        None, description="What the trigger remembers. By default what it does."
    )

    def made_up(self, now: datetime) -> MadeUp:
        return MadeUp(
            at=self.at or now,
            price=self.price,
            previous_close=self.previous_close,
            volume=self.volume,
            closes=self.closes,
            prices=self.prices,
            state=self.runtime_state,
        )


class DraftOnMarket(Body):
    """A rule that is not stored, and the market to try it on."""

    rule: NewRule
    market: Market = Field(default_factory=Market)


class RuleOnMarket(Body):
    rule: RuleToCreate  # type: ignore[valid-type]
    market: Market = Field(default_factory=Market)


class OrderOut(BaseModel):
    side: Literal["buy", "sell"]
    symbol: str
    quantity: str
    price: str
    amount: str


class PositionOut(BaseModel):
    quantity: str
    cost_basis: str


class BandOut(BaseModel):
    """Woken at or below, at or above a price, at a volume, or when the price has turned so far."""

    symbol: str
    below: str | None
    above: str | None
    volume_above: int | None
    turns: bool


class RefusalOut(BaseModel):
    code: str
    message: str


class SimulationOut(BaseModel):
    """What would come of a look at the rule. `refusal` is why its orders would be refused: that
    counts as a failed execution."""

    would_fire: bool
    outcome: Literal["fired", "not_fired", "unknown", "blocked", "expired", "missed"]
    reason: str
    gates: list[GateOut]
    orders: list[OrderOut]
    refusal: RefusalOut | None
    message: str = Field(description="The effect's own words.")
    cash_before: str | None
    cash_after: str | None
    holdings_after: dict[str, PositionOut]
    runtime_state_after: dict[str, Any]
    next_watch: list[BandOut]
    next_look_at: datetime | None


class SimulateRule(RuleView):
    @described(
        "simulate_action", scope=Scope.READ, body=Market, answers=SimulationOut, refused=(404,)
    )
    def post(self, request: Request, action_id: UUID) -> Response:
        """Tries a stored rule. Changes nothing."""
        user = user_of(request)
        owned_action(user=user, action_id=action_id)  # 404 before what is wrong with the body
        market = read(Market, request).made_up(timezone.now())
        return Response(_told(simulate_action(user=user, action_id=action_id, market=market)))


class SimulateDraft(RuleView):
    @described("simulate_new_action", scope=Scope.READ, body=RuleOnMarket, answers=SimulationOut)
    def post(self, request: Request) -> Response:
        """Tries a rule that is not stored, as if it began now. Changes nothing."""
        asked = read(DraftOnMarket, request)
        market = asked.market.made_up(timezone.now())
        return Response(
            _told(simulate_draft(user=user_of(request), draft=asked.rule.draft(), market=market))
        )


def _told(simulation: Simulation) -> dict[str, Any]:
    refusal = simulation.refusal
    return {
        "would_fire": simulation.would_fire,
        "outcome": simulation.outcome,
        "reason": simulation.reason,
        "gates": [gate_told(gate) for gate in simulation.gates],
        "orders": [_order(entry) for entry in simulation.entries],
        "refusal": refusal and {"code": refusal.code, "message": refusal.message},
        "message": simulation.message,
        "cash_before": _cash(simulation.before),
        "cash_after": _cash(simulation.after),
        "holdings_after": _holdings(simulation.after),
        "runtime_state_after": simulation.state,
        "next_watch": _bands(simulation.wake),
        "next_look_at": simulation.wake.at,
    }


def _order(entry: Entry) -> dict[str, Any]:
    return {
        "side": entry.kind,
        "symbol": entry.symbol,
        "quantity": decimal_text(abs(entry.quantity or Decimal(0))),
        "price": decimal_text(entry.price or Decimal(0)),
        "amount": f"{abs(entry.amount):.2f}",
    }


def _cash(portfolio: Snapshot | None) -> str | None:
    return None if portfolio is None else f"{portfolio.cash:.2f}"


def _holdings(portfolio: Snapshot | None) -> dict[str, Any]:
    if portfolio is None:
        return {}
    return {
        symbol: {
            "quantity": decimal_text(position.quantity),
            "cost_basis": f"{position.cost_basis:.2f}",
        }
        for symbol, position in sorted(portfolio.positions.items())
    }


def _bands(wake: Wake) -> list[dict[str, Any]]:
    return [
        {
            "symbol": symbol,
            "below": None if band.below is None else decimal_text(band.below),
            "above": None if band.above is None else decimal_text(band.above),
            "volume_above": band.volume_above,
            "turns": band.turn is not None,
        }
        for symbol, band in sorted(wake.bands.items())
    ]
