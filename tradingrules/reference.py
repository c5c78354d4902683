"""The API's schema, as its page of reference shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "patch", "put", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of an address. `shapes` are the bodies that can be sent, by name."""

    id: str
    method: str
    path: str
    description: str
    parameters: list[Field]
    shapes: Mapping[str, list[Field]]
    answers: list[tuple[str, str]] = field(default_factory=list)


def operations(schema: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """The operations of an OpenAPI document by tag, as a person reads them."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if described := methods.get(method):
                tag = described["tags"][0].capitalize()
                groups.setdefault(tag, []).append(_operation(path, method, described, schema))
    return groups


def fields(shape: Mapping[str, Any]) -> list[Field]:
    """The fields of an object that a JSON schema describes."""
    required = shape.get("required", ())
    return [
        Field(key, _type(value), key in required, value.get("description", ""))
        for key, value in shape.get("properties", {}).items()
    ]


def _operation(
    path: str, method: str, described: Mapping[str, Any], schema: Mapping[str, Any]
) -> Operation:
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        description=described.get("description", ""),
        parameters=[
            Field(
                each["name"],
                f"{_type(each['schema'])}, in the {each['in']}",
                each.get("required", False),
                each.get("description", ""),
            )
            for each in described.get("parameters", ())
        ],
        shapes=dict(_shapes(body.get("schema", {}), schema)),
        answers=[(code, each["description"]) for code, each in described["responses"].items()],
    )


def _shapes(
    body: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterable[tuple[str, list[Field]]]:
    name, shape = _resolved(body, schema)
    if "oneOf" in shape:
        for each in shape["oneOf"]:
            yield from _shapes(each, schema)
    elif shape:
        yield name, fields(shape)


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = part.get("$ref", "").rpartition("/")[2]
    return (name, schema["components"]["schemas"][name]) if name else ("", part)


def _type(described: Mapping[str, Any]) -> str:
    """A type in words: "string or null"."""
    if "$ref" in described:
        return str(described["$ref"].rpartition("/")[2])
    if "const" in described:
        return repr(described["const"])
    if "enum" in described:
        return ", ".join(map(str, described["enum"]))
    for several in ("anyOf", "oneOf"):
        if several in described:
            return " or ".join(dict.fromkeys(map(_type, described[several])))
    if described.get("type") == "array":
        return f"list of {_type(described.get('items', {}))}"
    return str(described.get("format") or described.get("type", "anything"))
