"""What is drawn for a rule: a symbol's price, what the rule waits for, and where it fired."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actions.marks import Axis, Level, Line, Mark, Span
from actions.models import ActionExecution
from actions.pages.lines import RuleLine
from actions.parts import InvalidRule
from actions.rules import Needs, Rule, View
from actions.sight import Sight, Standing
from actions.wizard.outline import Outline
from actions.wizard.trial import Trial
from market.history import quotes_since, recent_samples
from market.quotes import Bar, Sample
from market.services import ProviderError, completed_sessions

SESSIONS = 250
RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chart:
    """A symbol's chart: `data` as static/js/chart.js has it, `words` what is drawn of the rule."""

    symbol: str
    others: Sequence[str]
    data: Mapping[str, Any]
    words: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What there is to draw of a stored rule, for the symbol `wanted` if it is one of the rule's.

    `since` is when its trigger began to watch, `past` what is kept of the last day's prices.
    """

    line: RuleLine
    since: datetime
    executions: Iterable[ActionExecution]
    quotes: Mapping[str, Sample]
    past: Mapping[str, Sequence[Sample]]
    wanted: str
    now: datetime

    def chart(self) -> Chart | None:
        """None where nothing can be drawn: it has no symbol, or nobody has a price of it."""
        rule = self._rule()
        if rule is None:
            return None
        fired = [mark for execution in self.executions for mark in _fired(execution)]
        return _chart(rule, self._view(rule), self.past, self.wanted, fired)

    def moved(self) -> Mapping[str, Any] | None:
        """What has moved on a chart that is drawn already: the latest price, and the marks that
        follow from it alone. None where there is no price."""
        rule = self._rule()
        symbol = _drawn(rule, self.wanted) if rule else None
        if rule is None or symbol is None or symbol not in self.quotes:
            return None
        quote = self.quotes[symbol]
        moved: dict[str, Any] = {"time": _epoch(quote.as_of), "price": str(quote.price)}
        if rule.trigger.needs(rule) == Needs():
            view = replace(self._view(rule), recent={symbol: ()})
            moved |= _marks(rule, view, symbol)[0]
        return moved

    def _rule(self) -> Rule | None:
        """The rule as it is by now: with the best price that it follows, and since when."""
        try:
            rule = self.line.action.as_rule()
        except InvalidRule:
            return None
        if turn := self.line.why.turn:
            rule = rule.with_state({**rule.state, **turn.state})
        return replace(rule, valid_from=self.since)

    def _view(self, rule: Rule) -> View:
        seen = Standing(self.line.action.portfolio_id, woken_at=self.now, quotes=self.quotes)
        return Sight([(seen, rule)], now=self.now, max_age=timedelta.max).view(seen, rule)


def chart_of_draft(*, outline: Outline, tried: Trial | None, now: datetime) -> Chart | None:
    """The chart of a rule that is being written: with its marks as soon as it is one."""
    if tried is not None:  # as much of the past as its trigger looks at is enough
        past = tried.view.recent or _past(tried.rule.symbols, now)
        rule, view = tried.rule, tried.view
        # While the market is closed it begins with a price to come: until then, as by the last one.
        rule = rule.with_state(rule.state or rule.trigger.activate(rule, view))
        return _chart(rule, view, past, "", [])
    symbol = outline.watched
    if symbol is None:
        return None
    quotes, past = quotes_since(symbols=[symbol], since=now - RECENT)
    prices = _prices(symbol, _bars(symbol, now), quotes, past)
    if not prices:
        return None
    return Chart(symbol, (), {"prices": prices}, ())


def _drawn(rule: Rule, wanted: str) -> str | None:
    """The symbol whose chart is shown: the wanted one, or the first that it watches or trades."""
    if wanted in rule.symbols:
        return wanted
    return min(rule.trigger.watched(rule) or rule.symbols, default=None)


def _chart(
    rule: Rule,
    view: View,
    past: Mapping[str, Sequence[Sample]],
    wanted: str,
    fired: Sequence[Mapping[str, Any]],
) -> Chart | None:
    symbol = _drawn(rule, wanted)
    if symbol is None:
        return None
    bars = _bars(symbol, view.now)
    prices = _prices(symbol, bars, view.quotes, past)
    if not prices:
        return None
    # What a trigger asks for it has already; to the others it is the past of what they follow.
    view = replace(
        view,
        bars={symbol: bars, **view.bars},
        recent={symbol: past.get(symbol, ()), **view.recent},
    )
    drawn, words = _marks(rule, view, symbol)
    begin, end = prices[0][0], prices[-1][0]
    shown = sorted(
        (mark for mark in fired if mark["symbol"] in {symbol, ""} and begin <= mark["time"] <= end),
        key=lambda mark: mark["time"],
    )
    data = {
        "prices": prices,
        **drawn,
        "marks": [{key: mark[key] for key in ("time", "kind", "words")} for mark in shown],
    }
    return Chart(symbol, sorted(rule.symbols - {symbol}), data, words)


def _marks(rule: Rule, view: View, symbol: str) -> tuple[Mapping[str, Any], Sequence[str]]:
    """What a rule has drawn on a symbol's chart, and the same in words."""
    marks = [mark for mark in rule.trigger.annotate(rule, view) if _is_of(mark, symbol)]
    data = {
        "levels": [
            {"value": str(mark.value), "role": mark.role.value, "words": mark.words}
            for mark in marks
            if isinstance(mark, Level) and mark.axis is Axis.PRICE
        ],
        "lines": [
            {"points": _points(mark), "words": mark.words, "stepped": mark.stepped}
            for mark in marks
            if isinstance(mark, Line)
        ],
    }
    return data, [mark.words for mark in marks]


