"""What the charts of pages are given to draw: see static/js/chart.js."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from actions.marks import Axis, Level, Line
from actions.models import Action
from actions.parts import InvalidRule
from actions.rules import View
from market.hours import NEW_YORK
from market.quotes import Bar, Sample

_FAR = 2  # times the price, or that part of it
MOST_MARKED_RULES = 8  # more lines than that nobody can tell apart

Time = str | int  # a day, or epoch seconds
Points = Sequence[tuple[datetime, Decimal]]


class TimeAxis:
    """Writes instants as days, or as seconds where there is more than one a day, as in a replay."""

    def __init__(self, instants: Sequence[datetime]) -> None:
        days = {instant.astimezone(NEW_YORK).date() for instant in instants}
        self._daily = len(days) == len(instants)

    def time(self, instant: datetime) -> Time:
        if self._daily:
            return instant.astimezone(NEW_YORK).date().isoformat()
        return int(instant.timestamp())

    def points(self, points: Points) -> list[list[Any]]:
        """Points that are oldest first, one a time: the last of those that fall together."""
        placed = {self.time(at): format(value, "f") for at, value in points}
        return [[time, value] for time, value in placed.items()]


def value_chart(values: Points, present: tuple[datetime, Decimal]) -> dict[str, Any]:
    """Values at closes, oldest first, and the present one."""
    axis = TimeAxis([at for at, _ in values])
    return {"prices": axis.points([*values, present])}


def price_chart(
    *, bars: Sequence[Bar], quote: Sample | None, actions: Sequence[Action], view: View
) -> dict[str, Any]:
    """A symbol's closes, its latest price, and what the rules have to say of it (`annotate`).

    There must be one of both. Levels that are so `far` from the price that the picture would be of
    the way to them are left to be told in words.
    """
    axis = TimeAxis([bar.at for bar in bars])
    prices = [(bar.at, bar.close) for bar in bars]
    if quote and (not bars or quote.as_of > bars[-1].at):
        prices.append((quote.as_of, quote.price))
    symbols = {bar.symbol for bar in bars} | ({quote.symbol} if quote else set())
    last = prices[-1][1]
    levels: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    far: list[str] = []
    for mark in _marks(actions[:MOST_MARKED_RULES], view):
        if isinstance(mark, Level) and mark.symbol in symbols and mark.axis is Axis.PRICE:
            if last / _FAR <= mark.value <= last * _FAR:
                value = format(mark.value, "f")
                levels.append({"value": value, "role": mark.role, "words": mark.words})
            else:
                far.append(mark.words)
        elif isinstance(mark, Line) and mark.symbol in symbols:
            points = [(point.at, point.price) for point in mark.points]
            lines.append({"points": axis.points(points), "words": mark.words})
    return {"prices": axis.points(prices), "levels": levels, "lines": lines, "far": far}


def _marks(actions: Sequence[Action], view: View) -> Iterable[object]:
    for action in actions:
        try:
            rule = action.as_rule()
        except InvalidRule:
            continue
        yield from rule.trigger.annotate(rule, view)
