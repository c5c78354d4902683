"""What a backtest tells beside the firings: trades with their costs, and what held a rule back."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from actions.backtest.books import Costs
from actions.backtest.run import backtest, would_have_fired
from actions.backtest.series import BadSplit, Series
from actions.registry import parse_effect
from actions.rules import Effect, Rule, Status
from market.hours import Exchange
from market.quotes import Bar
from portfolios.ledger import Position, Side, Snapshot
from portfolios.limits import Limits
from tests.unit.conftest import BUY_TEN, NOTIFY, a_rule

D = Decimal
MONDAY = date(2026, 11, 16)
START = datetime(2026, 11, 13, 22, tzinfo=UTC)  # the Friday before, after the close
CLOSES = ("100", "90", "80", "110")
SELL_ALL = parse_effect("SELL", sizes={}, params={"fraction": "1"})
BUY_FOR_1000 = parse_effect("BUY", sizes={"amount_usd": "1000"}, params={})
ALL_IN = parse_effect("REBALANCE", sizes={}, params={"targets": {"AAPL": "1"}})


def bars(closes: Sequence[str] = CLOSES) -> list[Bar]:
    at = [Exchange().close_of(MONDAY + timedelta(days=n)) for n in range(len(closes))]
    return [
        Bar("AAPL", close, *(D(price),) * 4, 1000)
        for close, price in zip(at, closes, strict=True)
        if close
    ]


def series(closes: Sequence[str] = CLOSES) -> dict[str, Series]:
    return {"AAPL": Series.of("AAPL", bars(closes))}


def below(threshold: str, effect: Effect = BUY_TEN, **more: Any) -> Rule:
    return a_rule(trigger_params={"threshold": threshold}, effect=effect, valid_from=START, **more)


def test_a_trade_is_filled_at_the_bar_s_close_and_told_with_its_cash() -> None:
    done = backtest(below("90"), series(), start=START, portfolio=Snapshot(D(1000)))
    (trade,) = done.trades
    assert (trade.side, trade.quantity, trade.price) == (Side.BUY, D(10), D(90))
    assert (trade.amount, trade.commission, trade.cash_after) == (D(-900), D(0), D(100))
    assert done.portfolio == Snapshot(D(100), {"AAPL": Position(D(10), D(900))})
    assert (done.after.status, done.reason) == (Status.COMPLETED, "Executed once.")
    assert [fire.price for fire in done.fires] == [90]


def test_commission_and_slippage_are_taken_from_each_order() -> None:
    costs = Costs(D("1.50"), D("0.1"), D("0.5"))
    funds = Snapshot(D(2000), {"AAPL": Position(D(10), D(900))})
    bought = backtest(below("90"), series(), start=START, portfolio=funds, costs=costs).trades[0]
    assert (bought.price, bought.amount) == (D("90.45"), D("-904.50"))
    assert bought.commission == D("2.40")  # $1.50, and 0.1 % of $904.50, rounded half up
    assert bought.cash_after == 2000 - D("904.50") - D("2.40")
    sold = backtest(below("90", SELL_ALL), series(), start=START, portfolio=funds, costs=costs)
    assert sold.trades[0].price == D("89.55")
    assert sold.trades[0].cash_after == 2000 + D("895.50") - D("2.40")


@pytest.mark.parametrize("effect", [BUY_FOR_1000, ALL_IN])
def test_what_is_bought_for_an_amount_pays_its_commission_out_of_it(effect: Effect) -> None:
    symbol = "AAPL" if effect is BUY_FOR_1000 else None
    trigger = {"threshold": "90", "symbol": "AAPL"}
    rule = a_rule(trigger_params=trigger, effect=effect, symbol=symbol, valid_from=START)
    costs = Costs(D(5), D("0.25"), D("0.1"))
    done = backtest(rule, series(), start=START, portfolio=Snapshot(D(1000)), costs=costs)
    (trade,) = done.trades
    assert D("-0.02") <= 1000 + trade.amount - trade.commission <= D("0.02")
    assert 0 <= trade.cash_after < D("0.02")


def test_a_commission_that_there_is_no_cash_for_is_a_refusal() -> None:
    costs = Costs(commission_usd=D(1))
    funds, falls = Snapshot(D(900)), series(CLOSES[:2])
    done = backtest(below("90"), falls, start=START, portfolio=funds, costs=costs)
    assert done.fires == []
    assert done.blocked[0].why == "insufficient_cash"
    assert "The commission of $1.00" in done.blocked[0].reason
    assert done.portfolio == funds


@pytest.mark.parametrize(
    "wrong",
    [
        {"commission_usd": D(-1)},
        {"slippage_percent": D(100)},
        {"commission_percent": D("NaN")},
    ],
)
def test_costs_that_cannot_be_are_refused(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError):
        Costs(**wrong)


def test_what_held_a_rule_back_is_told_with_its_reason() -> None:
    """No cash; too much for the portfolio; a cooldown; a market that is closed."""
    poor = backtest(below("90"), series(), start=START, portfolio=Snapshot(D(5)))
    assert [each.why for each in poor.blocked] == ["insufficient_cash", "insufficient_cash"]
    assert "there is $5.00 in cash" in poor.blocked[0].reason
    rich = Snapshot(D(9000))
    limits = Limits(order_most=D(100))
    limited = backtest(below("90"), series(), start=START, portfolio=rich, limits=limits)
    assert limited.blocked[0].why == "above_maximum"
    again = below("90", max_executions=None, cooldown_seconds=7 * 86_400)
    cooled = backtest(again, series(), start=START, portfolio=rich)
    assert [fire.price for fire in cooled.fires] == [90]
    shut = backtest(below("90"), series(), start=START, portfolio=rich, calendar=Exchange())
    assert shut.fires == []
    assert [each.why for each in shut.blocked] == ["session"]  # at the close itself it has closed


def test_a_rule_that_comes_true_behind_a_gate_is_told_once() -> None:
    rule = a_rule(
        trigger_params={"threshold": "95", "on": "cross"},
        effect=NOTIFY,
        valid_from=START,
        max_executions=None,
        cooldown_seconds=3 * 86_400,
    )
    done = backtest(rule, series(("99", "90", "99", "80", "70")), start=START)
    assert [fire.price for fire in done.fires] == [90, 70]
    assert [(each.why, each.at.day) for each in done.blocked] == [("cooldown", 19)]


def test_a_rule_would_have_fired_as_often_as_nothing_ended_it() -> None:
    rule = below("90", max_executions=1, valid_until=START + timedelta(days=4))
    assert would_have_fired(rule, {"AAPL": bars()}, since=START) == 2
    assert would_have_fired(rule, {"AAPL": bars()}, since=bars()[1].at) == 1
    assert would_have_fired(rule, {}, since=START) == 0


def test_after_a_split_a_trade_is_told_in_the_shares_of_its_day() -> None:
    """2:1 on the Wednesday: 10 shares are 20 by then, at half the price, for the same money."""
    closes = ("100", "100", "44", "43")
    splits = {"AAPL": [(MONDAY + timedelta(days=2), Fraction(2))]}
    done = backtest(
        below("90"), series(closes), start=START, portfolio=Snapshot(D(1000)), splits=splits
    )
    (trade,) = done.trades
    assert (trade.quantity, trade.price, trade.amount) == (D(20), D(44), D(-880))
    assert done.fires[0].price == 44


def test_a_reverse_split_and_one_before_the_start_bring_prices_into_the_start_s_shares() -> None:
    days = [MONDAY + timedelta(days=n) for n in range(4)]
    one = series(("10", "80", "80", "40"))["AAPL"]
    splits = [(days[1], Fraction(1, 8)), (days[3], Fraction(2))]
    told = one.in_units_of(bars()[2].at, splits)
    assert [int(price) for price in told.close // 10**6] == [80, 80, 80, 80]
    assert [int(price) for price in told.printed // 10**6] == [10, 80, 80, 40]
    assert [int(volume) for volume in told.volume] == [125, 1000, 1000, 500]
    with pytest.raises(BadSplit):
        one.in_units_of(START, [(days[1], Fraction(2)), (days[1], Fraction(3))])


def test_equity_is_told_beside_what_buying_and_holding_came_to() -> None:
    funds = Snapshot(D(1000), {"AAPL": Position(D(1), D(50))})
    done = backtest(below("90"), series(), start=START, portfolio=funds)
    curve = done.equity.curve(most=100)
    assert [worth.at for worth in curve] == [bar.at for bar in bars()]
    assert [worth.portfolio for worth in curve] == [
        1100,
        1090,
        980,
        1310,
    ]  # 10 more from the 2nd
    assert [worth.held for worth in curve] == [1100, 990, 880, 1210]  # 11 shares from the first on
    ends = done.equity.curve(most=2)
    assert ends == [curve[0], curve[-1]]
