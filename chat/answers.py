"""What is needed of a model's answer. Servers differ in the rest, which is not looked at."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field


def _storable(text: object) -> object:
    """Without what PostgreSQL cannot keep."""
    return text.replace("\0", "") if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_storable)]


class Function(BaseModel):
    name: Text
    arguments: Text = ""


class Call(BaseModel):
    id: Text
    function: Function

    def sent_back(self) -> dict[str, Any]:
        """As it stands before its result in what is asked next."""
        return {"id": self.id, "type": "function", "function": self.function.model_dump()}


class Message(BaseModel):
    content: Text | None = None
    refusal: Text | None = None
    tool_calls: list[Call] | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None


class Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0, le=10**8)] = 0
    completion_tokens: Annotated[int, Field(ge=0, le=10**8)] = 0


class ModelAnswer(BaseModel):
    """The body of a completion."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage | None = None
