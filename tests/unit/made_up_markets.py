"""Any rule, and any market for it: what Hypothesis draws for the tests of triggers."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from operator import attrgetter
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from actions.effects.rebalance import Rebalance
from actions.parts import InvalidRule
from actions.registry import parse_effect, trigger_types
from actions.rules import PRICE_STEP, Desk, Effect, Plan, Rule, Trigger
from actions.scaling import Factor
from market.hours import AlwaysOpen, TradingCalendar
from market.quotes import PRICE_MAX, Bar, Sample
from portfolios.ledger import Position, Refusal, Snapshot, apply_all
from portfolios.money import EXACT, usd
from tests.unit.conftest import (
    BUY_TEN,
    NOTIFY,
    SECOND,
    HourlySessions,
    HourlyWithoutBreaks,
)

TRADED, OTHER = "AAPL", "SPY"
START = HourlySessions.START + timedelta(minutes=5)
RATIOS = [Decimal(percent) / 100 for percent in (100, 99, 101, 97, 103, 90, 110, 50, 200)]
EFFECTS = (
    BUY_TEN,
    NOTIFY,
    *(
        parse_effect("REBALANCE", sizes={}, params={"targets": targets})
        for targets in (
            {TRADED: "0.6", OTHER: "0.3"},
            {TRADED: "0.5", OTHER: "0.5"},
            {TRADED: "0.1", OTHER: 0},
            {TRADED: "0.03"},
        )
    ),
)
SPANS = (0, 1, 10, 30, 59, 60, 61, 119, 120, 300, 1200, 2100, 3600)

bounded = settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
every_trigger = pytest.mark.parametrize("trigger_type", sorted(trigger_types()))

# --- Any rule ---

grid = st.integers(1, 10**9).map(lambda steps: steps * PRICE_STEP)
near_100 = st.integers(-(10**6), 10**6).map(lambda steps: 100 + steps * PRICE_STEP)
percents = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
counts = st.integers(1, 6)
shares = st.sampled_from([1, 2000, 5100, 10_200, 20_000])
# What to try for a parameter that is free text, or that must suit the market's times and past.
CHOICES: Mapping[str, Sequence[Any]] = {
    "window": ("1d", "1d", "2d", "3d", "1m", "5m", "30m", "1h", "2h"),
    "time": ("00:00", "00:06", "00:40", "01:00", "02:10", "19:00", "19:06", "20:00", "21:40"),
    "timezone": ("UTC", "America/New_York", "Asia/Kolkata"),
    "days": (("wed",), ("thu", "fri"), ("mon", "tue", "wed", "thu", "fri"), "trading_days"),
    "window_minutes": (1, 5, 40, 300, 1440),
    "short": (2, 3),
    "long": (3, 4, 6),
    "lookback": (1, 2, 3),
}
seconds = st.sampled_from(SPANS)


def _leaves(annotation: Any) -> set[Any]:
    """What a parameter may be: Decimal, or the options of a Literal, through Annotated and None."""
    inner = get_args(annotation)
    return set().union(*map(_leaves, inner)) if inner else {annotation}


@st.composite
def triggers(draw: st.DrawFn, trigger_type: str) -> Trigger:
    """One of the examples, with some of its numbers and options changed, on either symbol."""
    part = trigger_types()[trigger_type]
    example = draw(st.sampled_from(part.examples))
    params: dict[str, Any] = dict(example.params)
    if "symbol" in part.model_fields:
        params["symbol"] = draw(st.sampled_from([None, TRADED, OTHER]))
    trigger = part(**params)
    for name, parameter in part.model_fields.items():
        options = _leaves(parameter.annotation) - {type(None)}
        if name in CHOICES:
            params[name] = draw(st.sampled_from(CHOICES[name]))
        elif Decimal in options and name in params and draw(st.booleans()):
            params[name] = draw(near_100 | grid | percents)
        elif int in options and draw(st.booleans()):
            params[name] = draw(shares if name == "threshold" else counts)
        elif options and all(isinstance(option, str) for option in options):
            params[name] = draw(st.sampled_from(sorted(options)))
        try:
            trigger = part(**params)
        except ValueError:  # not every mixture makes sense; the one before does
            params = trigger.model_dump(exclude_unset=True)
    return trigger


def matches(trigger: Trigger) -> list[tuple[Effect, str | None]]:
    """The effects with which the trigger goes, each with the symbol that its rule has."""
    found: list[tuple[Effect, str | None]] = []
    for effect in EFFECTS:
        for symbol in (TRADED, None):
            try:
                effect.check(symbol)
                trigger.check(Rule(None, symbol, trigger, effect, valid_from=START))
            except InvalidRule:
                continue
            found.append((effect, symbol))
    return found


@st.composite
def rules(draw: st.DrawFn, trigger_type: str) -> Rule:
    trigger = draw(triggers(trigger_type))
    effect, symbol = draw(st.sampled_from(matches(trigger)))
    valid_from = START + draw(st.sampled_from([-3600, 0, 45])) * SECOND
    return Rule(
        id=None,
        symbol=symbol,
        trigger=trigger,
        effect=effect,
        valid_from=valid_from,
        valid_until=draw(
            st.none() | st.sampled_from(SPANS[1:]).map(lambda s: valid_from + s * SECOND)
        ),
        max_executions=draw(st.sampled_from([1, 2, 5, None])),
        cooldown_seconds=draw(st.none() | seconds),
    )


# --- Any market ---


@dataclass(frozen=True, slots=True)
class Instant:
    """One tick: when it is, what the feed says, whether the portfolio would take an order, and
    what it holds."""

    now: datetime
    quotes: Mapping[str, Sample]
    takes_orders: bool
    portfolio: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """Ticks, and what was before them: past sessions and samples.

    Where `tells_close`, quotes carry the close of the session before theirs.
    """

    calendar: TradingCalendar
    instants: Sequence[Instant]
    bars: Mapping[str, Sequence[Bar]] = field(default_factory=dict)
    earlier: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    tells_close: bool = False

    def completed(self, symbol: str, now: datetime, sessions: int) -> Sequence[Bar]:
        bars = self.bars.get(symbol, ())
        end = bisect_right(bars, now, key=attrgetter("at"))
        return bars[max(0, end - sessions) : end]

    def quote(self, symbol: str, price: Decimal, as_of: datetime, volume: int | None) -> Sample:
        close = self._previous_close(symbol, as_of, whim=volume or 0)
        return Sample(symbol, price, as_of, volume, close)

    def _previous_close(self, symbol: str, as_of: datetime, whim: int) -> Decimal | None:
        bars = self.bars.get(symbol, ()) if self.tells_close else ()
        within = self.calendar.is_open(as_of) and self.calendar.last_close(as_of) < as_of
        before = bisect_left(bars, as_of, key=attrgetter("at"))
        if not within and whim % 2:  # between sessions a provider may tell either close
            before = bisect_left(bars, self.calendar.last_close(as_of), key=attrgetter("at"))
        return bars[before - 1].close if before else None


def on_grid(price: Decimal) -> Decimal:
    rounded = price.quantize(PRICE_STEP, ROUND_HALF_EVEN)
    return min(max(rounded, PRICE_STEP), PRICE_MAX)


@st.composite
def markets(
    draw: st.DrawFn, rule: Rule, calendar: TradingCalendar, *, gaps_in_the_feed: bool
) -> Market:
    """Walks in single steps and jumps in gaps, around the rule's own numbers and on them.

    Drawn as bytes, a few for each tick: many times faster than a strategy for each number.
    """
    numbers = [n for n in rule.trigger.model_dump().values() if isinstance(n, Decimal)]
    anchors = [on_grid(number) for number in numbers] or [Decimal(100)]
    symbols = sorted(rule.symbols)
    prices = {symbol: on_grid(anchors[0] * draw(st.sampled_from(RATIOS))) for symbol in symbols}
    rolls = draw(throws(most=30, each=2 + 2 * len(symbols)))
    market = draw(pasts(rule, calendar, prices))
    holding = draw(portfolios(rule, prices))
    anchors += [on_grid(level) for level in landmarks(market, holding, numbers)]
    if holding is not None:
        anchors += [on_grid(level) for level in balances(rule, holding, prices, numbers)]
    ratios = RATIOS + [1 + sign * number / 100 for number in numbers for sign in (-1, 1)]
    volumes = dict.fromkeys(symbols, 0)
    opens = dict.fromkeys(symbols, START)
    seen: dict[str, datetime] = {}
    now, instants = START, []
    for dice in rolls:
        now = later(now, dice[0], calendar)
        quotes = {}
        for symbol, kind, number in zip(symbols, dice[2::2], dice[3::2], strict=True):
            as_of = now - (20 * SECOND if gaps_in_the_feed and kind >= 192 else 0 * SECOND)
            if gaps_in_the_feed and (kind % 5 == 4 or as_of < seen.get(symbol, as_of)):
                continue
            seen[symbol] = as_of
            prices[symbol] = moved(prices[symbol], kind, number, anchors, ratios)
            if opens[symbol] <= as_of:  # another session: its volume begins anew
                opens[symbol], volumes[symbol] = calendar.next_open(as_of), 0
            volumes[symbol] += number * 40
            volume = volumes[symbol] if number % 16 else None
            quotes[symbol] = market.quote(symbol, prices[symbol], as_of, volume)
        if holding is not None and dice[1] >= 224:
            holding = traded(holding, prices, dice[1])
        instants.append(Instant(now, quotes, dice[1] % 2 == 0, holding))
    return replace(market, instants=instants)


def later(now: datetime, die: int, calendar: TradingCalendar) -> datetime:
    """Some time later, quite often next to a close that is near."""
    close = calendar.next_close(now) + (die % 3 - 1) * SECOND
    if die >= 208 and now <= close <= now + timedelta(hours=1):
        return close
    return now + SPANS[die % len(SPANS)] * SECOND


def moved(
    price: Decimal,
    kind: int,
    number: int,
    anchors: Sequence[Decimal],
    ratios: Sequence[Decimal],
) -> Decimal:
    """`price` after it stayed, took a step, made a gap, or landed next to an anchor."""
    step = (number % 5 - 2) * PRICE_STEP
    match kind % 4:
        case 0:
            return price
        case 1:
            return on_grid(price + step)
        case 2:
            return on_grid(price * ratios[number // 5 % len(ratios)] + step)
        case _:
            return on_grid(anchors[number // 5 % len(anchors)] + step)


@st.composite
def pasts(draw: st.DrawFn, rule: Rule, calendar: TradingCalendar, prices: Any) -> Market:
    """What was before the first tick, as far as the rule asks for it; sessions to come as well."""
    needs = rule.trigger.needs(rule)
    if not needs.sessions and needs.span is None:
        return Market(calendar, ())
    random = Random(draw(st.integers(0, 2**32)))
    closes = [calendar.last_close(START)]
    for _ in range(random.choice((0, 1, 3, 8))):
        closes.insert(0, calendar.last_close(closes[0] - SECOND))
    while closes[-1] < START + timedelta(hours=45):
        closes.append(calendar.next_close(closes[-1]))
    bars = {
        symbol: [a_bar(symbol, at, price, random) for at in closes if random.random() < 0.9]
        for symbol, price in prices.items()
    }
    ages = sorted(random.sample(range(7200), random.choice((0, 1, 5))), reverse=True)
    earlier = {
        symbol: [
            Sample(symbol, on_grid(price * random.choice(RATIOS)), START - age * SECOND)
            for age in ages
        ]
        for symbol, price in prices.items()
    }
    return Market(calendar, (), bars, earlier, tells_close=random.random() < 0.5)


def a_bar(symbol: str, at: datetime, price: Decimal, random: Random) -> Bar:
    first, last, low, high = (on_grid(price * random.choice(RATIOS)) for _ in range(4))
    low, high = min(first, last, low, high), max(first, last, low, high)
    return Bar(symbol, at, first, high, low, last, random.randrange(10**4))


@st.composite
def portfolios(draw: st.DrawFn, rule: Rule, prices: Any) -> Snapshot | None:
    if not rule.trigger.needs(rule).portfolio:
        return None
    paid_in = Snapshot(Decimal(draw(st.sampled_from([1000, 100, 0]))))
    if isinstance(rule.effect, Rebalance) and paid_in.cash and draw(st.booleans()):
        return rebalanced(rule, paid_in, prices)
    return traded(paid_in, prices, draw(st.integers(0, 255)))


def rebalanced(rule: Rule, before: Snapshot, prices: Mapping[str, Decimal]) -> Snapshot:
    """The portfolio after it was brought to the rule's targets."""
    quotes = {symbol: Sample(symbol, price, START) for symbol, price in prices.items()}
    plan = rule.effect.plan(rule, Desk(START, quotes, before))
    assert isinstance(plan, Plan)
    bought = apply_all(before, plan.orders)
    assert not isinstance(bought, Refusal)
    return bought[1]


