"""Writes answers: JSON, in which money and prices are text, so that no digit is lost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpResponse
from pydantic import BaseModel
from rest_framework.renderers import BaseRenderer

from rest.problems import MEDIA_TYPE, Problem


class Json(BaseRenderer):
    """`application/json`."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else as_json(data)


def as_json(data: Any) -> bytes:
    return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def ready_made(body: bytes, *, status: int = 200) -> HttpResponse:
    """An answer whose JSON is written already."""
    return HttpResponse(body, status=status, content_type=Json.media_type)


def as_answer(problem: Problem) -> HttpResponse:
    """A problem, where no view of the API answers."""
    return HttpResponse(
        as_json(problem.details()),
        status=problem.status.value,
        headers=problem.headers,
        content_type=MEDIA_TYPE,
    )


def decimal_text(number: Decimal) -> str:
    """The number without an exponent and without zeros at its end: 10, 0.125."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return decimal_text(value)
        case BaseModel():
            return value.model_dump()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")
