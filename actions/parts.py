"""What triggers and effects have in common: their parameters, and how a rule is said to be wrong.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from actions.scaling import Factor, parameter_after


class InvalidRule(ValueError):
    """A rule that cannot be: `errors` maps each field's path to what is wrong with it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{path}: {words}" for path, words in self.errors.items()))


@dataclass(frozen=True, slots=True)
class Example:
    """Parameters that make sense, and the sentence they read as."""

    params: Mapping[str, Any]
    reads: str


class Part(BaseModel):
    """What triggers and effects have in common: their fields are the parameters people set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]
    either: ClassVar[tuple[str, ...]] = ()  # fields of which exactly one is set

    @classmethod
    def key(cls) -> str:
        """The name of the file it lives in."""
        return cls.__module__.rpartition(".")[2]

    def named(self) -> Mapping[str, str]:
        """The symbols that its parameters name, by the path of each parameter."""
        return {}

    def after_split(self, factor: Factor) -> Self:
        """The same in new shares: a parameter whose type is `Price` is divided by the factor, one
        of `Quantity` (or another that is annotated with Scales) multiplied by it.

        Raises InvalidRule, by the parameter's name, where that is nothing it could be set to.
        """
        params = self.model_dump(exclude_unset=True)
        for name, parameter in type(self).model_fields.items():
            if name in params:
                up = self.rounds_up(name)
                params[name] = parameter_after(parameter, params[name], factor, up=up)
        try:
            return type(self).model_validate(params)
        except ValidationError as invalid:
            raise InvalidRule(
                {".".join(map(str, error["loc"])): error["msg"] for error in invalid.errors()}
            ) from None

    def rounds_up(self, parameter: str) -> bool:
        """Whether this parameter is rounded up where a split leaves it between two prices or
        numbers of shares: so that no rule fires that would not have fired before it."""
        return True
