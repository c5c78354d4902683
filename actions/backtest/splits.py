"""Splits as people write them: new shares for an old one, from a day on. Pure."""

import re
from datetime import date
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from actions.backtest.series import Split

_WORDS = "Use a number, such as 7, or a ratio of new to old shares, such as 7:1 or 1/8."
_is_ratio = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:[:/](\d{1,9}))?", re.ASCII).fullmatch
_is_line = re.compile(r"(\S+)\s+(\S+)\s+(\S+)").fullmatch


def _factor(value: object) -> Fraction:
    """7, 1.5, "1/8" or "1:8": new shares for an old one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(_WORDS)
    ratio = _is_ratio(str(value).strip())
    if ratio is None or not int(ratio[2] or 1):
        raise ValueError(_WORDS)
    factor = (Fraction(ratio[1]) / int(ratio[2] or 1)).limit_denominator(10**6)
    if not Fraction(1, 10_000) <= factor <= 10_000 or factor == 1:
        raise ValueError("It must be between 0.0001 and 10000, and not 1.")
    return factor


SplitFactor = Annotated[
    Fraction,
    BeforeValidator(_factor),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]


def split_lines(text: str) -> dict[str, list[Split]]:
    """The splits by symbol of lines such as "AAPL 7:1 2014-06-09". Raises ValueError, which names
    the line."""
    found: dict[str, list[Split]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            symbol, split = _of_line(line.strip())
        except ValueError as wrong:
            raise ValueError(f"Line {number}: {wrong}") from None
        found.setdefault(symbol, []).append(split)
    return found


def _of_line(line: str) -> tuple[str, Split]:
    parts = _is_line(line)
    if parts is None:
        raise ValueError("Write a symbol, new to old shares and a day: AAPL 7:1 2014-06-09.")
    symbol, factor, day = parts.groups()
    try:
        on = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"“{day[:20]}” is no day. Write it as 2014-06-09.") from None
    return symbol.upper(), (on, _factor(factor))
