"""A backtest does what an engine does that looks with every bar, for every trigger there is."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from actions.backtest import stretches
from actions.backtest.calendar import ClosesIncluded
from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.rules import Rule
from market.hours import AlwaysOpen, Exchange, TradingCalendar
from portfolios.ledger import Position, Snapshot
from portfolios.limits import Limits
from tests.unit.bar_by_bar import MINUTE, BarByBar, a_series, instants, stretched
from tests.unit.made_up_markets import OTHER, TRADED, bounded, every_trigger, on_grid, rules

markets: st.SearchStrategy[TradingCalendar] = st.sampled_from(
    [AlwaysOpen(), Exchange(), ClosesIncluded()]
)
holdings = st.sampled_from(
    [
        Snapshot(Decimal(1000)),
        Snapshot(Decimal("5.00")),
        Snapshot(Decimal(100_000), {TRADED: Position(Decimal(3), Decimal(290))}),
        Snapshot(
            Decimal(500),
            {TRADED: Position(Decimal(1), Decimal(9)), OTHER: Position(Decimal(2), Decimal(30))},
        ),
    ]
)
limits = st.sampled_from([Limits(), Limits(day_executions=1), Limits(order_most=Decimal(50))])


@st.composite
def cases(draw: st.DrawFn, trigger_type: str) -> tuple[BarByBar, datetime]:
    daily = draw(st.booleans())
    calendar = draw(markets)
    rule: Rule = draw(rules(trigger_type))
    numbers = [n for n in rule.trigger.model_dump().values() if isinstance(n, Decimal)]
    anchors = [on_grid(number) for number in numbers] or [Decimal(100)]
    anchors += [
        on_grid(base * (100 + sign * n) / 100)
        for base in anchors
        for n in numbers
        for sign in (-1, 1)
    ]
    bars = {}
    for symbol in sorted(rule.symbols):
        at = draw(instants(calendar, daily=daily))
        bars[symbol] = draw(a_series(symbol, at, anchors))
    ends = sorted({bar.at for of in bars.values() for bar in of})
    if not ends:
        ends = [calendar.next_close(rule.valid_from)]
    start = draw(st.sampled_from(ends[: max(1, len(ends) // 2)]))
    start += draw(st.sampled_from([0, 0, -1, 30])) * MINUTE
    engine = BarByBar(
        stretched(rule, start, daily=daily), bars, calendar, draw(holdings), draw(limits)
    )
    return engine, start


@every_trigger
@settings(bounded, max_examples=150)
@given(data=st.data())
def test_a_backtest_fires_and_trades_as_an_engine_that_looks_with_every_bar(
    trigger_type: str, data: st.DataObject
) -> None:
    engine, start = data.draw(cases(trigger_type))
    if not engine.rule.trigger.charted(engine.rule):
        return  # it is looked at by the minute: below
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stretches, "FIRST", data.draw(st.sampled_from([1, 3, 512])))
        done = backtest(
            engine.rule,
            {symbol: Series.of(symbol, bars) for symbol, bars in engine.bars.items()},
            start=start,
            portfolio=engine.portfolio,
            limits=engine.limits,
            calendar=engine.calendar,
        )
    engine.play(start)
    assert [(fire.at, fire.reason) for fire in done.fires] == engine.fires
    assert [(trade.amount, trade.cash_after) for trade in done.trades] == [
        (entry.amount, entry.cash_after) for entry in engine.entries
    ]
    assert done.portfolio == engine.portfolio
    assert {(each.at, each.why) for each in done.blocked} <= engine.blocked
    assert done.after.executions_count == engine.rule.executions_count
    event(f"fired {len(done.fires)} times")
    event(f"blocked {len(done.blocked)} times")
