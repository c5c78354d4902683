"""Spans of time as people write them: "two weeks", "30min", "5 trading days". Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chat.phrases.dates import Dates
from chat.phrases.numbers import ONE
from chat.phrases.tokens import Found, Token, taken

_UNITS: Mapping[str, str] = {
    form: unit
    for unit, forms in {
        "second": "second seconds s sec secs",
        "minute": "minute minutes min mins",
        "hour": "hour hours hr hrs h",
        "day": "day days d",
        "session": "session sessions trading-day trading-days",
        "week": "week weeks wk wks",
        "month": "month months",
        "year": "year years",
    }.items()
    for form in forms.split()
}


@dataclass(frozen=True, slots=True)
class Span:
    """So many minutes, hours, days, sessions, weeks, months or years."""

    count: int
    unit: str


def find_span(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """Two weeks, 30 minutes, a day, 5 trading days; "50-day" is a PERIOD."""
    if tokens[0].type == "PERIOD":
        return _period(tokens, words)
    count, at = _count(tokens, words)
    if count is None or at >= len(words):
        return None
    if words[at] in ("trading", "business") and words[at + 1 : at + 2] in (["day"], ["days"]):
        return taken(tokens, at + 2, "SPAN", Span(count, "session"))
    unit = _UNITS.get(words[at].removesuffix("'s"))
    if unit is None or (at == 0 and len(words[0]) == 1):
        return None
    return taken(tokens, at + 1, "SPAN", Span(count, unit))


def _count(tokens: Sequence[Token], words: Sequence[str]) -> tuple[int | None, int]:
    if words[0] in ONE:
        return 1, 1
    if words[:2] in (["half", "an"], ["half", "a"]):
        return None, 0
    if tokens[0].type == "NUM":
        value = Decimal(tokens[0].value)
        return (
            (int(value), 1) if value == value.to_integral_value() and value < 10_000 else (None, 0)
        )
    if re.fullmatch(r"\d{1,4}(h|hr|hrs|d|w|wk|min|mins)", words[0]):
        return None, 0
    return 1, 0


_GLUED = re.compile(r"(\d{1,4})(h|hr|hrs|hours?|d|days?|w|wks?|weeks?|min|mins|minutes?)")
_GLUED_UNITS = {"w": "week"}


def find_glued_span(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """2h, 30min, 5d."""
    match = _GLUED.fullmatch(words[0])
    if match is None:
        return None
    unit = _GLUED_UNITS.get(match[2]) or _UNITS[match[2]]
    return taken(tokens, 1, "SPAN", Span(int(match[1]), unit))


def _period(tokens: Sequence[Token], words: Sequence[str]) -> Found:
    count = int(re.match(r"\d+", words[0])[0])  # type: ignore[index]  # so pieces.py cut it
    tail = words[0].lstrip("0123456789- ")
    if tail in ("dma", "sma", "ema"):
        kind = "ema" if tail == "ema" else "sma"
        return taken(tokens, 1, "LENGTH_MA", (Span(count, "day"), kind))
    return taken(tokens, 1, "PERIOD", Span(count, _UNITS[tail]))
