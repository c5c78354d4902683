"""Takes out of a text what is not part of the rule: notes, and what the writer took back. Pure."""

import re
from typing import NamedTuple

_NOTE = re.compile(
    r"(?:^|(?<=[.;,\s(]))(?:note|notes|memo)(?: to self)?\s*:\s*(?P<note>.+?)(?=$|[;\n)]|"
    r"\.(?:\s|$))[.;)]?",
    re.IGNORECASE,
)
_SORRY = re.compile(
    r"[\s,.;:-]*\b(?:sorry|no,? wait|wait,? no|i mean|i meant|scratch that|correction|make that|"
    r"or rather|oops|my mistake)\b[\s,.;:-]*",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“”][^\"“”]{12,}[\"“”]?|(?<!\w)'[^']{12,}'(?!\w)")
_WORD = re.compile(r"[^\s,.;:!?]+")


class Repaired(NamedTuple):
    """The rule's own words, and what was said beside it."""

    text: str
    note: str | None
    unclear: bool  # something was taken back, and it is not clear what


def repaired(text: str) -> Repaired:
    note = _NOTE.search(text)
    if note:
        text = f"{text[: note.start()]} {text[note.end() :]}".strip()
    corrected = _corrected(text)
    return Repaired(
        text if corrected is None else corrected,
        note["note"].strip() if note else None,
        corrected is None,
    )


def without_quotes(text: str) -> str:
    """The text without passages that it quotes: they are somebody else's words."""
    return _QUOTED.sub(" ", text)


def quotes(text: str) -> bool:
    return bool(_QUOTED.search(text))


def _corrected(text: str) -> str | None:
    """The text with "whenever it closes... sorry, whenever it is down" as it was meant.

    What is said again begins with the same word as what is taken back, or is a number where one
    stood last. None where it cannot be told what is taken back.
    """
    while marker := _SORRY.search(text):
        before, after = text[: marker.start()], text[marker.end() :]
        start = _restart(before, after)
        if start is None:
            return None
        text = f"{before[:start]}{after}"
    return text


def _restart(before: str, after: str) -> int | None:
    """Where in `before` that begins which `after` says anew."""
    first = _WORD.match(after)
    words = list(_WORD.finditer(before))
    if first is None or not words:
        return None
    same = [word for word in words if word[0].lower() == first[0].lower()]
    if len(same) == 1:
        return same[0].start()
    return words[-1].start() if not same and _instead_of(words[-1][0], first[0]) else None


def _instead_of(before: str, after: str) -> bool:
    """Whether one number may stand in the place of another: 165 in that of 170. "Buy 10 AAPL below
    170, no wait, 20" takes back the size, or the price."""
    numbers = [word.strip("$%") for word in (before, after)]
    if not all(number.isdecimal() for number in numbers):
        return False
    less, more = sorted(map(int, numbers))
    return more <= less * 2