def _points(line: Line) -> list[list[Any]]:
    """One a second at most: the last."""
    placed = {_epoch(point.at): str(point.price) for point in line.points}
    return [[at, price] for at, price in placed.items()]


def _is_of(mark: Mark, symbol: str) -> bool:
    return isinstance(mark, Span) or mark.symbol == symbol


def _past(symbols: Collection[str], now: datetime) -> Mapping[str, Sequence[Sample]]:
    return recent_samples(symbols=symbols, since=now - RECENT)


def _bars(symbol: str, now: datetime) -> Sequence[Bar]:
    try:
        found = completed_sessions(symbols=[symbol], now=now, sessions=SESSIONS)
    except ProviderError:
        return ()
    return found.get(symbol, ())


def _prices(
    symbol: str,
    bars: Sequence[Bar],
    quotes: Mapping[str, Sample],
    past: Mapping[str, Sequence[Sample]],
) -> list[list[Any]]:
    """The closes of the last sessions, then what is kept of the last day, then the latest quote."""
    points = {_epoch(bar.at): str(bar.close) for bar in bars}
    newest = max(points, default=0)
    samples = [*past.get(symbol, ()), *([quotes[symbol]] if symbol in quotes else [])]
    points |= {_epoch(s.as_of): str(s.price) for s in samples if _epoch(s.as_of) > newest}
    return [[at, points[at]] for at in sorted(points)]


def _fired(execution: ActionExecution) -> Sequence[Mapping[str, Any]]:
    at = _epoch(execution.triggered_at)
    if execution.rehearsal:
        return [{"time": at, "kind": "told", "words": "Rehearsed", "symbol": ""}]
    if execution.error:
        return [{"time": at, "kind": "failed", "words": "Refused", "symbol": ""}]
    trades = execution.details.get("trades") or []
    if not trades:
        return [{"time": at, "kind": "told", "words": "Told", "symbol": ""}]
    words = {"buy": "Bought", "sell": "Sold"}
    return [
        {
            "time": at,
            "kind": trade["side"],
            "words": words[trade["side"]],
            "symbol": trade["symbol"],
        }
        for trade in trades
    ]


def _epoch(at: datetime) -> int:
    return int(at.timestamp())
