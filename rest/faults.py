"""What pydantic finds wrong with a value, in our words, with the remedy. Pure."""

from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[str, str] = {
    "missing": "This is needed.",
    # No field but a symbol's has a pattern.
    "string_pattern_mismatch": "Use a symbol: up to 16 letters, digits, dots, dashes, slashes.",
    "string_too_short": "Use at least {min_length} characters.",
    "string_too_long": "Use at most {max_length} characters.",
    "string_type": "Use a text.",
    "literal_error": "Use {expected}.",
    "enum": "Use {expected}.",
    "bool_type": "Use true or false.",
    "bool_parsing": "Use true or false.",
    "int_type": "Use a whole number.",
    "int_parsing": "Use a whole number.",
    "int_parsing_size": "Use a smaller whole number.",
    "greater_than": "Use more than {gt}.",
    "greater_than_equal": "Use {ge} or more.",
    "less_than": "Use less than {lt}.",
    "less_than_equal": "Use {le} or less.",
    "decimal_max_digits": "Use at most {max_digits} digits.",
    "decimal_max_places": "Use at most {decimal_places} decimals.",
    "decimal_whole_digits": "Use at most {whole_digits} digits before the decimals.",
    "uuid_type": "Use an id, such as 8ef6b35a-97fc-409a-be29-2ccb900f73eb.",
    "uuid_parsing": "Use an id, such as 8ef6b35a-97fc-409a-be29-2ccb900f73eb.",
    "dict_type": "Use an object, such as {{}}.",
    "model_type": "Use an object, such as {{}}.",
    "list_type": "Use a list, such as [].",
    "too_short": "Use at least {min_length} of them.",
    "too_long": "Use at most {max_length} of them.",
}
_NOT_EMPTY = "This must not be empty."


def in_words(error: Any, *, unknown: str) -> str:
    """An error of a ValidationError. `unknown`: what is said of a name that is not known."""
    kind, bounds = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown
    if kind in ("string_too_short", "too_short") and bounds.get("min_length") == 1:
        return _NOT_EMPTY
    if kind in ("too_short", "too_long") and isinstance(error["input"], str):
        kind = f"string_{kind}"
    words = _WORDS.get(kind)
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return words.format_map({name: _bound(value) for name, value in bounds.items()})


def _bound(value: Any) -> str:
    return value.replace("'", "") if isinstance(value, str) else f"{value:,}"
