"""Which numbers a variable of the environment may have, in words."""

from typing import Any, get_args

from pydantic.fields import FieldInfo


def numbers_of(field: FieldInfo) -> str:
    """Such as "a number from 0.1 to 3600"; empty for a variable that is no number."""
    least = _said(field, "ge")
    if least is None:
        return ""
    kind = "whole number" if int in (field.annotation, *get_args(field.annotation)) else "number"
    places = _said(field, "decimal_places")
    finest = f" with at most {places} decimals" if places else ""
    return f"a {kind} from {least} to {_said(field, 'le')}{finest}"


def _said(field: FieldInfo, name: str) -> Any:
    """What one of the field's bounds says; None where it has none of that name."""
    found = [getattr(part, name) for part in field.metadata if hasattr(part, name)]
    return found[0] if found else None
