"""Reads bodies and queries into pydantic models, whose faults become problems with each path."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from rest_framework.request import Request

from rest.faults import in_words
from rest.problems import invalid

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


_AN_INSTANT = "2026-11-27T16:00:00-05:00"


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
        raise ValueError(f"Write an instant such as {_AN_INSTANT}.")
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError:  # the 30th of February, 24:00, an offset of a day
        raise ValueError(
            f"There is no such instant. Write one that there is, such as {_AN_INSTANT}."
        ) from None
    if instant.tzinfo is None:
        raise ValueError(f"Add the offset from UTC, such as {_AN_INSTANT} or Z.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("That is beyond the calendar.") from None


def as_day(value: object) -> date:
    """A day such as 2026-11-27. Raises ValueError for anything else."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("Write a day such as 2026-11-27.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("There is no such day. Write one such as 2026-11-27.") from None


def as_instant_or_day(value: object) -> datetime | date:
    """As `as_instant`, or a day such as 2026-11-27."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return as_day(value)
    if not isinstance(value, datetime | str) or (
        isinstance(value, str) and not _INSTANT.fullmatch(value)
    ):
        raise ValueError(f"Write a day such as 2026-11-27, or an instant such as {_AN_INSTANT}.")
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
        unknown = "It is not among the fields that can be sent. Leave it out."
        raise invalid(
            {_path(error["loc"]): in_words(error, unknown=unknown) for error in wrong.errors()}
        ) from None


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:100] for part in location if part != "[key]")
