"""How the API describes itself: OpenAPI 3.1, from the pydantic models that it reads and answers."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel
from pydantic.json_schema import model_json_schema

from rest.bodies import Query
from rest.problems import MEDIA_TYPE, ProblemDetails
from rest.scopes import Scope

_ALWAYS = (401, 403, 406, 429)  # whatever is asked for
_LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_OWN_WORDS = {*_LIMITS, "max_digits", "decimal_places", "allow_inf_nan"}


class AutoSchema(SpectacularAutoSchema):
    """Puts operations together by the part of the house that serves them."""

    def get_tags(self) -> list[str]:
        return [self.view.__module__.split(".")[0]]


class Pydantic(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A pydantic model, as what may be sent or as what is answered: a number that may be sent as
    text or as a number is answered as text."""

    target_class = "pydantic.BaseModel"
    match_subclasses = True
    priority = 1  # before the one that comes with drf-spectacular, which knows answers only

    def get_name(self, auto_schema: Any, direction: Direction) -> str:
        # A model that is a part of another's is registered under its name alone: no collision.
        set_override(self.target, "suppress_collision_warning", True)
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        sent = direction == "request"
        suffix = "Input" if sent else ""
        described = model_json_schema(
            self.target,
            ref_template=f"#/components/schemas/{{model}}{suffix}",
            mode="validation" if sent else "serialization",
        )
        schema: dict[str, Any] = _tidied(described)
        for name, part in schema.pop("$defs", {}).items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name=f"{name}{suffix}",
                type=ResolvedComponent.SCHEMA,
                object=f"{name}{suffix}",
                schema=part | {"title": f"{name}{suffix}"},  # what clients call it
            )
            auto_schema.registry.register_on_missing(component)
        return schema


def described[F: Callable[..., Any]](
    operation_id: str,
    *,
    answers: Any = None,
    status: int = 200,
    or_else: int | None = None,
    body: Any = None,
    query: type[Query] | None = None,
    headers: Mapping[str, str] | None = None,
    answer_headers: Mapping[str, str] | None = None,
    refused: tuple[int, ...] = (),
    scope: Scope | None = None,
    **more: Any,
) -> Callable[[F], F]:
    """An operation: what it takes, what it answers with which status (or another, `or_else`), and
    with which it refuses.

    `headers` and `answer_headers` map the names of what may be sent and is answered to their
    meaning. `scope` is what an API token must be good for; without one, none is.
    """
    codes = sorted(
        {*_ALWAYS, *refused, *((400, 413, 415) if body else ()), *((400,) if query else ())}
    )
    problems = {
        (code, MEDIA_TYPE): OpenApiResponse(ProblemDetails, HTTPStatus(code).phrase)
        for code in codes
    }
    statuses = [each for each in (status, or_else) if each is not None]
    parameters = [*_parameters(query)] if query else []
    for names, response in ((headers, False), (answer_headers, statuses)):
        parameters += [
            OpenApiParameter(
                name, str, OpenApiParameter.HEADER, description=words, response=response
            )
            for name, words in (names or {}).items()
        ]
    describe: Callable[[F], F] = extend_schema(
        operation_id=operation_id,
        request=body,
        responses={
            **dict.fromkeys(statuses, answers or OpenApiResponse(description="Done.")),
            **problems,
        },
        parameters=parameters,
        **more,
    )

    def decorate(operation: F) -> F:
        told = describe(operation)
        told.scope = scope  # type: ignore[attr-defined]
        return told

    return decorate


def _parameters(query: type[BaseModel]) -> list[OpenApiParameter]:
    schema = model_json_schema(query)
    required = schema.get("required", [])
    return [
        OpenApiParameter(
            name,
            _in_address(field, schema.get("$defs", {})),
            OpenApiParameter.QUERY,
            required=name in required,
            description=field.get("description", ""),
        )
        for name, field in schema["properties"].items()
    ]


def _in_address(field: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema: what may be left out has no null in an address."""
    kind = dict(next((each for each in field.get("anyOf", ()) if each != {"type": "null"}), field))
    if reference := kind.pop("$ref", ""):
        kind |= parts[reference.rpartition("/")[2]]
    return {key: value for key, value in kind.items() if key not in {"title", "description"}}


def _tidied(schema: Any) -> Any:
    """Without pydantic's own words for the limits of a decimal number, said in those of JSON schema
    where they concern numbers."""
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    limits = {_LIMITS[key]: float(schema[key]) for key in _LIMITS.keys() & schema.keys()}
    kept = {key: _tidied(value) for key, value in schema.items() if key not in _OWN_WORDS}
    if kept.get("default") in ({}, []):  # generators of clients cannot make one of a model
        del kept["default"]
    if limits and "anyOf" in kept:
        kept["anyOf"] = [
            part | limits if part.get("type") == "number" else part for part in kept["anyOf"]
        ]
    return kept
