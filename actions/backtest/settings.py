"""The settings of a sweep: which numbers of a trigger there are, and values evenly apart. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from actions.rules import Trigger
from portfolios.money import EXACT, PRICE_STEP


def numbers_of(trigger: type[Trigger]) -> Mapping[str, bool]:
    """The parameters that are numbers, each with whether it is a whole one."""
    found = {}
    for name, schema in trigger.model_json_schema()["properties"].items():
        kinds = set(_kinds(schema)) - {"null"}
        if kinds == {"integer"} or "number" in kinds:
            found[name] = kinds == {"integer"}
    return found


def spread(first: Decimal, last: Decimal, steps: int, *, whole: bool) -> Sequence[Decimal]:
    """So many values from `first` to `last`, evenly apart, with 6 decimals at most; each once."""
    step = Decimal(1) if whole else PRICE_STEP
    if steps == 1:
        return [first]
    way = EXACT.subtract(last, first)
    values = (
        EXACT.add(first, EXACT.divide(EXACT.multiply(way, Decimal(n)), Decimal(steps - 1)))
        for n in range(steps)
    )
    stepped = (value.quantize(step, ROUND_HALF_EVEN, EXACT) for value in values)
    return list(dict.fromkeys(Decimal(f"{value.normalize():f}") for value in stepped))


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    if "type" in schema:
        yield schema["type"]
    for kind in schema.get("anyOf", ()):
        yield from _kinds(kind)
