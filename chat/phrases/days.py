"""Days as people write them: "by Friday", "31 March", "every weekday". Pure.

Days become DATE (a date), repeated days DAYS; times (clocks.py) CLOCK, spans (spans.py) SPAN.
What a sentence says with them is compose's business.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from chat.phrases.clocks import find_clock
from chat.phrases.dates import Dates, Unclear, a_date, last_day
from chat.phrases.spans import find_glued_span, find_span
from chat.phrases.tokens import Found, Token, taken

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAYS: Mapping[str, int] = {
    form: number
    for number, forms in enumerate(
        (
            "monday mondays mon",
            "tuesday tuesdays tue tues",
            "wednesday wednesdays wed weds",
            "thursday thursdays thu thur thurs",
            "friday fridays fri",
            "saturday saturdays",
            "sunday sundays",
        )
    )
    for form in forms.split()
}
_MONTHS: Mapping[str, int] = {
    form: number
    for number, forms in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for form in forms.split()
}
_FILLED = frozenset({"the", "of", "this", "coming"})


@dataclass(frozen=True, slots=True)
class Days:
    """The days on which something repeats: of the week, or those with a session."""

    days: tuple[str, ...] | str


_Finder = Callable[[Sequence[Token], Sequence[str], Dates], Found]


def find_day(tokens: Sequence[Token], dates: Dates) -> Found:
    """The day, time or span that the tokens begin with, and how many of them it takes."""
    words = [token.text.lower().rstrip(".") for token in tokens]
    for finder in _FINDERS:
        if hit := finder(tokens, words, dates):
            return _to_its_end(tokens, words, hit)
    return None


_ENDS_OF_A_DAY = (["eod"], ["cob"], ["end", "of", "day"], ["close", "of", "business"])


def _to_its_end(tokens: Sequence[Token], words: Sequence[str], hit: tuple[int, Token]) -> Found:
    """The day with the words that say so of its end: "Friday EOD"."""
    length, day = hit
    for ending in _ENDS_OF_A_DAY:
        if day.type == "DATE" and words[length : length + len(ending)] == ending:
            return taken(tokens, length + len(ending), "DATE", day.value)
    return hit


def _end_of_a_day(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """The end of a day that is named after it: "EOD Friday", "close of business on March 20"."""
    for ending in _ENDS_OF_A_DAY:
        if words[: len(ending)] != ending:
            continue
        at = len(ending) + (words[len(ending) : len(ending) + 1] == ["on"])
        day = find_day(tokens[at:], dates) if at < len(words) else None
        if day and day[1].type == "DATE":
            return taken(tokens, at + day[0], "DATE", day[1].value)
        return _dated(tokens, len(ending), dates.end_of("day"))
    return None


def _dated(tokens: Sequence[Token], length: int, value: date | Unclear) -> Found:
    return taken(tokens, length, "DATE", value)


def _iso(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    if tokens[0].type != "ISO":
        return None
    digits = words[0].replace("-", "").replace("/", "")
    return _dated(tokens, 1, a_date(int(digits[:4]), int(digits[4:6]), int(digits[6:])))


def _slashed(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """12/31 or 12/31/2026; which comes first is asked where both can be a month."""
    if tokens[0].type != "SLASH" or "." in words[0]:
        return None
    parts = [int(part) for part in words[0].split("/")]
    first, second, *rest = parts
    if len(parts) > 3 or (not rest and max(first, second) > 31) or first + second == 100:
        return None
    if first <= 12 and second <= 12 and first != second:
        words_for = (
            f"Is {words[0]} in month {first} or in month {second}? Write the month as a word."
        )
        return _dated(tokens, 1, Unclear(words_for))
    month, day = (first, second) if first <= 12 else (second, first)
    return _dated(tokens, 1, dates.day_and_month(day, month, rest[0] if rest else None))


def _relative(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    sayings = {
        ("day", "after", "tomorrow"): 2,
        ("today",): 0,
        ("tonight",): 0,
        ("tomorrow",): 1,
        ("tmrw",): 1,
        ("tmr",): 1,
    }
    for saying, ahead in sayings.items():
        if tuple(words[: len(saying)]) == saying:
            return _dated(tokens, len(saying), dates.today + timedelta(days=ahead))
    return None


def _weekday(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    following = words[0] in ("next",)
    skipped = 1 if following or words[0] in _FILLED else 0
    number = _WEEKDAYS.get(words[skipped]) if len(words) > skipped else None
    if number is None or (words[skipped].endswith("days") and words[skipped] != "days"):
        return None
    if words[skipped] in ("sat", "sun"):
        return None
    if named := _date_after(tokens, words, skipped + 1, dates):
        return named
    day = dates.weekday(number)
    if following:
        day = dates.today + timedelta(days=7 - dates.today.weekday() + number)
    return _dated(tokens, skipped + 1, day)


def _date_after(tokens: Sequence[Token], words: Sequence[str], at: int, dates: Dates) -> Found:
    """The date that a weekday stands before: "Fri 27 Mar 2026", "Friday, March 27"."""
    at += words[at : at + 1] == [","]
    if len(words) <= at or not (found := _named_month(tokens[at:], words[at:], dates)):
        return None
    return taken(tokens, at + found[0], "DATE", found[1].value)


_ENDS = {
    "eow": "week",
    "eom": "month",
    "eoq": "quarter",
    "eoy": "year",
    "year-end": "year",
    "month-end": "month",
    "week's end": "week",
}


def _end_of(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    if words[0] in _ENDS:
        return _dated(tokens, 1, dates.end_of(_ENDS[words[0]]))
    if words[0] == "end":
        length = 1
    elif words[:2] in (["month", "end"], ["year", "end"], ["quarter", "end"]):
        return _dated(tokens, 2, dates.end_of(words[0]))
    else:
        return None
    while length < len(words) and words[length] in (*_FILLED, "business", "trading", "next"):
        length += 1
    if length == len(words):
        return None
    return _end_of_what(tokens, words, length, dates)


def _end_of_what(tokens: Sequence[Token], words: Sequence[str], at: int, dates: Dates) -> Found:
    what = "day" if words[at] in ("business", "session") else words[at]
    if "next" in words[:at]:
        return _end_of_next(tokens, what, at, dates)
    if what in ("day", "week", "month", "quarter", "year"):
        return _dated(tokens, at + 1, dates.end_of(what))
    if month := _MONTHS.get(what):
        year, length = _year(tokens, words, at + 1)
        return _dated(tokens, length, dates.month_end(month, year))
    return None


def _end_of_next(tokens: Sequence[Token], what: str, at: int, dates: Dates) -> Found:
    if what == "week":
        return _dated(tokens, at + 1, dates.end_of("week") + timedelta(days=7))
    if what == "month":
        ahead = dates.end_of("month") + timedelta(days=1)
        return _dated(tokens, at + 1, last_day(ahead.year, ahead.month))
    return None


def _named_month(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """March 31, 31 March, the 31st of March 2026, the 27th."""
    position = 1 if words[0] == "the" and len(words) > 1 else 0
    if month := _MONTHS.get(words[position]):
        day = _day_number(tokens, position + 1)
        if day is None:
            return None
        year, length = _year(tokens, words, position + 2)
        return _dated(tokens, length, dates.day_and_month(day, month, year))
    day = _day_number(tokens, position)
    if day is None:
        return None
    at = position + 1 + (words[position + 1 : position + 2] == ["of"])
    named = _MONTHS.get(words[at]) if len(words) > at else None
    if named:
        year, length = _year(tokens, words, at + 1)
        return _dated(tokens, length, dates.day_and_month(day, named, year))
    if tokens[position].type == "NTH":
        return _dated(tokens, position + 1, dates.day_of_month(day))
    return None


def _day_number(tokens: Sequence[Token], at: int) -> int | None:
    if len(tokens) <= at or tokens[at].type not in ("NUM", "NTH"):
        return None
    value = Decimal(tokens[at].value)
    whole = value == value.to_integral_value() and 1 <= value <= 31
    return int(value) if whole and tokens[at].text.rstrip("stndrh").isdigit() else None


def _year(tokens: Sequence[Token], words: Sequence[str], at: int) -> tuple[int | None, int]:
    """The year that follows, perhaps after a comma, and where it ends."""
    for skipped in (0, 1):
        there = at + skipped
        if len(words) > there and re.fullmatch(r"20\d\d", words[there]):
            return int(words[there]), there + 1
        if len(words) <= there or tokens[there].text != ",":
            break
    return None, at


def _days(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """Every Friday, Mondays and Wednesdays, every weekday, on trading days, daily."""
    if words[0] in ("daily", "everyday"):
        return taken(tokens, 1, "DAYS", Days("trading_days"))
    if words[0] == "weekly":
        return None
    each = words[0] in ("every", "each")
    at = 1 if each or words[0] == "on" else 0
    rest = words[at:]
    if rest[:2] in (
        ["trading", "day"],
        ["trading", "days"],
        ["business", "day"],
        ["business", "days"],
    ):
        return taken(tokens, at + 2, "DAYS", Days("trading_days"))
    if rest[:1] in (["weekday"], ["weekdays"], ["workday"], ["workdays"]):
        return taken(tokens, at + 1, "DAYS", Days("trading_days"))
    if each and rest[:1] in (["day"], ["morning"], ["session"], ["afternoon"]):
        if rest[0] != "day" and rest[0] != "session":
            return None
        return taken(tokens, at + 1, "DAYS", Days("trading_days"))
    named, length = _weekdays(words, at)
    several = at == 1 and len(named) > 1
    if not named or not (each or several or words[at].endswith("days")):
        return None
    return taken(tokens, length, "DAYS", Days(tuple(day for day in WEEK if day in named)))


def _weekdays(words: Sequence[str], at: int) -> tuple[set[str], int]:
    named: set[str] = set()
    while at < len(words) and words[at] in _WEEKDAYS:
        named.add(WEEK[_WEEKDAYS[words[at]]])
        at += 1
        more = 1 if words[at : at + 1] in (["and"], [","], ["&"]) else 0
        if more and at + 1 < len(words) and words[at + 1] in _WEEKDAYS:
            at += 1
    return named, at


_FINDERS: tuple[_Finder, ...] = (
    _iso,
    _slashed,
    _days,
    _end_of_a_day,
    _end_of,
    _relative,
    _named_month,
    _weekday,
    find_clock,
    find_glued_span,
    find_span,
)
