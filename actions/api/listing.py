"""Which rules are listed, and in which order."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from accounts.models import User
from actions.registry import action_types, trigger_types
from actions.rows import FILTERS, ORDERS, rule_rows
from actions.rules import Status
from rest.paging import Paged

_ORDERS: Any = Literal[tuple(ORDERS)]
_ACTION_TYPES: Any = Literal[tuple(sorted(action_types()))]
_TRIGGER_TYPES: Any = Literal[tuple(sorted(trigger_types()))]


class RuleQuery(Paged):
    """Which of the user's rules, and in which order."""

    status: Status | None = None
    symbol: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    action_type: _ACTION_TYPES | None = None
    trigger_type: _TRIGGER_TYPES | None = None
    portfolio_id: UUID | None = None
    rehearsal: bool | None = None
    search: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Part of the symbol or of the notes."
    )
    ordering: _ORDERS = Field("-created_at", description="With a minus the other way round.")

    def listed(self, user: User) -> Sequence[bytes]:
        """The page's rows, and one more where there is a next page."""
        values = {name: getattr(self, name) for name in FILTERS}
        return rule_rows(
            user=user,
            wanted={name: value for name, value in values.items() if value is not None},
            order=self.ordering,
            limit=self.page_size + 1,
            offset=self.rows.start,
        )
