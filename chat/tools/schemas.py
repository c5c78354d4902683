"""The schemas of tools as models take them: strict ones, made from pydantic models.

In a strict schema every property is required; what may be left out may be null. It has no free
maps: one is a list of names with their values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from actions.parts import Part

_KEPT = ("type", "description", "enum")
_NULL = {"type": "null"}


def strict(model: type[BaseModel]) -> dict[str, Any]:
    """The strict schema of what the model takes."""
    return _strict(model.model_json_schema())


def one_of(name: str, parts: Mapping[str, type[Part]]) -> dict[str, Any]:
    """The schema of one of these triggers or effects, told apart by its property `name`."""
    return {"anyOf": [_named(name, key, part) for key, part in sorted(parts.items())]}


def _named(name: str, key: str, part: type[Part]) -> dict[str, Any]:
    schema = part.model_json_schema()
    return {
        "type": "object",
        "description": part.summary,
        "properties": {name: {"const": key}, **schema["properties"]},
        "required": [name, *schema.get("required", ())],
    }


def from_lists(part: type[Part], given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a model sends them, with maps again where the part has maps."""
    maps = {
        name
        for name, schema in part.model_json_schema()["properties"].items()
        if "additionalProperties" in schema
    }
    return {name: _map(value) if name in maps else value for name, value in given.items()}


def without_nulls(value: Any) -> Any:
    """The same without what was left out."""
    if isinstance(value, Mapping):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_nulls(part) for part in value]
    return value


def _map(value: Any) -> Any:
    pairs = isinstance(value, list) and all(
        isinstance(pair, Mapping) and {*pair} == {"name", "value"} for pair in value
    )
    return {str(pair["name"]): pair["value"] for pair in value} if pairs else value


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        return told | {"type": "string", "enum": [schema["const"]]}
    if "anyOf" in schema:
        return {key: told[key] for key in told if key == "description"} | _any_of(schema["anyOf"])
    if schema.get("type") == "array":
        return told | {"items": _strict(schema["items"])}
    if "properties" in schema:
        return told | _object(schema["properties"], schema.get("required", ()))
    if "additionalProperties" in schema:
        return told | {"type": "array", "items": _pair(schema["additionalProperties"])}
    return told


def _object(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    strictly = {
        name: _strict(schema) if name in required else _nullable(_strict(schema))
        for name, schema in properties.items()
    }
    return {
        "type": "object",
        "properties": strictly,
        "required": [*strictly],
        "additionalProperties": False,
    }


def _pair(value: Mapping[str, Any]) -> dict[str, Any]:
    return _object({"name": {"type": "string"}, "value": value}, ["name", "value"])


def _any_of(kinds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One of these. A number that may be written as text is text, so that no digit is lost."""
    flat: list[dict[str, Any]] = []
    for kind in map(_strict, kinds):
        flat += [each for each in kind["anyOf"] if each not in flat] if "anyOf" in kind else [kind]
    if {"type": "string"} in flat:
        flat = [kind for kind in flat if kind.get("type") != "number"]
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("anyOf")
    if kinds is None:
        described = {key: schema[key] for key in ("description",) if key in schema}
        bare = {key: part for key, part in schema.items() if key != "description"}
        return described | {"anyOf": [bare, _NULL]}
    return schema if _NULL in kinds else schema | {"anyOf": [*kinds, _NULL]}
