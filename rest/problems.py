"""What is refused, as problem details (RFC 9457): `application/problem+json`.

Beside the standard's members each has a `code` for programs, whose meaning never changes, and where
fields are wrong, `errors`: each field's path, such as `trigger_params.threshold`, with the remedy.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"


class Wrong(BaseModel):
    """One field that is wrong. Empty where the fault is the body's as a whole."""

    field: str = Field(description="The field's path, such as trigger_params.threshold.")
    message: str = Field(description="What is wrong with it, and the remedy.")


class ProblemDetails(BaseModel):
    """Why a request was refused."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="The kind of refusal, for programs: it never changes.")
    detail: str = Field(description="What is wrong, in plain words.")
    errors: list[Wrong] = Field([], description="The fields that are wrong, where fields are.")


class Problem(Exception):
    """A request that is refused with this status, code and reason."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.detail = status, code, detail
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})
        super().__init__(detail)

    def details(self) -> dict[str, Any]:
        """As the body of the answer."""
        return ProblemDetails(
            title=self.status.phrase,
            status=self.status.value,
            code=self.code,
            detail=self.detail,
            errors=[Wrong(field=path, message=words) for path, words in self.errors.items()],
        ).model_dump()


def invalid(errors: Mapping[str, str]) -> Problem:
    """Fields that are wrong, by path."""
    detail = " ".join(f"{path}: {words}" if path else words for path, words in errors.items())
    return Problem(HTTPStatus.BAD_REQUEST, "invalid", detail[:1000], errors=errors)


def not_found() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here, or it is not yours.")
