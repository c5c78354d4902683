"""What somebody asks a backtest to be, and all that it is played with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from accounts.models import User
from actions.backtest.books import FREE, Costs
from actions.backtest.calendar import ClosesIncluded
from actions.backtest.reading import series_in
from actions.backtest.run import ticks_of
from actions.backtest.series import (
    MICROSECOND,
    BadSplit,
    Series,
    Split,
    instant,
    micros,
    price,
)
from actions.backtest.settings import numbers_of, spread
from actions.backtest.sweep import at_setting
from actions.backtest.ticks import EveryBar
from actions.drafting import Draft, parse
from actions.parts import InvalidRule
from actions.rules import Rule
from actions.sentence import in_zone
from actions.wizard.drafts import asker_for
from actions.wizard.past import YEAR
from actions.wizard.trial import portfolio_tried
from market.bars import BadBars
from market.directory import Listing
from market.hours import NEW_YORK, AlwaysOpen, TradingCalendar
from market.services import ProviderError, completed_sessions, held_sessions, unlisted
from portfolios.ledger import Position, Snapshot
from portfolios.limits import Limits
from portfolios.money import times, usd
from portfolios.services import as_if_locked_by

LARGEST_FILE = 8 * 2**20  # bytes of bars
MOST_SETTINGS = 100  # of a sweep
MOST_CELLS = 500_000  # bars times settings
_YEARS = range(1900, 2100)
_MINUTES = 1440  # a day: a rule that only looks at the clock is looked at a few times in one


class Sessions(StrEnum):
    """Whose the bars' sessions are."""

    EXCHANGE = "exchange"
    EVERY_DAY = "every-day"

    @property
    def calendar(self) -> TradingCalendar:
        return ClosesIncluded() if self is Sessions.EXCHANGE else AlwaysOpen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One number of the trigger at these `values`, or at `steps` of them from `first` to `last`."""

    parameter: str
    values: Sequence[Decimal] = ()
    first: Decimal | None = None
    last: Decimal | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks a backtest to be.

    A `start` or `end` that is a day is that day's beginning or end in New York. Without an end it
    is the last bar; without `cash` or `holdings` (shares by symbol) they are the portfolio's, and
    without `bars` (a CSV file's content) those that are held. `splits` are those of the file's
    symbols; those of the bars that are held are known. `action_id` is the rule that it is of.
    """

    draft: Draft
    start: datetime | date
    end: datetime | date | None = None
    costs: Costs = FREE
    cash: Decimal | None = None
    holdings: Mapping[str, Decimal] | None = None
    sweep: Sweep | None = None
    bars: bytes | None = None
    sessions: Sessions = Sessions.EXCHANGE
    splits: Mapping[str, Sequence[Split]] = field(default_factory=dict)
    action_id: UUID | None = None


class Terms(BaseModel):
    """All that a backtest is played with, but for the bars, as it is kept."""

    model_config = ConfigDict(frozen=True)

    draft: Draft
    start: datetime
    end: datetime
    costs: Costs
    portfolio: Snapshot
    limits: Limits
    sessions: Sessions
    splits: Mapping[str, tuple[Split, ...]] = {}
    parameter: str = ""
    values: tuple[Decimal, ...] = ()

    def rule(self) -> Rule:
        return parse(self.draft, self.start, _any_symbol)

    def play(self) -> Mapping[str, Any]:
        """The arguments of actions.backtest.run.backtest, but for the rule and the bars."""
        return {
            "start": self.start,
            "end": self.end,
            "portfolio": self.portfolio,
            "costs": self.costs,
            "limits": self.limits,
            "splits": self.splits,
            "calendar": self.sessions.calendar,
        }


@dataclass(frozen=True, slots=True)
class Prepared:
    """A wish that can be granted. `cells`: bars times settings."""

    terms: Terms
    rule: Rule
    series: Mapping[str, Series] = field(repr=False)
    cells: int


def undated(draft: Draft) -> Draft:
    """A rule that begins with the backtest: its own dates are of another time."""
    return replace(draft, valid_from=None, valid_until=None)


