"""Proof of watch: when a rule was watched, why not when it was not, and what it may have missed.

It is put together when it is asked for, from what is written only where something changes: the
pauses between ticks, the spans without a fresh quote, the rule's history, the pauses of its
portfolio, the market's sessions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from actions.coverage import Kind, Span, Stretch, coverage, stretches
from actions.history import Era, eras_of
from actions.models import Action
from actions.parts import InvalidRule
from actions.rules import Threshold
from actions.selectors import symbols_of
from actions.tick_record import without_tick
from market.freshness import Silence, silences
from market.hours import TradingCalendar
from market.quotes import Bar
from market.selectors import recorded_bars
from market.services import calendar
from portfolios.money import format_price
from portfolios.selectors import Held, pauses_of

LONGEST_BACK = timedelta(days=400)

_STATUS = {
    Action.Statuses.PAUSED: "The rule was paused.",
    Action.Statuses.COMPLETED: "The rule had been completed.",
    Action.Statuses.CANCELLED: "The rule had been cancelled.",
    Action.Statuses.FAILED: "The rule had failed.",
}
_BEFORE = "The rule was not valid yet."
_NOT_MADE = "The rule had not been made yet."
_CLOSED = "The market was closed."
_NO_TICK = "No evaluator looked at the market."
_HELD_BY_OWNER = "Its portfolio was paused."
_HELD_BY_STAFF = "Support had paused its portfolio."


@dataclass(frozen=True, slots=True)
class Missed:
    """What is known afterwards of a gap: whether the price reached the rule's threshold in it.

    `reached` is None where that cannot be told: the bar of a session says what its lowest and its
    highest price were, and not when.
    """

    reached: bool | None
    words: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A rule's spans, from first to last, and what is known of its gaps, by their beginning."""

    spans: Sequence[Span]
    missed: Mapping[datetime, Missed]


def proof_of_watch(*, action: Action, since: datetime, until: datetime) -> Proof:
    """When the rule was watched from `since` to `until`, at most 400 days. Six queries at
    most, however long that is. Raises ValueError unless `since` is before `until`."""
    hours = calendar()
    eras = eras_of(action=action, until=until)
    symbols = {era.begin: symbols_of(era.action) for era in eras}
    silent = silences(symbols=frozenset(chain(*symbols.values())), since=since, until=until)
    paused = pauses_of(user=action.user)
    told = chain(
        _off(action, eras, since, until),
        *(
            (
                *(_closed(era, hours, since, until) if symbols[era.begin] else ()),
                *_silent(era, symbols[era.begin], silent, until),
                *_held(era, paused.get(era.action.portfolio_id, ())),
            )
            for era in eras
        ),
        (Span(*pause, Kind.NO_TICK, _NO_TICK) for pause in without_tick(since=since, until=until)),
    )
    spans = coverage(since=since, until=until, told=told)
    return Proof(spans, _missed(action, eras, [one for one in spans if one.kind.is_gap], hours))


def _off(action: Action, eras: Sequence[Era], since: datetime, until: datetime) -> Iterator[Span]:
    yield Span(since, min(action.created_at, until), Kind.OFF, _NOT_MADE)
    for era in eras:
        if reason := _STATUS.get(Action.Statuses(era.action.status)):
            yield Span(era.begin, era.end, Kind.OFF, reason)
        elif (begins := era.action.valid_from) and begins > era.begin:
            yield Span(era.begin, min(begins, era.end), Kind.OFF, _BEFORE)


def _closed(era: Era, hours: TradingCalendar, since: datetime, until: datetime) -> Iterator[Span]:
    """The market's closed hours, for a rule that needs a price: others are watched then as well."""
    for each in stretches(hours, max(era.begin, since), min(era.end, until)):
        if each.day is None:
            yield Span(each.begin, each.end, Kind.CLOSED, _CLOSED)


def _silent(
    era: Era, symbols: frozenset[str], silent: Iterable[Silence], until: datetime
) -> Iterator[Span]:
    for one in silent:
        if one.symbol in symbols:
            kind = Kind.REFUSED if one.reason else Kind.STALE
            reason = f"No fresh price of {one.symbol}"
            reason += f": {one.reason.rstrip('.')}." if one.reason else "."
            begin, end = max(one.since, era.begin), min(one.until or until, era.end)
            if begin < end:
                yield Span(begin, end, kind, reason)


def _held(era: Era, pauses: Iterable[Held]) -> Iterator[Span]:
    """The rules of a portfolio that is paused are watched, and do not fire."""
    for one in pauses:
        begin, end = max(one.begin, era.begin), min(one.end or era.end, era.end)
        if begin < end:
            yield Span(begin, end, Kind.HELD, _HELD_BY_STAFF if one.by_staff else _HELD_BY_OWNER)


def _missed(
    action: Action, eras: Sequence[Era], gaps: Sequence[Span], hours: TradingCalendar
) -> Mapping[datetime, Missed]:
    """Of a rule with one fixed threshold, by the bars that are recorded of the gaps' sessions; only
    of gaps in which it had the threshold that it has now."""
    watched = _threshold(action)
    if watched is None:
        return {}
    symbol, threshold = watched
    same = [era for era in eras if _threshold(era.action) == watched]
    gaps = [gap for gap in gaps if any(era.begin <= gap.begin < era.end for era in same)]
    sessions = {
        gap.begin: [(each, each.day) for each in stretches(hours, gap.begin, gap.end) if each.day]
        for gap in gaps
    }
    days = [day for _, day in chain(*sessions.values())]
    if not days:
        return {}
    bars = recorded_bars(symbol=symbol, first=min(days), last=max(days))
    found = {
        begin: _afterwards(threshold, [(each, bars.get(day)) for each, day in of_gap])
        for begin, of_gap in sessions.items()
        if of_gap
    }
    return {begin: missed for begin, missed in found.items() if missed}


def _threshold(action: Action) -> tuple[str, Threshold] | None:
    try:
        rule = action.as_rule()
    except InvalidRule:
        return None
    threshold = rule.trigger.threshold_price()
    return (str(rule.trigger.symbol or rule.symbol), threshold) if threshold else None


def _afterwards(
    threshold: Threshold, sessions: Sequence[tuple[Stretch, Bar | None]]
) -> Missed | None:
    """By the bars of the sessions that the gap touches; None where one that matters is missing."""
    beyond = [(each, bar) for each, bar in sessions if bar and _reached(threshold, bar)]
    level = format_price(threshold.price)
    for each, bar in beyond:
        if each.whole:
            words = f"The price reached {level} ({_extreme(threshold, bar)}) while nobody looked."
            return Missed(True, words)
    if beyond:
        words = (
            f"The price reached {level} on that day ({_extreme(threshold, beyond[0][1])}); "
            "whether it did while nobody looked is not known."
        )
        return Missed(None, words)
    if any(bar is None for _, bar in sessions):
        return None
    return Missed(False, f"The price did not reach {level} in that session.")


def _reached(threshold: Threshold, bar: Bar) -> bool:
    if threshold.rising:
        return bar.high >= threshold.price
    return bar.low <= threshold.price


def _extreme(threshold: Threshold, bar: Bar) -> str:
    if threshold.rising:
        return f"highest {format_price(bar.high)}"
    return f"lowest {format_price(bar.low)}"
