"""What all tools are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actions.models import Action
from actions.parts import InvalidRule
from chat.tools.schemas import strict
from chat.turn import Asker, Told, ToolError
from rest.bodies import Body, validated
from rest.problems import Problem


class Arguments(Body):
    """What a tool takes; what it does not take is refused by name."""


@dataclass(frozen=True, slots=True)
class Tool[A: Arguments]:
    """A thing that can be done or asked. `run` works for the asker alone."""

    name: str
    description: str
    takes: type[A]
    run: Callable[[Asker, A], Told]

    def function(self) -> dict[str, Any]:
        """As the API of models describes it."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "strict": True,
                "parameters": strict(self.takes),
            },
        }


def shaped[M: Body](model: type[M], data: Mapping[str, Any]) -> M:
    """`data` as the model has it. Raises ToolError, naming each field that is wrong."""
    try:
        return validated(model, data)
    except Problem as problem:
        raise ToolError(problem.detail) from None


def sentence_of(action: Action, asker: Asker) -> str:
    """The rule as one sentence; what it is called where it cannot be read any more."""
    try:
        return action.sentence(asker.user.zone)
    except InvalidRule:
        return str(action)
