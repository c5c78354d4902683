"""What is drawn for a rule: a symbol's price, what the rule waits for, and where it fired."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actions.marks import Axis, Level, Line, Mark, Span
from actions.models import ActionExecution
from actions.pages.lines import RuleLine
from actions.rules import InvalidRule, Rule, View
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


def chart_of(
    *,
    line: RuleLine,
    executions: Iterable[ActionExecution],
    quotes: Mapping[str, Sample],
    past: Mapping[str, Sequence[Sample]],
    symbol: str,
    now: datetime,
) -> Chart | None:
    """The chart of a stored rule, for `symbol` if it is one of the rule's. None where nothing can
    be drawn: it has no symbol, or nobody has a price of it."""
    try:
        rule = line.action.as_rule()
    except InvalidRule:
        return None
    if turn := line.why.turn:
        rule = rule.with_state({**rule.state, **turn.state})
    seen = Standing(line.action.portfolio_id, woken_at=now, quotes=quotes)
    fired = [mark for execution in executions for mark in _fired(execution)]
    view = Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule)
    return _chart(rule, view, past, symbol, fired)


def chart_of_draft(*, outline: Outline, tried: Trial | None, now: datetime) -> Chart | None:
    """The chart of a rule that is being written: with its marks as soon as it is one."""
    if tried is not None:
        return _chart(tried.rule, tried.view, _past(tried.rule.symbols, now), "", [])
    symbol = outline.watched
    if symbol is None:
        return None
    quotes, past = quotes_since(symbols=[symbol], since=now - RECENT)
    prices = _prices(symbol, quotes, past, now)
    if not prices:
        return None
    return Chart(symbol, (), {"prices": prices}, ())


def _chart(
    rule: Rule,
    view: View,
    past: Mapping[str, Sequence[Sample]],
    wanted: str,
    fired: Sequence[Mapping[str, Any]],
) -> Chart | None:
    symbols = sorted(rule.symbols)
    watched = sorted(rule.trigger.watched(rule)) or symbols
    if not symbols:
        return None
    symbol = wanted if wanted in symbols else watched[0]
    prices = _prices(symbol, view.quotes, past, view.now)
    if not prices:
        return None
    marks = [mark for mark in rule.trigger.annotate(rule, view) if _is_of(mark, symbol)]
    begin, end = prices[0][0], prices[-1][0]
    shown = sorted(
        (mark for mark in fired if mark["symbol"] in {symbol, ""} and begin <= mark["time"] <= end),
        key=lambda mark: mark["time"],
    )
    data = {
        "prices": prices,
        "levels": [
            {"value": str(mark.value), "role": mark.role.value, "words": mark.words}
            for mark in marks
            if isinstance(mark, Level) and mark.axis is Axis.PRICE
        ],
        "lines": [
            {"points": [[_epoch(p.at), str(p.price)] for p in mark.points], "words": mark.words}
            for mark in marks
            if isinstance(mark, Line)
        ],
        "marks": [{key: mark[key] for key in ("time", "kind", "words")} for mark in shown],
    }
    others = [other for other in symbols if other != symbol]
    return Chart(symbol, others, data, [mark.words for mark in marks])


def _is_of(mark: Mark, symbol: str) -> bool:
    return isinstance(mark, Span) or mark.symbol == symbol


def _past(symbols: Collection[str], now: datetime) -> Mapping[str, Sequence[Sample]]:
    return recent_samples(symbols=symbols, since=now - RECENT)


def _prices(
    symbol: str,
    quotes: Mapping[str, Sample],
    past: Mapping[str, Sequence[Sample]],
    now: datetime,
) -> list[list[Any]]:
    """The closes of the last sessions, then what is kept of the last day, then the latest quote."""
    try:
        bars: Sequence[Bar] = completed_sessions(symbols=[symbol], now=now, sessions=SESSIONS).get(
            symbol, ()
        )
    except ProviderError:
        bars = ()
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
