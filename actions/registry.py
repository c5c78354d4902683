"""Finds the triggers and effects: every module in their folder is one, named by its file."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from actions import effects, triggers
from actions.parts import InvalidRule, Part
from actions.rules import Effect, Trigger
from rest.faults import in_words

SIZE_COLUMNS = frozenset({"quantity", "amount_usd"})  # columns of the rule, not action_params


@cache
def trigger_types() -> Mapping[str, type[Trigger]]:
    """Every trigger by its `trigger_type`."""
    return _parts(triggers, Trigger)


@cache
def action_types() -> Mapping[str, type[Effect]]:
    """Every effect by its `action_type`, which is its file's name in capitals."""
    return {key.upper(): part for key, part in _parts(effects, Effect).items()}


def parse_trigger(trigger_type: str, params: Mapping[str, Any]) -> Trigger:
    """The trigger with its parameters. Raises InvalidRule with paths such as
    `trigger_params.threshold`."""
    known = trigger_types()
    if trigger_type not in known:
        raise InvalidRule({"trigger_type": _not_one_of(trigger_type, known)})
    return _parse(known[trigger_type], params, prefix="trigger_params")


def parse_effect(
    action_type: str, *, sizes: Mapping[str, Any], params: Mapping[str, Any]
) -> Effect:
    """The effect with its size (`quantity`, `amount_usd`: those that are set) and `action_params`.

    Raises InvalidRule with paths such as `quantity` or `action_params.message`.
    """
    known = action_types()
    if action_type not in known:
        raise InvalidRule({"action_type": _not_one_of(action_type, known)})
    if misplaced := sorted(SIZE_COLUMNS & set(params)):
        raise InvalidRule({f"action_params.{misplaced[0]}": "Set it as a field of the rule only."})
    try:
        return _parse(known[action_type], {**sizes, **params}, prefix="action_params")
    except InvalidRule as invalid:
        # A size is a column of the rule, and what concerns several sizes is shown at the first.
        fields = {f"action_params.{name}": name for name in SIZE_COLUMNS}
        fields["action_params"] = "quantity"
        errors = {fields.get(path, path): words for path, words in invalid.errors.items()}
        unfit = sizes.keys() - known[action_type].model_fields.keys()
        errors |= dict.fromkeys(unfit, f"Leave it out: {action_type} has no such size.")
        raise InvalidRule(errors) from None


def stored_params(part: Part) -> dict[str, Any]:
    """A part's parameters as they are stored: as they were understood (numbers as exact text), but
    only those that were given, so that a default that we change later changes for those who never
    chose. Sizes are columns of the rule."""
    return part.model_dump(mode="json", exclude_unset=True, exclude=set(SIZE_COLUMNS))


def _parts[P: Part](package: ModuleType, kind: type[P]) -> dict[str, type[P]]:
    parts = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        found = [
            value
            for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values()
            if isinstance(value, type) and issubclass(value, kind) and value.key() == module.name
        ]
        if len(found) != 1:
            raise TypeError(f"{package.__name__}/{module.name}.py must hold one {kind.__name__}.")
        parts[module.name] = found[0]
    return parts


def _parse[P: Part](part: type[P], params: Mapping[str, Any], *, prefix: str) -> P:
    try:
        return part.model_validate(params)
    except ValidationError as invalid:
        raise InvalidRule(problems_of(invalid, prefix)) from None


def problems_of(invalid: ValidationError, *prefix: str) -> dict[str, str]:
    """What is wrong, in words, by the path of the field."""
    return {
        _path(*prefix, *error["loc"]): in_words(error, unknown="There is no such parameter.")
        for error in invalid.errors()
    }


def _path(*location: int | str) -> str:
    # A name that cannot be is shown where its value would be.
    return ".".join(str(part) for part in location if part != "[key]")


def _not_one_of(name: str, known: Mapping[str, object]) -> str:
    return f"“{str(name)[:40]}” is not known. Use one of: {', '.join(sorted(known))}."
