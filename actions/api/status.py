"""Why a rule has not fired, what triggers there are, and how the evaluator is."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.api.gates import GateOut, gate_told
from actions.api.shapes import LastEvaluation, TriggerTypes, told
from actions.monitoring import monitoring_status
from actions.registry import trigger_types
from actions.rules import Status
from actions.selectors import explain, owned_action, symbols_of, why_in_words
from actions.why import Distance
from market.selectors import latest_quotes
from rest.answers import decimal_text
from rest.schema import described
from rest.scopes import Scope


class DistanceOut(BaseModel):
    """The way to the nearest price at which the rule is looked at again. `to_go` is in dollars,
    above zero where the price must rise; `percent` is of the price."""

    symbol: str
    price: str
    level: str
    to_go: str
    percent: str


class WhyOut(BaseModel):
    """Why a rule has, or has not, fired."""

    action_id: UUID
    description: str
    status: Status
    status_reason: str
    reason: str = Field(description="The answer in one sentence.")
    gates: list[GateOut]
    distance: DistanceOut | None
    last_evaluation: LastEvaluation | None
    last_evaluated_at: datetime | None
    last_triggered_at: datetime | None
    executions_count: int


class ErrorOut(BaseModel):
    at: datetime
    message: str


class StatusOut(BaseModel):
    """How the evaluator is, and how many rules the user has of each status.

    `active`: its last tick is no older than `stale_after_seconds`. `errors` are those of the last
    hour that concern everybody, such as a feed that fails, and those of the user's own rules.
    """

    active: bool
    market_open: bool
    interval_seconds: float
    stale_after_seconds: float
    last_tick_at: datetime | None
    last_tick_seconds: float | None
    last_evaluation_at: datetime | None
    rules: dict[Status, int]
    errors: list[ErrorOut]


class Why(RuleView):
    @described("explain_action", scope=Scope.READ, answers=WhyOut, refused=(404,))
    def get(self, request: Request, action_id: UUID) -> Response:
        """Why a rule has, or has not, fired."""
        user = user_of(request)
        action = owned_action(user=user, action_id=action_id)
        quotes = latest_quotes(symbols=symbols_of(action))
        why = explain(actions=[action], quotes=quotes, now=timezone.now())[action.pk]
        return Response(
            {
                "action_id": action.pk,
                "description": action.sentence(user.zone),
                "status": action.status,
                "status_reason": action.status_reason,
                "reason": why_in_words(action, why, user.zone),
                "gates": [gate_told(gate) for gate in why.gates],
                "distance": why.distance and _distance(why.distance),
                "last_evaluation": action.last_evaluation,
                "last_evaluated_at": action.last_evaluated_at,
                "last_triggered_at": action.last_triggered_at,
                "executions_count": action.executions_count,
            }
        )


class TriggerTypesView(RuleView):
    @described("list_trigger_types", scope=Scope.READ, answers=TriggerTypes)
    def get(self, request: Request) -> Response:
        """The triggers that there are, each with the schema of its parameters and examples."""
        return Response(
            {
                "results": [
                    {"trigger_type": key, **told(trigger)}
                    for key, trigger in sorted(trigger_types().items())
                ]
            }
        )


class MonitoringStatus(RuleView):
    @described("get_monitoring_status", scope=Scope.READ, answers=StatusOut)
    def get(self, request: Request) -> Response:
        """How the evaluator is, and how many rules the user has of each status."""
        return Response(monitoring_status(user=user_of(request), now=timezone.now()))


def _distance(distance: Distance) -> dict[str, Any]:
    return {
        "symbol": distance.symbol,
        "price": decimal_text(distance.price),
        "level": decimal_text(distance.level),
        "to_go": decimal_text(distance.to_go),
        "percent": decimal_text(distance.percent.quantize(Decimal("0.01"))),
    }
