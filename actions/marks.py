"""What is drawn on a chart for a rule: levels, spans of time and lines. Pure.

These are values without a look: a chart decides on colours and strokes. `words` label a mark in
plain language, so that a list of them can be read in the chart's place.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Axis(StrEnum):
    """What a level is a level of: USD a share, or shares traded in a session."""

    PRICE = "price"
    VOLUME = "volume"


class Role(StrEnum):
    """What a level is to its rule."""

    TRIGGER = "trigger"  # the rule fires here
    REFERENCE = "reference"  # what the trigger is measured from, such as a peak
    START = "start"  # the rule begins to follow the price here


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line of a symbol, at a value that its market can reach."""

    symbol: str
    value: Decimal
    role: Role
    words: str
    axis: Axis = Axis.PRICE


@dataclass(frozen=True, slots=True)
class Span:
    """The instants from `begin` on, and before `end`."""

    begin: datetime
    end: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Point:
    """A price at an instant."""

    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a symbol's prices through one point or more, oldest first. One that is `stepped`
    keeps its price until the next point."""

    symbol: str
    points: tuple[Point, ...]
    words: str
    stepped: bool = False


type Mark = Level | Span | Line