def prepare(*, user: User, wish: Wish, now: datetime) -> Prepared:
    """The wish with everything that it leaves open. Stores nothing.

    Raises InvalidRule, by the path of each field that is wrong; those of the rule begin with
    `rule.`. A live feed may be asked for the last year: belongs outside any transaction.
    """
    start, end = _span(wish)
    try:
        rule = parse(wish.draft, start, _any_symbol if wish.bars is not None else unlisted)
        portfolio, limits = _portfolio(user, wish.draft, rule)
    except InvalidRule as invalid:
        raise InvalidRule({f"rule.{path}": told for path, told in invalid.errors.items()}) from None
    series = _series(rule, wish, now)
    _check_splits(wish, series, start)
    if end is None:
        end = max((instant(of.at[-1]) for of in series.values()), default=now)
    terms = Terms(
        draft=replace(wish.draft, valid_until=rule.valid_until),
        start=start,
        end=end,
        costs=wish.costs,
        portfolio=_starting(portfolio, wish, rule, series, start),
        limits=limits,
        sessions=wish.sessions,
        splits={symbol: tuple(of) for symbol, of in wish.splits.items()},
        parameter=wish.sweep.parameter if wish.sweep else "",
        values=tuple(_values(rule, wish.sweep)),
    )
    return Prepared(terms, rule, series, _cells(rule, series, terms, wish, user.zone))


def series_for(
    rule: Rule, sessions: Sessions, bars: bytes | None, now: datetime
) -> Mapping[str, Series]:
    """The bars of the rule's symbols: those of a file's content, or without one those that are
    held. Raises BadBars."""
    if bars is not None:
        found = series_in(bars, "bars", sessions.calendar)
        return {symbol: of for symbol, of in found.items() if symbol in rule.symbols}
    held = held_sessions(symbols=rule.symbols, now=now)
    return {symbol: Series.of(symbol, of) for symbol, of in held.items()}


def _span(wish: Wish) -> tuple[datetime, datetime | None]:
    start, end = wish.start, wish.end
    try:
        if not isinstance(start, datetime):
            start = datetime.combine(start, time(), NEW_YORK)
        if end is not None and not isinstance(end, datetime):
            end = datetime.combine(end + timedelta(days=1), time(), NEW_YORK) - MICROSECOND
    except OverflowError:
        raise InvalidRule({"end": "That is beyond the calendar."}) from None
    for name, at in (("start", start), ("end", end)):
        if at is not None and at.year not in _YEARS:
            raise InvalidRule({name: f"Use a year from {_YEARS[0]} to {_YEARS[-1]}."})
    if end is not None and end < start:
        raise InvalidRule({"end": "It must not be before the start."})
    return start, end


def _any_symbol(*, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]:
    """A file may have bars of whatever there is."""
    return {}


def _portfolio(user: User, draft: Draft, rule: Rule) -> tuple[Snapshot, Limits]:
    mine = portfolio_tried(user, draft, rule, asker_for(user=user))
    if mine is None:
        return Snapshot(), Limits()
    locked = as_if_locked_by(portfolio=mine)
    return locked.snapshot, locked.limits


# --- Bars ---


def _series(rule: Rule, wish: Wish, now: datetime) -> Mapping[str, Series]:
    if wish.bars is not None and len(wish.bars) > LARGEST_FILE:
        raise InvalidRule({"bars": f"Send at most {LARGEST_FILE // 2**20} MB of bars."})
    if wish.bars is None:
        _have_a_year(rule, now)
    try:
        series = series_for(rule, wish.sessions, wish.bars, now)
    except BadBars as wrong:
        raise InvalidRule({"bars": str(wrong)}) from None
    if missing := ", ".join(sorted(rule.symbols - series.keys())):
        told = f"No bars of {missing} are held here. Send some."
        if wish.bars is not None:
            told = f"The file has no bars of {missing}. Send those of each symbol of the rule."
        raise InvalidRule({"bars": told})
    return series


def _check_splits(wish: Wish, series: Mapping[str, Series], start: datetime) -> None:
    if wish.splits and wish.bars is None:
        words = "Those of the bars that are held are known. Send splits with bars of your own."
        raise InvalidRule({"splits": words})
    for symbol, splits in wish.splits.items():
        if symbol not in series:
            raise InvalidRule(
                {f"splits.{symbol}": "The rule neither watches nor trades it. Leave it out."}
            )
        try:
            series[symbol].in_units_of(start, splits)
        except BadSplit as bad:
            raise InvalidRule({f"splits.{symbol}": str(bad)}) from None


