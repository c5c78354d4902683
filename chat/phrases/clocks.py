"""Times of day as people write them: "3pm", "15:30 ET", "at the close". Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from chat.phrases.dates import Dates
from chat.phrases.tokens import Found, Token, taken
from market.hours import NEW_YORK

_ZONES: Mapping[str, str] = {
    **dict.fromkeys(("et", "est", "edt", "eastern", "ny"), "America/New_York"),
    **dict.fromkeys(("pt", "pst", "pdt", "pacific"), "America/Los_Angeles"),
    **dict.fromkeys(("utc", "gmt", "zulu"), "UTC"),
    **dict.fromkeys(("cet", "cest"), "Europe/Berlin"),
    "london": "Europe/London",
    "berlin": "Europe/Berlin",
}
OPEN, NOON, CLOSE = time(9, 30), time(12), time(16)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day. `zone` is None where the text names none: then it is the user's."""

    time: time
    zone: ZoneInfo | None = None
    of_session: bool = False  # the session's opening or close, not a time on the wall


def find_clock(tokens: Sequence[Token], words: Sequence[str], dates: Dates) -> Found:
    """A CLOCK, with its zone where one is named or meant."""
    sayings: Mapping[tuple[str, ...], tuple[time, bool]] = {
        ("noon",): (NOON, False),
        ("midday",): (NOON, False),
        ("at", "open"): (OPEN, True),
        ("at", "the", "open"): (OPEN, True),
        ("on", "the", "open"): (OPEN, True),
        ("at", "the", "opening", "bell"): (OPEN, True),
        ("at", "the", "opening"): (OPEN, True),
        ("at", "market", "open"): (OPEN, True),
        ("when", "the", "market", "opens"): (OPEN, True),
        ("when", "market", "opens"): (OPEN, True),
        ("at", "the", "market", "open"): (OPEN, True),
        ("at", "the", "close"): (CLOSE, True),
        ("at", "close"): (CLOSE, True),
        ("at", "market", "close"): (CLOSE, True),
        ("at", "the", "closing", "bell"): (CLOSE, True),
        ("when", "the", "market", "closes"): (CLOSE, True),
        ("the", "closing", "bell"): (CLOSE, True),
        ("the", "close"): (CLOSE, True),
        ("market", "close"): (CLOSE, True),
    }
    for saying, (at, of_session) in sayings.items():
        if tuple(words[: len(saying)]) == saying and words[len(saying) : len(saying) + 1] != ["of"]:
            zone = NEW_YORK if of_session else None
            length = len(saying)
            if not of_session:
                zone, length = _zone(words, length)
            return taken(tokens, length, "CLOCK", Clock(at, zone, of_session))
    if tokens[0].type != "CLOCK":
        return None
    zone, length = _zone(words, 1)
    return taken(tokens, length, "CLOCK", Clock(_time(words[0]), zone))


def _time(text: str) -> time:
    compact = text.replace(" ", "").replace(".", "")
    late, early = compact.endswith("pm"), compact.endswith("am")
    hours, *rest = (int(part) for part in compact.rstrip("apm").split(":"))
    if late and hours < 12:
        hours += 12
    if early and hours == 12:
        hours = 0
    return time(hours, rest[0] if rest else 0)


def _zone(words: Sequence[str], at: int) -> tuple[ZoneInfo | None, int]:
    """The zone that a time is followed by, and where it ends."""
    if words[at : at + 2] == ["new", "york"]:
        zone, at = "America/New_York", at + 2
    elif words[at : at + 1] and words[at] in _ZONES:
        zone, at = _ZONES[words[at]], at + 1
    else:
        return None, at
    return ZoneInfo(zone), at + (words[at : at + 1] == ["time"])
