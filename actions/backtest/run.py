"""Plays one rule over past bars, jumping from wake to wake. Pure."""

from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta

from actions.backtest.books import FREE, Books, Costs
from actions.backtest.calendar import ClosesIncluded
from actions.backtest.play import Beat, Player, Result
from actions.backtest.series import MICROSECOND, Series, Split, micros
from actions.backtest.sight import Sight
from actions.backtest.ticks import EveryBar, EveryMinute, Ticks
from actions.rules import Rule, Status
from market.hours import TradingCalendar
from market.quotes import Bar
from portfolios.ledger import Snapshot
from portfolios.limits import Limits

CALENDAR = ClosesIncluded()
MAX_AGE = timedelta(minutes=3)  # as for a feed that speaks once a minute
NO_LIMITS = Limits()
LONGEST = timedelta(days=10 * 366)  # of a rule that only looks at the clock, without an end
LAST = micros(datetime(9999, 1, 1, tzinfo=UTC))  # windows to come are looked for beyond it


def backtest(
    rule: Rule,
    series: Mapping[str, Series],
    *,
    start: datetime,
    end: datetime | None = None,
    portfolio: Snapshot | None = None,
    costs: Costs = FREE,
    limits: Limits = NO_LIMITS,
    splits: Mapping[str, Sequence[Split]] | None = None,
    calendar: TradingCalendar = CALENDAR,
    max_age: timedelta = MAX_AGE,
    beat: Beat | None = None,
) -> Result:
    """What `rule` would have done, made at `start` and looked at with every bar after it, until
    `end` or the last bar.

    `series` has the bars of each symbol that the rule names; those at or before `start` are known
    as its past. A bar's close is a quote of that instant, at which orders are filled. A rule that
    watches no symbol is looked at each whole minute until `end`, or the last bar of what it trades,
    or for ten years.

    `portfolio` is what there is at `start`, its shares those of that day; without one a rule that
    trades has no cash. By `calendar` a session includes its closing instant: there, a daily bar's
    price can be traded. After each look `beat` is told how much of the way is done, from 0 to 1;
    what it raises ends the backtest. Raises BadSplit; KeyError for a symbol without a series.
    """
    splits = splits or {}
    scaled = {
        symbol: series[symbol].in_units_of(start, splits.get(symbol, ())) for symbol in rule.symbols
    }
    books = Books(portfolio or Snapshot(), costs, limits)
    sight = Sight(scaled, calendar, max_age)
    ticks = ticks_of(rule, scaled, start, end)
    return Player(rule, sight, ticks, books, start=start).play(end, beat)


def would_have_fired(
    rule: Rule,
    bars: Mapping[str, Sequence[Bar]],
    *,
    since: datetime,
    calendar: TradingCalendar = CALENDAR,
) -> int:
    """How many times `rule` would have fired since then if nothing had ended it: without its
    maximum and its dates, and with every trade carried out. Its cooldown counts.

    `bars` are those of each symbol that it names, some before `since` as its past. A trigger that
    looks at a portfolio finds none, and has not fired.
    """
    free = replace(
        rule,
        valid_from=since,
        valid_until=None,
        status=Status.ACTIVE,
        max_executions=None,
        executions_count=0,
        consecutive_failures=0,
        last_triggered_at=None,
        state={},
    )
    series = {symbol: Series.of(symbol, bars.get(symbol, ())) for symbol in rule.symbols}
    sight = Sight(series, calendar, MAX_AGE)
    ticks = ticks_of(free, series, since, None)
    books = Books(None, FREE, Limits())
    return len(Player(free, sight, ticks, books, start=since).play(None).fires)


def ticks_of(
    rule: Rule, series: Mapping[str, Series], start: datetime, end: datetime | None
) -> Ticks:
    """When a rule made at `start` is looked at, as `backtest` has it."""
    begins = micros(start)
    ends = None if end is None else micros(end)
    if rule.trigger.charted(rule):
        return EveryBar(series.values(), begins, ends)
    if ends is None:
        last = [int(each.at[-1]) for each in series.values() if len(each)]
        ends = max(last) if last else begins + LONGEST // MICROSECOND
    return EveryMinute(begins, min(ends, LAST))
