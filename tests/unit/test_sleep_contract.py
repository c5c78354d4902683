"""The sleep contract, for every trigger that is registered, in markets that are made up.

A rule that is looked at only when its band breaks or its instant comes must do what a rule that is
looked at in every tick does: fire at the same quotes, and miss none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from actions.judge import Finding, Verdict, judge, move_on
from actions.registry import parse_trigger, trigger_types
from actions.rules import (
    PRICE_STEP,
    Band,
    Effect,
    Evaluation,
    Rule,
    Status,
    Trigger,
    View,
    Wake,
)
from market.hours import AlwaysOpen, TradingCalendar
from market.quotes import PRICE_MAX, Sample
from tests.unit.conftest import BUY_TEN, MAX_AGE, NOTIFY, SECOND, HourlySessions

TRADED, OTHER = "AAPL", "SPY"
START = HourlySessions.START + timedelta(minutes=5)
RATIOS = [Decimal(percent) / 100 for percent in (100, 99, 101, 97, 103, 90, 110, 50, 200)]
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
    params: dict[str, Any] = dict(example.params) | {
        "symbol": draw(st.sampled_from([None, TRADED, OTHER]))
    }
    changed = dict(params)
    for name, field in part.model_fields.items():
        options = _leaves(field.annotation) - {type(None)}
        if Decimal in options and name in params and draw(st.booleans()):
            changed[name] = draw(near_100 | grid)
        elif options and all(isinstance(option, str) for option in options):
            changed[name] = draw(st.sampled_from(sorted(options)))
    try:
        return part(**changed)
    except ValueError:  # not every mixture makes sense; the example does
        return part(**params)


@st.composite
def rules(draw: st.DrawFn, trigger_type: str) -> Rule:
    effect: Effect = draw(st.sampled_from([BUY_TEN, NOTIFY]))
    valid_from = START + draw(st.sampled_from([-3600, 0, 45])) * SECOND
    return Rule(
        id=None,
        symbol=TRADED,
        trigger=draw(triggers(trigger_type)),
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
    """One tick: when it is, what the feed says, and whether the portfolio would take an order."""

    now: datetime
    quotes: Mapping[str, Sample]
    takes_orders: bool


def on_grid(price: Decimal) -> Decimal:
    rounded = price.quantize(PRICE_STEP, ROUND_HALF_EVEN)
    return min(max(rounded, PRICE_STEP), PRICE_MAX)


@st.composite
def markets(draw: st.DrawFn, rule: Rule, *, gaps_in_the_feed: bool) -> Sequence[Instant]:
    """Walks in single steps and jumps in gaps, around the rule's own numbers and on them.

    Drawn as bytes, a few for each tick: many times faster than a strategy for each number.
    """
    numbers = [n for n in rule.trigger.model_dump().values() if isinstance(n, Decimal)]
    anchors = [on_grid(number) for number in numbers] or [Decimal(100)]
    symbols = sorted(rule.symbols)
    prices = {symbol: on_grid(anchors[0] * draw(st.sampled_from(RATIOS))) for symbol in symbols}
    volumes = dict.fromkeys(symbols, 0)
    now, instants = START, []
    for dice in draw(throws(most=30, each=2 + 2 * len(symbols))):
        now += SPANS[dice[0] % len(SPANS)] * SECOND
        quotes = {}
        for symbol, kind, number in zip(symbols, dice[2::2], dice[3::2], strict=True):
            if gaps_in_the_feed and kind % 5 == 4:
                continue
            prices[symbol] = moved(prices[symbol], kind, number, anchors)
            volumes[symbol] += number * 40
            quotes[symbol] = Sample(symbol, prices[symbol], now, volume=volumes[symbol])
        instants.append(Instant(now, quotes, takes_orders=dice[1] % 2 == 0))
    return instants


def moved(price: Decimal, kind: int, number: int, anchors: Sequence[Decimal]) -> Decimal:
    """`price` after it stayed, took a step, made a gap, or landed next to an anchor."""
    step = (number % 5 - 2) * PRICE_STEP
    match kind % 4:
        case 0:
            return price
        case 1:
            return on_grid(price + step)
        case 2:
            return on_grid(price * RATIOS[number % len(RATIOS)])
        case _:
            return on_grid(anchors[number // 5 % len(anchors)] + step)


def throws(*, most: int, each: int) -> st.SearchStrategy[list[bytes]]:
    """One to `most` throws of `each` dice with 256 sides: chosen one by one, or as they fall."""
    chosen = st.lists(st.binary(min_size=each, max_size=each), min_size=1, max_size=most)
    fallen = st.builds(as_they_fall, st.integers(1, most), st.just(each), st.integers(0, 2**32))
    return chosen | fallen


def as_they_fall(count: int, each: int, seed: int) -> list[bytes]:
    random = Random(seed)
    return [random.randbytes(each) for _ in range(count)]


calendars: st.SearchStrategy[TradingCalendar] = st.sampled_from([AlwaysOpen(), HourlySessions()])

# --- An engine without a database ---


def breaks(band: Band, quote: Sample) -> bool:
    """Whether `quote` wakes whoever sleeps in `band`: its levels are inclusive."""
    return (
        (band.below is not None and quote.price <= band.below)
        or (band.above is not None and quote.price >= band.above)
        or (
            band.volume_above is not None
            and quote.volume is not None
            and quote.volume >= band.volume_above
        )
    )


class Engine:
    """Looks at one rule, in every tick or only when it is woken, and counts as the real one."""

    def __init__(self, rule: Rule, calendar: TradingCalendar, *, sleeps: bool) -> None:
        self.rule, self.calendar, self.sleeps = rule, calendar, sleeps
        self.wake = Wake(at=max(START, rule.valid_from))  # the first look
        self.quotes: dict[str, Sample] = {}
        self.fired: list[tuple[datetime, Mapping[str, Decimal], str]] = []
        self.looks = 0
        if rule.valid_from <= START:
            self.rule = rule.with_state(rule.trigger.activate(rule, self.view(START)))

    def view(self, now: datetime) -> View:
        return View(
            now=now,
            woken_at=now,
            calendar=self.calendar,
            max_age=MAX_AGE,
            quotes=dict(self.quotes),
        )

    def is_woken(self, instant: Instant) -> bool:
        if self.wake.at is not None and self.wake.at <= instant.now:
            return True
        return any(
            breaks(self.wake.bands.get(symbol, Band()), quote)
            for symbol, quote in instant.quotes.items()
        )

    def tick(self, instant: Instant) -> None:
        self.quotes |= instant.quotes
        if self.rule.status is Status.ACTIVE and (not self.sleeps or self.is_woken(instant)):
            self.look(instant)

    def look(self, instant: Instant) -> None:
        self.looks += 1
        view = self.view(instant.now)
        verdict = judge(self.rule, view)
        if verdict.finding is Finding.FIRED:
            self.fire(verdict, view, succeeds=instant.takes_orders or not self.rule.effect.trades)
            return
        ended = verdict.finding is Finding.EXPIRED
        self.rule = replace(
            self.rule,
            state=verdict.state,
            status=Status.COMPLETED if ended else self.rule.status,
        )
        self.wake = verdict.wake

    def fire(self, verdict: Verdict, view: View, *, succeeds: bool) -> None:
        prices = {symbol: quote.price for symbol, quote in view.quotes.items()}
        self.fired.append((view.now, prices, verdict.reason))
        self.rule, self.wake = move_on(self.rule, verdict, view, succeeded=succeeds)


# --- (a) Asleep, nothing happens ---


def inside(band: Band, dice: int) -> Decimal | None:
    """A price strictly inside `band`, most often at its very edge; None: there is none."""
    lowest = PRICE_STEP if band.below is None else max(band.below + PRICE_STEP, PRICE_STEP)
    highest = PRICE_MAX if band.above is None else band.above - PRICE_STEP
    if lowest > highest:
        return None
    if dice < 200:
        return lowest if dice % 2 else highest
    return on_grid(lowest + (highest - lowest) * (dice - 200) / 55)


@st.composite
def naps(draw: st.DrawFn, engine: Engine, since: datetime) -> Sequence[Instant]:
    """What may happen while the rule sleeps: prices inside its bands, before its instant."""
    symbols = sorted(engine.rule.symbols)
    now, instants = since, []
    for dice in draw(throws(most=12, each=1 + len(symbols))):
        now += SPANS[dice[0] % len(SPANS)] * SECOND
        if engine.wake.at is not None and now >= engine.wake.at:
            now = engine.wake.at - timedelta(microseconds=1)
        if now < since:
            break  # it is to be looked at at once
        quotes = {}
        for symbol, number in zip(symbols, dice[1:], strict=True):
            band = engine.wake.bands.get(symbol, Band())
            price = inside(band, number)
            if price is not None and number % 7:
                volume = (number * 4000 if band.volume_above is None else band.volume_above) - 1
                quotes[symbol] = Sample(symbol, price, now, volume=max(volume, 0))
        instants.append(Instant(now, quotes, takes_orders=True))
    return instants


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_while_every_price_stays_inside_its_band_a_rule_neither_fires_nor_changes(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    engine = Engine(rule, calendar, sleeps=False)
    market = data.draw(markets(rule, gaps_in_the_feed=True))
    for instant in market:
        engine.tick(instant)
    if engine.rule.status is not Status.ACTIVE or engine.looks == 0:
        return
    event(f"asleep after {len(engine.fired)} firings, {engine.wake.bands.keys() or 'no band'}")
    for instant in data.draw(naps(engine, market[-1].now)):
        assert not engine.is_woken(instant)
        engine.quotes |= instant.quotes
        verdict = judge(engine.rule, engine.view(instant.now))
        assert verdict.finding in {Finding.NOT_FIRED, Finding.BLOCKED, Finding.UNKNOWN}
        assert verdict.state == engine.rule.state


# --- (b) To look when woken is to look always ---


def assert_sleeping_loses_nothing(
    rule: Rule, market: Sequence[Instant], calendar: TradingCalendar
) -> None:
    always = Engine(rule, calendar, sleeps=False)
    woken = Engine(rule, calendar, sleeps=True)
    for instant in market:
        always.tick(instant)
        woken.tick(instant)
        assert woken.fired == always.fired
        assert woken.rule.status == always.rule.status
    event(f"fired {len(always.fired)} times")
    event(f"ended {always.rule.status}")
    assert woken.looks <= always.looks


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_a_rule_that_is_looked_at_when_woken_fires_as_one_that_is_always_looked_at(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    market = data.draw(markets(rule, gaps_in_the_feed=False))
    assert_sleeping_loses_nothing(rule, market, calendar)


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_and_so_it_does_when_the_feed_has_gaps(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    market = data.draw(markets(rule, gaps_in_the_feed=True))
    assert_sleeping_loses_nothing(rule, market, calendar)


# --- That the test itself sees what it must ---


class TooWide(Trigger):
    """Breaks the contract: it fires at 100, and sleeps until 101."""

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        return parse_trigger("price_above", {"threshold": "100"}).evaluate(rule, view)

    def watch(self, rule: Rule, view: View) -> Wake:
        return Wake(bands={TRADED: Band(above=Decimal(101))})


def test_a_band_that_is_too_wide_is_caught() -> None:
    rule = Rule(None, TRADED, TooWide(), NOTIFY, valid_from=START, max_executions=None)
    market = [
        Instant(START + n * SECOND, {TRADED: Sample(TRADED, Decimal(p), START + n * SECOND)}, True)
        for n, p in enumerate(["99", "100", "99"])
    ]
    with pytest.raises(AssertionError):
        assert_sleeping_loses_nothing(rule, market, AlwaysOpen())
