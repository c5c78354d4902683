"""One number of a rule, at a thousand settings: when each would first have fired. Pure.

Each setting is a backtest of its own. What all of them search from the same bar on is worked out
once: the lowest and the highest price until each bar, and how far it has turned at most; in these
a bisection finds the bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache

import numpy as np

from actions.backtest.books import FREE, Books
from actions.backtest.chart import Floats
from actions.backtest.play import Fire, Player
from actions.backtest.run import CALENDAR, MAX_AGE, ticks_of
from actions.backtest.series import PER_DOLLAR, Ints, Series
from actions.backtest.sight import Past, Sight
from actions.backtest.waking import NEARLY, after, bests, ceiling, first_break, floor
from actions.effects.notify import Notify
from actions.registry import parse_trigger
from actions.rules import Band, InvalidRule, Rule
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
    told = replace(rule, effect=Notify(), max_executions=1)
    variants = [at_setting(told, parameter, value) for value in values]
    swept = {symbol: series[symbol] for symbol in told.symbols}
    sight = Sight(swept, calendar, MAX_AGE, _Searched)
    ticks = ticks_of(told, swept, start, end)
    books = Books(None, FREE, Limits())
    plays = (Player(each, sight, ticks, books, start=start).play(end) for each in variants)
    return [play.fires[0] if play.fires else None for play in plays]


def at_setting(rule: Rule, parameter: str, value: Decimal | int) -> Rule:
    """The rule with one number of its trigger set to `value`. Raises InvalidRule, naming it."""
    params = rule.trigger.model_dump(exclude_unset=True) | {parameter: value}
    trigger = parse_trigger(rule.trigger.key(), params)
    return replace(rule, trigger=trigger)


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
        return first_break(Band(turn=after(turn, closes, begin, near)), closes, closes, near, end)

    def _lows_from(self, begin: int) -> Ints:
        """The lowest until each bar, with the sign turned, so that they rise."""
        return -np.minimum.accumulate(self.series.close[begin:])

    def _highs_from(self, begin: int) -> Ints:
        return np.maximum.accumulate(self.series.close[begin:])

    def _turns_from(self, turn: Turn, begin: int) -> Floats:
        """How far the price had turned at most until each bar: in percent of its best, or in
        millionths of a dollar."""
        closes = self.series.close[begin:]
        best = bests(turn, closes)
        away = (best - closes if turn.turning.falls else closes - best).astype(np.float64)
        if turn.turning.in_percent:
            away *= 100 / best
        return np.maximum.accumulate(away)
