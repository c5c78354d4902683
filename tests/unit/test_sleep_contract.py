"""The sleep contract, for every trigger that is registered, in markets that are made up.

A rule that is looked at only when its band breaks or its instant comes must do what a rule that is
looked at in every tick does: fire at the same quotes, and miss none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, event, given, reject, settings
from hypothesis import strategies as st

from actions.judge import Finding, judge
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import ANY_PRICE, Band, Evaluation, Outcome, Rule, Status, Trigger, View, Wake
from actions.triggers.price_below import PriceBelow
from market.hours import AlwaysOpen, TradingCalendar
from market.quotes import BadBar, BadQuote, Sample
from tests.unit.conftest import (
    NOTIFY,
    SECOND,
)
from tests.unit.made_up_markets import (
    START,
    TRADED,
    Instant,
    Market,
    bounded,
    calendars,
    every_trigger,
    in_other_shares,
    later,
    markets,
    rules,
    throws,
)
from tests.unit.pure_engine import (
    Engine,
    after,
    assert_a_split_changes_nothing,
    assert_sleeping_loses_nothing,
    inside,
)

# --- (a) Asleep, nothing happens ---


@st.composite
def naps(draw: st.DrawFn, engine: Engine, since: datetime) -> Sequence[Instant]:
    """What may happen while the rule sleeps: prices inside its bands, before its instant."""
    symbols = sorted(engine.rule.symbols)
    bands = engine.wake.bands
    now, instants = since, []
    for dice in draw(throws(most=12, each=1 + len(symbols))):
        now = later(now, dice[0], engine.market.calendar)
        if engine.wake.at is not None and now >= engine.wake.at:
            now = engine.wake.at - timedelta(microseconds=1)
        if now < since:
            break  # it is to be looked at at once
        quotes = {}
        for symbol, number in zip(symbols, dice[1:], strict=True):
            band = bands.get(symbol, Band())
            price = inside(band, number)
            sleeps_through_some = band.volume_above is None or band.volume_above > 0
            if price is not None and number % 7 and sleeps_through_some:
                volume = (number * 4000 if band.volume_above is None else band.volume_above) - 1
                quotes[symbol] = engine.market.quote(symbol, price, now, max(volume, 0))
        bands = after(bands, quotes)
        instants.append(Instant(now, quotes, takes_orders=True, portfolio=engine.portfolio))
    return instants


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_while_every_price_stays_inside_its_band_a_rule_neither_fires_nor_changes(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=True))
    engine = Engine(rule, market, sleeps=False)
    for instant in market.instants:
        engine.tick(instant)
    if engine.rule.status is not Status.ACTIVE or engine.looks == 0:
        return
    event(f"asleep after {len(engine.fired)} firings, {engine.wake.bands.keys() or 'no band'}")
    for instant in data.draw(naps(engine, market.instants[-1].now)):
        assert not engine.is_woken(instant)
        engine.see(instant)
        rule = engine.caught_up()
        verdict = judge(rule, engine.view(instant.now))
        assert verdict.finding in {Finding.NOT_FIRED, Finding.BLOCKED, Finding.UNKNOWN}
        assert verdict.state == rule.state


# --- (b) To look when woken is to look always ---


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_a_rule_that_is_looked_at_when_woken_fires_as_one_that_is_always_looked_at(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=False))
    assert_sleeping_loses_nothing(rule, market)


@every_trigger
@bounded
@given(data=st.data(), calendar=calendars)
def test_and_so_it_does_when_the_feed_has_gaps(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule = data.draw(rules(trigger_type))
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=True))
    assert_sleeping_loses_nothing(rule, market)


# --- (c) A split changes nothing ---


@every_trigger
@settings(bounded, max_examples=150)
@given(data=st.data(), calendar=calendars, times=st.sampled_from([2, 4, 5, 8, 20]))
def test_a_rule_that_goes_through_a_split_fires_as_one_on_adjusted_prices(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar, times: int
) -> None:
    cheap_rule = data.draw(rules(trigger_type))
    symbol = data.draw(st.sampled_from(sorted(cheap_rule.symbols) or [TRADED]))
    drawn = data.draw(markets(cheap_rule, calendar, gaps_in_the_feed=True))
    factor = Fraction(times)
    try:
        dear_rule = cheap_rule.after_split(symbol, 1 / factor)
        assume(dear_rule.after_split(symbol, factor) == cheap_rule)  # nothing is rounded
        dear = in_other_shares(drawn, symbol, factor, Fraction(1))
        cheap = in_other_shares(drawn, symbol, Fraction(1), factor)
    except (InvalidRule, BadQuote, BadBar):  # a number that is too large in other shares
        reject()
    at = data.draw(st.integers(0, len(drawn.instants)))
    if data.draw(st.booleans()):
        assert_a_split_changes_nothing((dear_rule, cheap_rule), (dear, cheap), symbol, factor, at)
    else:  # a reverse split
        assert_a_split_changes_nothing(
            (cheap_rule, dear_rule), (cheap, dear), symbol, 1 / factor, at
        )


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
        assert_sleeping_loses_nothing(rule, Market(AlwaysOpen(), market))


class Forgets(PriceBelow):
    """Keeps the first price under a name of its own, forgets it at a split, and fires at 60 %."""

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        price = view.quotes[TRADED].price
        first = Decimal(rule.state.get("first", price))
        fired = price <= first * 60 / 100
        outcome = Outcome.FIRED if fired else Outcome.NOT_FIRED
        return Evaluation(outcome, "", {"first": str(first)})

    def watch(self, rule: Rule, view: View) -> Wake:
        return Wake({TRADED: ANY_PRICE})


@settings(max_examples=1, database=None)
@given(nothing=st.none())  # what is checked tells Hypothesis of what it meets
def test_a_trigger_that_forgets_a_price_at_a_split_is_caught(nothing: None) -> None:
    rule = Rule(None, TRADED, Forgets(threshold=Decimal(1)), NOTIFY, valid_from=START)
    old, new = (
        Market(
            AlwaysOpen(),
            [
                Instant(START + n * SECOND, {TRADED: Sample(TRADED, p, START + n * SECOND)}, True)
                for n, p in enumerate([price] * 2)
            ],
        )
        for price in (Decimal(90), Decimal(45))
    )
    pair = rule.after_split(TRADED, Fraction(1, 2)), rule
    assert_a_split_changes_nothing(pair, (old, new), TRADED, Fraction(2), at=0)
    with pytest.raises(AssertionError):
        assert_a_split_changes_nothing(pair, (old, new), TRADED, Fraction(2), at=1)
