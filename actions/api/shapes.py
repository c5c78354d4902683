"""What is sent and answered for rules. Triggers and effects are their own shapes.

A rule that is sent is one of as many shapes as there are triggers, told apart by `trigger_type`, so
that a client knows which parameters go with which. They are read as one, NewRule, and the services
check what goes together.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    StrictInt,
    StrictStr,
    create_model,
)

from actions.drafting import LONGEST_EXTERNAL_ID, Draft
from actions.fields import Quantity, Usd
from actions.parts import Part
from actions.registry import SIZE_COLUMNS, action_types, trigger_types
from actions.rules import Effect, Status
from rest.bodies import Body, Instant, InstantOrDay
from rest.paging import Page

LONGEST_NOTES = 2000  # characters

_Type = Annotated[StrictStr, Field(max_length=40)]
_Symbol = Annotated[StrictStr, Field(min_length=1, max_length=40)]
_Params = dict[str, Any]


class _Fields(Body):
    """The fields of a rule that people set, and may leave out."""

    symbol: _Symbol | None = Field(None, description="What is traded, or else watched.")
    quantity: Quantity | None = Field(None, description="Shares, for BUY and SELL.")
    amount_usd: Usd | None = Field(None, description="Dollars, instead of a quantity.")
    action_params: _Params = Field({}, description="The effect's further parameters.")
    portfolio_id: UUID | None = Field(None, description="By default the primary one.")
    valid_from: Instant | None = Field(None, description="By default now.")
    valid_until: InstantOrDay | None = Field(
        None, description="An instant, or a day: then that day's close."
    )
    max_executions: StrictInt | None = Field(1, description="null: as often as it fires.")
    cooldown_seconds: StrictInt | None = None
    notes: Annotated[StrictStr, Field(max_length=LONGEST_NOTES)] | None = None
    rehearsal: StrictBool = Field(
        False, description="It trades nothing. Set with a new rule, and ended by promoting it."
    )
    external_id: (
        Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_EXTERNAL_ID)] | None
    ) = Field(None, description="Your own name for the rule; no other of yours has it.")


class NewRule(_Fields):
    """A rule to be stored, or to be tried."""

    action_type: _Type
    trigger_type: _Type
    trigger_params: _Params
    status: Literal["active"] = "active"

    def draft(self) -> Draft:
        return Draft(
            **{name: getattr(self, name) for name in type(self).model_fields if name != "status"}
        )


class RuleChanges(_Fields):
    """What is to be different. What is left out stays as it is; parameters are replaced whole."""

    action_type: _Type = ""
    trigger_type: _Type = ""
    trigger_params: _Params = Field({})
    status: Status = Field(
        Status.ACTIVE, description="paused, active again, or cancelled for good."
    )

    def given(self) -> Mapping[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


# --- As they are described ---


def _without_sizes(effect: type[Effect]) -> type[BaseModel]:
    """The shape of an effect's `action_params`: its fields that are no columns of their own."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in effect.model_fields.items()
        if name not in SIZE_COLUMNS
    }
    config = ConfigDict(extra="forbid", title=f"{effect.__name__}Params")
    shape = create_model(f"{effect.__name__}Params", __config__=config, **fields)
    shape.__doc__ = f"The action_params of {effect.key().upper()}."
    return shape


_ACTION_TYPES: Any = Literal[tuple(sorted(action_types()))]
_TRIGGER_TYPES: Any = Literal[tuple(sorted(trigger_types()))]
_ACTION_PARAMS: Any = reduce(
    or_, (_without_sizes(effect) for _, effect in sorted(action_types().items()))
)


def _union(name: str, base: type[BaseModel], what: str) -> type[RootModel[Any]]:
    """A shape like `base` for each trigger, with its parameters."""
    shapes = [
        create_model(
            f"{trigger.__name__}{what}",
            __base__=base,
            __doc__=trigger.summary,
            trigger_type=(Literal[key], ...),  # type: ignore[arg-type]
            trigger_params=(trigger, ...),
            action_type=(_ACTION_TYPES, ...),
        )
        for key, trigger in sorted(trigger_types().items())
    ]
    union: Any = Annotated[reduce(or_, shapes), Field(discriminator="trigger_type")]
    return create_model(name, __base__=RootModel[union])


class _Sent(NewRule):
    action_params: _ACTION_PARAMS = Field({}, description="The effect's further parameters.")


class LastEvaluation(BaseModel):
    """What the last look found."""

    finding: str
    reason: str
    gate: str | None
    at: datetime
    faults: int = 0


class _Answered(BaseModel):
    """A rule as it is stored."""

    description: str = Field(description="The rule as one plain sentence.")
    id: UUID
    status: Status
    status_reason: str
    action_type: _ACTION_TYPES
    symbol: str | None
    quantity: str | None
    amount_usd: str | None
    action_params: _ACTION_PARAMS
    trigger_type: str
    trigger_params: dict[str, Any]
    runtime_state: dict[str, Any] = Field(description="What the trigger remembers.")
    valid_from: datetime | None
    valid_until: datetime | None
    max_executions: int | None
    executions_count: int
    cooldown_seconds: int | None
    portfolio_id: UUID | None
    rehearsal: bool = Field(description="It is watched, fires and is told, and trades nothing.")
    promoted_at: datetime | None = Field(description="When a rehearsal became a rule that trades.")
    last_triggered_at: datetime | None
    last_evaluated_at: datetime | None
    last_evaluation: LastEvaluation | None
    consecutive_failures: int
    notes: str | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime


RuleToCreate = _union("RuleToCreate", _Sent, "ToCreate")
Rule = _union("Rule", _Answered, "Rule")


class Rules(Page):
    results: list[Rule]  # type: ignore[valid-type]


class RuleEdit(RuleChanges):
    """RuleChanges as they are described: parameters are those of one trigger."""

    action_type: _ACTION_TYPES = Field("BUY")
    trigger_type: _TRIGGER_TYPES = Field("price_above")
    trigger_params: reduce(or_, trigger_types().values()) = Field({})  # type: ignore[valid-type]
    action_params: _ACTION_PARAMS = Field({})


class TriggerTypeOut(BaseModel):
    """A trigger: the JSON schema of its `trigger_params`, and examples with how each reads."""

    trigger_type: str
    title: str
    description: str
    params_schema: dict[str, Any]
    examples: list["ExampleOut"]


class ExampleOut(BaseModel):
    params: dict[str, Any]
    reads: str


class TriggerTypes(BaseModel):
    results: list[TriggerTypeOut]


def told(part: type[Part]) -> dict[str, Any]:
    """A trigger or effect, for who would fill it in."""
    return {
        "title": part.title,
        "description": part.summary,
        "params_schema": part.model_json_schema(),
        "examples": [{"params": dict(each.params), "reads": each.reads} for each in part.examples],
    }
