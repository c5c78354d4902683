"""Which rules are listed, and in which order."""

from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import F, Q, QuerySet
from pydantic import Field

from accounts.models import User
from actions.models import Action
from actions.registry import action_types, trigger_types
from actions.rules import Status
from rest.paging import Paged

ORDERS = ("created_at", "updated_at", "last_triggered_at", "symbol", "status", "executions_count")
_ORDERS: Any = Literal[tuple(f"{sign}{name}" for name in ORDERS for sign in ("", "-"))]
_ACTION_TYPES: Any = Literal[tuple(sorted(action_types()))]
_TRIGGER_TYPES: Any = Literal[tuple(sorted(trigger_types()))]


class RuleQuery(Paged):
    """Which of the user's rules, and in which order."""

    status: Status | None = None
    symbol: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    action_type: _ACTION_TYPES | None = None
    trigger_type: _TRIGGER_TYPES | None = None
    portfolio_id: UUID | None = None
    search: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Part of the symbol or of the notes."
    )
    ordering: _ORDERS = Field("-created_at", description="With a minus the other way round.")


def listed(user: User, asked: RuleQuery) -> QuerySet[Action]:
    """The user's rules that are asked for, in the order that is asked for."""
    wanted: dict[str, Any] = {
        "status": asked.status,
        "symbol": asked.symbol and asked.symbol.upper(),
        "action_type": asked.action_type,
        "trigger_type": asked.trigger_type,
        "portfolio_id": asked.portfolio_id,
    }
    rules = Action.objects.filter(
        user=user, **{name: value for name, value in wanted.items() if value is not None}
    )
    if asked.search:
        rules = rules.filter(Q(symbol__icontains=asked.search) | Q(notes__icontains=asked.search))
    name = str(asked.ordering).removeprefix("-")
    falls = asked.ordering != name
    if name == "created_at":  # the index has it in this order, and read backwards in the other
        return rules.order_by(*(("-created_at", "id") if falls else ("created_at", "-id")))
    by = F(name).desc(nulls_last=True) if falls else F(name).asc(nulls_last=True)
    return rules.order_by(by, "-created_at", "id")
