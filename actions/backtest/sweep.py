"""One number of a rule, at a thousand settings: when each would first have fired. Pure.

A trigger may tell the bars for all settings at once (`Trigger.first_fires`). Otherwise each setting
is a backtest of its own. What all of them search from the same bar on is worked out once: the
lowest and the highest price until each bar, and how far it has turned at most; in these a bisection
finds the bar.
"""

from collections.abc import Mapping, Sequence
from copy import replace
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from actions.backtest.books import FREE, Books
from actions.backtest.fire import Fire
from actions.backtest.play import Player, ticks_alone
from actions.backtest.run import CALENDAR, MAX_AGE, ticks_of
from actions.backtest.series import PER_DOLLAR, Ints, Series, instant, price
from actions.backtest.sight import Past, Sight
from actions.backtest.waking import NEARLY, Floats, after, ceiling, first_turn, floor, turned
from actions.effects.notify import Notify
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import Band, Rule, Trigger
from actions.turns import Turn
from market.hours import TradingCalendar
from portfolios.limits import Limits

MOST_VALUES = 10_000


def sweep(
    rule: Rule,
    parameter: str,
    values: Sequence[Decimal | int],
    series: Mapping[str, Series],
    *,
    start: datetime,
    end: datetime | None = None,
    calendar: TradingCalendar = CALENDAR,
) -> list[Fire | None]:
    """For each value of the trigger's `parameter`, the first firing after `start`, until `end`;
    None where there is none. The rule just tells: no portfolio holds it back.

    Raises InvalidRule, naming the parameter, where the trigger has no such number, where a value
    cannot be, and for more than 10,000 values.
    """
    if len(values) > MOST_VALUES:
        raise InvalidRule({parameter: f"Try at most {MOST_VALUES:,} values; {len(values):,} are."})
    swept = {symbol: series[symbol] for symbol in rule.symbols}
    return _Sweep(rule, parameter, swept, start, end, calendar).of(values)


def at_setting(rule: Rule, parameter: str, value: Decimal | int) -> Rule:
    """The rule with one number of its trigger set to `value`. Raises InvalidRule, naming it."""
    params = rule.trigger.model_dump(exclude_unset=True) | {parameter: value}
    trigger = parse_trigger(rule.trigger.key(), params)
    return replace(rule, trigger=trigger)


class _Sweep:
    """The settings of a rule over the same bars."""

    def __init__(
        self,
        rule: Rule,
        parameter: str,
        series: Mapping[str, Series],
        start: datetime,
        end: datetime | None,
        calendar: TradingCalendar,
    ) -> None:
        self._rule = replace(rule, effect=Notify(), max_executions=1)
        self._parameter, self._start, self._end = parameter, start, end
        self._sight = Sight(series, calendar, MAX_AGE, _Searched)
        self._ticks = ticks_of(self._rule, series, start, end)

    def of(self, values: Sequence[Decimal | int]) -> list[Fire | None]:
        different = list(dict.fromkeys(values))
        found = self._found(different) if different else None
        if found is None:
            plays = [self._played(rule) for rule in [self._with(value) for value in different]]
            found = [next(iter(fires), None) for fires in plays]
        fires = dict(zip(different, found, strict=True))
        return [fires[value] for value in values]

    def _played(self, rule: Rule) -> Sequence[Fire]:
        """Its one firing, or none."""
        books = Books(None, FREE, Limits())
        player = Player(rule, self._sight, self._ticks, books, start=self._start)
        return player.play(self._end).fires

    def _with(self, value: Decimal | int) -> Rule:
        return at_setting(self._rule, self._parameter, value)

    def _found(self, values: Sequence[Decimal | int]) -> list[Fire | None] | None:
        """The fires of these different values as the trigger itself tells their bars; None where it
        cannot, or where more than the bars would have to be asked."""
        numbers = _numbers(type(self._rule.trigger), self._parameter, values)
        stop = ticks_alone(self._rule, self._sight, self._ticks, self._start)
        if numbers is None or not stop or self._rule.executions_count:
            return None
        # Between two values that go with the other parameters, all do.
        rule, _ = self._with(min(numbers)), self._with(max(numbers))
        (past,) = self._sight.all
        first = past.series.last_until(self._ticks.instant(0) - 1) + 1
        state = rule.trigger.activate(rule, self._sight.standing(rule, self._start, None))
        bars = rule.trigger.first_fires(
            self._parameter, numbers, state, past.chart(first, first + stop)
        )
        if bars is None:
            return None
        return [
            self._fire(value, past.series, first + int(bar)) if bar < stop else None
            for value, bar in zip(values, bars, strict=True)
        ]

    def _fire(self, value: Decimal | int, series: Series, bar: int) -> Fire:
        reason = partial(self._reason, value)
        return Fire(instant(series.at[bar]), price(series.printed[bar]), reason)

    def _reason(self, value: Decimal | int, _at: datetime) -> str:
        (fire,) = self._played(self._with(value))
        return fire.reason


def _numbers(
    trigger: type[Trigger], parameter: str, values: Sequence[Decimal | int]
) -> Sequence[Decimal | int] | None:
    """The values as the parameter reads them; None where one is nothing that it could be."""
    try:
        return _field(trigger, parameter).validate_python(values)
    except (KeyError, ValidationError):
        return None


@cache
def _field(trigger: type[Trigger], parameter: str) -> TypeAdapter[Sequence[Decimal | int]]:
    field = trigger.model_fields[parameter]
    return TypeAdapter(list[Annotated[field.annotation, Field(), *field.metadata]])  # type: ignore[name-defined]


class _Searched(Past):
    """A past that is searched again and again from the same bar on, for other levels."""

    def __init__(self, series: Series, calendar: TradingCalendar) -> None:
        super().__init__(series, calendar)
        self._lows = cache(self._lows_from)
        self._highs = cache(self._highs_from)
        self._turns = cache(self._turns_from)

    def first_break(self, band: Band, begin: int, end: int) -> int:
        if band.volume_above is not None:
            end = super().first_break(Band(volume_above=band.volume_above), begin, end)
        if band.below is not None:
            reached = np.searchsorted(self._lows(begin), -floor(band.below))
            end = min(end, begin + int(reached))
        if band.above is not None:
            reached = np.searchsorted(self._highs(begin), ceiling(band.above))
            end = min(end, begin + int(reached))
        if band.turn is not None and band.turn.by is not None:
            end = self._turned(band.turn, begin, end)
        return end

    def _turned(self, turn: Turn, begin: int, end: int) -> int:
        """The first bar that nearly reaches the stop, and from there on exactly."""
        closes = self.series.close
        away = float(turn.by or 0) * (1 if turn.turning.in_percent else PER_DOLLAR)
        most = self._turns(replace(turn, by=None), begin)
        near = begin + int(np.searchsorted(most, away * (1 - NEARLY) - NEARLY))
        if near >= end:
            return end
        return first_turn(after(turn, closes, begin, near), closes, near, end)

    def _lows_from(self, begin: int) -> Ints:
        """The lowest until each bar, with the sign turned, so that they rise."""
        return -np.minimum.accumulate(self.series.close[begin:])

    def _highs_from(self, begin: int) -> Ints:
        return np.maximum.accumulate(self.series.close[begin:])

    def _turns_from(self, turn: Turn, begin: int) -> Floats:
        return turned(turn, self.series.close[begin:])