def traded(before: Snapshot, prices: Mapping[str, Decimal], dice: int) -> Snapshot:
    """The portfolio after it bought some of everything, or of one symbol, or sold it all."""
    if dice % 4 == 0:
        return replace(before, positions={})
    bought = sorted(prices) if dice % 4 > 1 else [sorted(prices)[dice // 4 % len(prices)]]
    positions = {}
    for n, symbol in enumerate(bought):
        quantity = (Decimal(10), Decimal("0.00000007"), Decimal(3))[(dice // 4 + n) % 3]
        cost = quantity * prices[symbol] * RATIOS[dice % 9]
        positions[symbol] = Position(quantity, usd(cost))
    return replace(before, positions=positions)


def landmarks(
    market: Market, holding: Snapshot | None, numbers: Sequence[Decimal]
) -> Sequence[Decimal]:
    """The prices that are a number of the rule's, as a percentage, away from what it looks at."""
    bases = [of[-1].price for of in market.earlier.values() if of]
    for bars in market.bars.values():
        bases += [price for bar in bars[:4] for price in (bar.close, bar.high)]
    if holding is not None:
        bases += [held.cost_basis / held.quantity for held in holding.positions.values()]
    return [
        base * (100 + sign * number) / 100
        for base in bases
        for number in numbers
        for sign in (-1, 1)
    ]


def balances(
    rule: Rule, holding: Snapshot, prices: Mapping[str, Decimal], numbers: Sequence[Decimal]
) -> Sequence[Decimal]:
    """The prices at which a position weighs as much as its target, or a number of the rule's, in
    percent, more or less."""
    targets = rule.effect.targets if isinstance(rule.effect, Rebalance) else {}
    levels = []
    for symbol, target in targets.items():
        quantity = holding.position(symbol).quantity
        beside = holding.cash + sum(
            holding.position(other).quantity * prices[other] for other in targets if other != symbol
        )
        for weight in [target + sign * n / 100 for n in (Decimal(0), *numbers) for sign in (-1, 1)]:
            if quantity and 0 < weight < 1:
                levels.append(beside * weight / (1 - weight) / quantity)
    return levels


def throws(*, most: int, each: int) -> st.SearchStrategy[list[bytes]]:
    """One to `most` throws of `each` dice with 256 sides: chosen one by one, or as they fall."""
    chosen = st.lists(st.binary(min_size=each, max_size=each), min_size=1, max_size=most)
    fallen = st.builds(as_they_fall, st.integers(1, most), st.just(each), st.integers(0, 2**32))
    return chosen | fallen


def as_they_fall(count: int, each: int, seed: int) -> list[bytes]:
    random = Random(seed)
    return [random.randbytes(each) for _ in range(count)]


calendars: st.SearchStrategy[TradingCalendar] = st.sampled_from(
    [AlwaysOpen(), HourlySessions(), HourlyWithoutBreaks()]
)


# --- The same market in other shares ---


def in_other_shares(market: Market, symbol: str, prices: Factor, volumes: Factor) -> Market:
    """The market with the prices and the volumes of `symbol` multiplied. Both must stay on their
    grids: nothing is rounded. What is held changes as volumes do not: by the prices' inverse."""
    bars = {
        of: [_bar_in_shares_of(bar, prices, volumes) for bar in past] if of == symbol else past
        for of, past in market.bars.items()
    }
    earlier = {
        of: [in_shares_of(one, prices, volumes) for one in past] if of == symbol else past
        for of, past in market.earlier.items()
    }
    instants = [
        replace(
            instant,
            quotes={
                of: in_shares_of(quote, prices, volumes) if of == symbol else quote
                for of, quote in instant.quotes.items()
            },
            portfolio=instant.portfolio and divided(instant.portfolio, symbol, 1 / prices),
        )
        for instant in market.instants
    ]
    return replace(market, bars=bars, earlier=earlier, instants=instants)


def in_shares_of(sample: Sample, prices: Factor, volumes: Factor) -> Sample:
    close = sample.previous_close
    return replace(
        sample,
        price=exactly(sample.price, prices),
        volume=None if sample.volume is None else int(exactly(Decimal(sample.volume), volumes)),
        previous_close=None if close is None else exactly(close, prices),
    )


def _bar_in_shares_of(bar: Bar, prices: Factor, volumes: Factor) -> Bar:
    return replace(
        bar,
        open=exactly(bar.open, prices),
        high=exactly(bar.high, prices),
        low=exactly(bar.low, prices),
        close=exactly(bar.close, prices),
        volume=int(exactly(Decimal(bar.volume), volumes)),
    )


def divided(portfolio: Snapshot, symbol: str, factor: Factor) -> Snapshot:
    """The portfolio with so many times the shares of `symbol`, which have cost the same."""
    positions = dict(portfolio.positions)
    if held := positions.get(symbol):
        positions[symbol] = replace(held, quantity=exactly(held.quantity, factor))
    return replace(portfolio, positions=positions)


def exactly(number: Decimal, factor: Factor) -> Decimal:
    """`number` x `factor`, which must be a finite decimal."""
    return EXACT.divide(
        EXACT.multiply(number, Decimal(factor.numerator)), Decimal(factor.denominator)
    )
