"""What a rule sees at an instant of the past: the views that the engine would give it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta
from functools import cached_property

from actions.backtest.chart import Chart
from actions.backtest.series import MICROSECOND, Series, Sessions, instant, micros, price
from actions.backtest.waking import ceiling, first_turn, first_volume, floor
from actions.rules import Band, Rule, View
from market.hours import TradingCalendar
from market.quotes import Bar, Sample
from portfolios.ledger import Snapshot


class Past:
    """One symbol's series, with the sessions and quotes that are made of it when they are asked."""

    def __init__(self, series: Series, calendar: TradingCalendar) -> None:
        self.series = series
        self._calendar = calendar
        self._quotes: dict[int, Sample] = {}

    def chart(self, begin: int, end: int) -> Chart:
        return Chart(self.series, self.sessions, begin, end)

    def first_break(self, band: Band, begin: int, end: int) -> int:
        """The first bar in [begin, end) that breaks `band`; `end`: none does."""
        if band.below is not None:
            end = self.series.extremes.first_below(floor(band.below), begin, end)
        if band.above is not None:
            end = self.series.extremes.first_above(ceiling(band.above), begin, end)
        if band.volume_above is not None:
            end = first_volume(band.volume_above, self.sessions.volumes, begin, end)
        if band.turn is not None:
            end = first_turn(band.turn, self.series.close, begin, end)
        return end

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions.of(self.series, self._calendar)

    def quote(self, index: int) -> Sample:
        """The bar's close as a quote."""
        made = self._quotes.get(index)
        if made is None:
            series = self.series
            made = self._quotes[index] = Sample(
                series.symbol,
                price(series.close[index]),
                instant(series.at[index]),
                int(self.sessions.volumes[index]),
            )
        return made

    def recent(self, now: int, span: timedelta) -> Sequence[Sample]:
        """The quotes of the last `span`, and the one before them."""
        first = max(0, self.series.last_until(now - span // MICROSECOND))
        return [self.quote(index) for index in range(first, self.series.last_until(now) + 1)]


class Sight:
    """The views of one rule over the past of its symbols."""

    def __init__(
        self,
        series: Mapping[str, Series],
        calendar: TradingCalendar,
        max_age: timedelta,
        kind: type[Past] = Past,
    ) -> None:
        self.pasts = {symbol: kind(of, calendar) for symbol, of in series.items()}
        self._calendar = calendar
        self._max_age = max_age

    @property
    def all(self) -> Collection[Past]:
        return self.pasts.values()

    def past(self, symbol: str) -> Past | None:
        return self.pasts.get(symbol)

    def standing(self, rule: Rule, at: datetime, portfolio: Snapshot | None) -> View:
        """What a rule that is made at `at` is activated by: quotes not older than the last close
        tell what the price is."""
        view = self.view(rule, micros(at), portfolio)
        last_close = self._calendar.last_close(at)
        told = {symbol: quote for symbol, quote in view.quotes.items() if quote.as_of >= last_close}
        return replace(view, quotes=told)

    def view(self, rule: Rule, now: int, portfolio: Snapshot | None) -> View:
        needs = rule.trigger.needs(rule)
        charted = [self.pasts[symbol] for symbol in rule.trigger.charted(rule) & self.pasts.keys()]
        bars: dict[str, Sequence[Bar]] = {}
        recent: dict[str, Sequence[Sample]] = {}
        for past in charted:
            if needs.sessions:
                bars[past.series.symbol] = past.sessions.completed(now, needs.sessions)
            if needs.span:
                recent[past.series.symbol] = past.recent(now, needs.span)
        at = instant(now)
        return View(
            now=at,
            woken_at=at,
            calendar=self._calendar,
            max_age=self._max_age,
            quotes=self.quotes(rule.symbols, now),
            bars=bars,
            recent=recent,
            portfolio=portfolio if needs.portfolio else None,
        )

    def quotes(self, symbols: frozenset[str], now: int) -> dict[str, Sample]:
        found = {}
        for symbol in symbols & self.pasts.keys():
            past = self.pasts[symbol]
            if (index := past.series.last_until(now)) >= 0:
                found[symbol] = past.quote(index)
        return found
