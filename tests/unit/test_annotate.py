"""What a chart draws for a rule is what the rule goes by, for every trigger that is registered."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from actions.marks import Axis, Level, Line, Mark, Role, Span
from actions.registry import parse_trigger, trigger_types
from actions.rules import PRICE_STEP, Band, Outcome, Rule, View
from actions.triggers._price_level import PriceLevel
from market.hours import Exchange, TradingCalendar
from market.quotes import PRICE_MAX, VOLUME_MAX, Bar, Sample
from portfolios.ledger import Position, Snapshot
from tests.unit.conftest import NOW, a_rule, a_view
from tests.unit.made_up_markets import bounded, calendars, every_trigger, markets, matches, rules
from tests.unit.pure_engine import Engine, inside

quick = settings(bounded, max_examples=150)
# Those that fire as soon as the price is at a level that they draw.
LEVELS = {"price_above", "price_below", "change_pct", "trailing_stop", "from_high", "from_cost"}
LAST_CLOSE = Exchange().last_close(NOW)


def assert_well_formed(mark: Mark) -> None:
    assert mark.words
    assert mark.words == mark.words.strip()
    assert mark.words[0].isupper() or mark.words[0].isdigit()
    match mark:
        case Level():
            most = PRICE_MAX if mark.axis is Axis.PRICE else VOLUME_MAX
            step = PRICE_STEP if mark.axis is Axis.PRICE else Decimal(1)
            assert 0 < mark.value <= most
            assert mark.value % step == 0
            assert mark.symbol
        case Span():
            assert mark.begin.utcoffset() == mark.end.utcoffset() == timedelta(0)
            assert mark.begin < mark.end
        case Line():
            assert mark.symbol
            instants = [point.at for point in mark.points]
            assert instants == sorted(set(instants))
            assert instants
            assert all(point.price > 0 for point in mark.points)


def fires_at(marks: Sequence[Mark]) -> list[Level]:
    """The prices at which it fires."""
    return [
        mark
        for mark in marks
        if isinstance(mark, Level) and mark.role is Role.TRIGGER and mark.axis is Axis.PRICE
    ]


# --- Every example ---

a_state: Mapping[str, Mapping[str, Any]] = {
    "trailing_stop": {"peak": "110.000000", "trough": "90.000000"},
    "from_high": {"peak": "110.000000", "seen_at": NOW.isoformat()},
}


def the_rule(name: str, params: Mapping[str, Any], *, remembers: bool = True) -> Rule:
    """A rule with such a trigger, and with the first effect that it goes with."""
    effect, symbol = matches(parse_trigger(name, params))[0]
    state = a_state.get(name, {}) if remembers else {}
    return a_rule(name, params, effect=effect, symbol=symbol, state=state)


def a_full_view(symbols: Collection[str]) -> View:
    """Everything that a trigger may ask for, with every symbol at $100."""
    days = [LAST_CLOSE]
    for _ in range(299):
        days.insert(0, Exchange().last_close(days[0] - timedelta(seconds=1)))
    price = Decimal(100)
    return replace(
        a_view(calendar=Exchange()),
        quotes={of: Sample(of, price, NOW, volume=10, previous_close=price) for of in symbols},
        bars={
            of: [Bar(of, at, price, price + 5, price - 5, price, 1000) for at in days]
            for of in symbols
        },
        recent={
            of: [Sample(of, price, NOW - timedelta(hours=hours)) for hours in (3, 2, 1)]
            for of in symbols
        },
        portfolio=Snapshot(positions=dict.fromkeys(symbols, Position(Decimal(10), Decimal(1000)))),
    )


every_example = pytest.mark.parametrize(
    ("name", "params"),
    [
        pytest.param(name, example.params, id=f"{name} {number}")
        for name, part in sorted(trigger_types().items())
        for number, example in enumerate(part.examples)
    ],
)


@every_example
def test_every_example_draws_something_where_all_is_known(
    name: str, params: Mapping[str, Any]
) -> None:
    rule = the_rule(name, params)
    marks = rule.trigger.annotate(rule, a_full_view(rule.symbols))
    assert marks
    for mark in marks:
        assert_well_formed(mark)
    drawn_for = {mark.symbol for mark in marks if not isinstance(mark, Span)}
    assert drawn_for == rule.trigger.charted(rule)
    assert fires_at(marks) or name not in LEVELS


WITHOUT: Mapping[str, Callable[[View], View]] = {
    "quotes": lambda view: replace(view, quotes={}),
    "bars": lambda view: replace(view, bars={}),
    "recent": lambda view: replace(view, recent={}),
    "portfolio": lambda view: replace(view, portfolio=None),
    "all": lambda view: a_view(view.now, calendar=view.calendar),
}


@pytest.mark.parametrize("lacking", sorted(WITHOUT))
@pytest.mark.parametrize("known", [True, False])
@every_example
def test_what_is_lacking_is_left_out(
    name: str, params: Mapping[str, Any], known: bool, lacking: str
) -> None:
    rule = the_rule(name, params, remembers=known)
    full = a_full_view(rule.symbols)
    marks = rule.trigger.annotate(rule, WITHOUT[lacking](full))
    for mark in marks:
        assert_well_formed(mark)
    assert set(marks) <= set(rule.trigger.annotate(rule, full))


# --- Any rule in any market ---


def outcome(rule: Rule, view: View, quote: Sample) -> Outcome:
    """What a fresh quote brings."""
    seen = replace(view, quotes={**view.quotes, quote.symbol: quote})
    return rule.trigger.evaluate(rule, seen).outcome


def looked_at(data: st.DataObject, rule: Rule, calendar: TradingCalendar) -> tuple[Rule, View]:
    """The rule with its state, and what it sees at the last tick of some market."""
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=False))
    engine = Engine(rule, market, sleeps=False)
    for instant in market.instants:
        engine.tick(instant)
    return engine.rule, engine.view(market.instants[-1].now)


@every_trigger
@quick
@given(data=st.data(), calendar=calendars)
def test_whatever_is_drawn_is_well_formed(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule, view = looked_at(data, data.draw(rules(trigger_type)), calendar)
    for mark in rule.trigger.annotate(rule, view):
        assert_well_formed(mark)


def a_look_that_did_not_fire(
    data: st.DataObject, trigger_type: str, calendar: TradingCalendar
) -> tuple[Rule, View, Sequence[Level]]:
    """Such a rule with its state, what it sees, and the prices at which it says that it fires."""
    rule, view = looked_at(data, data.draw(rules(trigger_type)), calendar)
    found = rule.trigger.evaluate(rule, view)
    rule = rule.with_state(found.state)
    levels = fires_at(rule.trigger.annotate(rule, view))
    event(f"{found.outcome}, {len(levels)} levels")
    return rule, view, levels if found.outcome is Outcome.NOT_FIRED else ()


@every_trigger
@quick
@given(data=st.data(), calendar=calendars, dice=st.integers(0, 255))
def test_a_fresh_quote_that_is_short_of_every_level_does_not_fire(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar, dice: int
) -> None:
    rule, view, levels = a_look_that_did_not_fire(data, trigger_type, calendar)
    for symbol in {level.symbol for level in levels}:
        quote = view.quotes[symbol]
        ours = [level.value for level in levels if level.symbol == symbol]
        short = Band(
            below=max((value for value in ours if value < quote.price), default=None),
            above=min((value for value in ours if value > quote.price), default=None),
        )
        for price in (inside(short, die) for die in (0, 1, dice)):
            if price is not None:
                assert outcome(rule, view, replace(quote, price=price)) is Outcome.NOT_FIRED


@pytest.mark.parametrize("trigger_type", sorted(LEVELS))
@quick
@given(data=st.data(), calendar=calendars)
def test_a_fresh_quote_at_a_level_fires(
    trigger_type: str, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rule, view, levels = a_look_that_did_not_fire(data, trigger_type, calendar)
    if isinstance(rule.trigger, PriceLevel) and rule.trigger.on == "cross":
        return  # that fires at its level only once it has been on the other side
    for level in levels:
        quote = replace(view.quotes[level.symbol], price=level.value)
        assert outcome(rule, view, quote) is Outcome.FIRED


def test_the_levels_are_those_of_the_session_that_a_fresh_quote_would_be_of() -> None:
    rule = a_rule("change_pct", {"change": "10", "direction": "down"})
    price = Decimal(150)
    told = Sample("AAPL", price, LAST_CLOSE, previous_close=Decimal(200))
    bar = Bar("AAPL", LAST_CLOSE, price, price, price, price, 1000)
    view = replace(a_view(calendar=Exchange(), AAPL=told), bars={"AAPL": [bar]})
    (level,) = fires_at(rule.trigger.annotate(rule, view))
    assert level.value == 135