def _have_a_year(rule: Rule, now: datetime) -> None:
    """Has a live feed asked for the last year, as the wizard does. What is held will do."""
    try:
        needed = YEAR + rule.trigger.needs(rule).sessions + 1
        completed_sessions(symbols=rule.symbols, now=now, sessions=needed)
    except ProviderError:
        return


# --- Money ---


def _starting(
    portfolio: Snapshot, wish: Wish, rule: Rule, series: Mapping[str, Series], start: datetime
) -> Snapshot:
    """Shares that are said to be held have cost what they were worth at the start."""
    cash = Decimal(portfolio.cash) if wish.cash is None else wish.cash
    if wish.holdings is None:
        return Snapshot(cash, dict(portfolio.positions))
    if unknown := sorted(wish.holdings.keys() - rule.symbols):
        words = "The rule neither watches nor trades it. Leave it out."
        raise InvalidRule({f"holdings.{symbol}": words for symbol in unknown})
    positions = {}
    for symbol, quantity in wish.holdings.items():
        of = series[symbol]
        first = price(of.close[max(of.last_until(micros(start)), 0)])
        positions[symbol] = Position(quantity, usd(times(quantity, first)))
    return Snapshot(cash, positions)


# --- The sweep ---


def _values(rule: Rule, sweep: Sweep | None) -> Sequence[Decimal]:
    if sweep is None:
        return ()
    numbers = numbers_of(type(rule.trigger))
    if sweep.parameter not in numbers:
        known = f"It has {', '.join(numbers)}." if numbers else "It has none."
        words = f"The trigger has no such number. {known}"
        raise InvalidRule({"sweep.parameter": words})
    field = "sweep.steps" if sweep.steps is not None else "sweep.values"
    wanted = len(sweep.values) if sweep.steps is None else sweep.steps
    if not 1 <= wanted <= MOST_SETTINGS:
        raise InvalidRule({field: f"Try 1 to {MOST_SETTINGS} settings; these are {wanted:,}."})
    values = sweep.values
    if sweep.first is not None and sweep.last is not None and sweep.steps is not None:
        whole = numbers[sweep.parameter]
        values = spread(sweep.first, sweep.last, sweep.steps, whole=whole)
    if len(set(values)) < len(values):
        raise InvalidRule({field: "Give each value once."})
    for place, value in enumerate(values):
        _check_setting(rule, sweep, place, value)
    return values


def _check_setting(rule: Rule, sweep: Sweep, place: int, value: Decimal) -> None:
    try:
        at_setting(rule, sweep.parameter, value).trigger.check(rule)
    except InvalidRule as invalid:
        path = f"sweep.values.{place}" if sweep.steps is None else "sweep.from"
        words = " ".join(invalid.errors.values())
        raise InvalidRule({path: f"{value:f} cannot be: {words}"}) from None


# --- How much it is ---


def _cells(
    rule: Rule, series: Mapping[str, Series], terms: Terms, wish: Wish, zone: ZoneInfo
) -> int:
    ticks = ticks_of(rule, series, terms.start, terms.end)
    if not ticks.stop:
        raise InvalidRule({"start": _no_bar(series, zone)})
    looks = ticks.stop if isinstance(ticks, EveryBar) else ticks.stop // _MINUTES + 1
    settings = 1 + len(terms.values)
    if looks * settings > MOST_CELLS:
        field = "bars" if wish.sweep is None else "sweep"
        raise InvalidRule(
            {
                field: f"These are {looks:,} bars times {settings} settings, at most "
                f"{MOST_CELLS:,} in all. Choose a shorter period or fewer settings."
            }
        )
    return looks * settings


def _no_bar(series: Mapping[str, Series], zone: ZoneInfo) -> str:
    there = [
        f"those of {symbol} are from {first} to {last}"
        for symbol, of in sorted(series.items())
        for first, last in [(in_zone(instant(of.at[place]), zone) for place in (0, -1))]
    ]
    known = f": {'; '.join(there)}" if there else ""
    return f"There is nothing between the start and the end{known}."
