"""Reads bodies and queries into pydantic models, whose faults become problems with each path."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from rest_framework.request import Request

from rest.problems import invalid

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


class Body(BaseModel):
    """What a client may send; what it may not is refused by name.

    Fields are of types that convert nothing (StrictStr, StrictInt): a number is no text, true is no
    number."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Query(BaseModel):
    """The parameters of an address: text, which is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_instant(value: object) -> datetime:
    """An instant in UTC, as RFC 3339 writes it. Raises ValueError for one without an offset."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("Write an instant such as 2026-11-27T16:00:00-05:00.")
    try:
        instant = datetime.fromisoformat(value.upper())
        if instant.tzinfo is None:
            raise ValueError("Add the offset from UTC, such as 2026-11-27T16:00:00-05:00 or Z.")
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("That is beyond the calendar.") from None


def as_day(value: object) -> date:
    """A day such as 2026-11-27. Raises ValueError for anything else."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("Write a day such as 2026-11-27.")


def as_instant_or_day(value: object) -> datetime | date:
    """As `as_instant`, or a day such as 2026-11-27."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    return as_instant(value)


Instant = Annotated[datetime, BeforeValidator(as_instant)]
InstantOrDay = Annotated[datetime | date, BeforeValidator(as_instant_or_day)]


def read[M: BaseModel](model: type[M], request: Request) -> M:
    """The request's body. Raises Problem, naming each field that is wrong."""
    return validated(model, request.data)


def read_query[M: BaseModel](model: type[M], request: Request) -> M:
    """The parameters of the request's address. Raises Problem, also for one that is not known or
    stands there twice."""
    given = request.query_params
    repeated = {name: "Give it once." for name in given if len(given.getlist(name)) > 1}
    words = "It has a character that cannot be used."
    unkept = {name: words for name in given if _odd(given[name])}
    if repeated or unkept:
        raise invalid(repeated | unkept)
    return validated(model, given.dict())


def _odd(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def validated[M: BaseModel](model: type[M], data: object) -> M:
    """`data` as the model has it. Raises Problem, naming each field that is wrong."""
    if not isinstance(data, Mapping):
        raise invalid({"": "Send a JSON object, such as {}."})
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        raise invalid({_path(error["loc"]): _in_words(error) for error in wrong.errors()}) from None


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:100] for part in location if part != "[key]")


def _in_words(error: Any) -> str:
    words = {
        "missing": "This is needed.",
        "extra_forbidden": "It is not among the fields that can be sent. Leave it out.",
    }.get(error["type"])
    return words or str(error["msg"]).removeprefix("Value error, ")
