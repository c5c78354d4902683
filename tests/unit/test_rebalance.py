"""Dividing cash and holdings by target weights."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from actions.effects.rebalance import LEAST_TRADE, MOST_TARGETS, Rebalance
from actions.parts import InvalidRule
from actions.registry import parse_effect
from actions.rules import Desk, Effect, Plan
from market.quotes import Sample
from portfolios import ledger
from portfolios.ledger import Order, Position, Refusal, RefusalCode, Snapshot
from portfolios.money import CENT, times
from tests.unit.conftest import NOW, a_rule

SHARE_STEP = Decimal("0.000001")  # to which an amount is cut


def rebalance(targets: Mapping[str, object], **more: object) -> Rebalance:
    effect = parse_effect("REBALANCE", sizes={}, params={"targets": targets, **more})
    assert isinstance(effect, Rebalance)
    return effect


def holding(cash: str | int, **shares: str | int) -> Snapshot:
    return Snapshot(
        Decimal(cash), {of: Position(Decimal(n), Decimal(1)) for of, n in shares.items()}
    )


def planned(effect: Effect, portfolio: Snapshot | None, prices: Mapping[str, Any]) -> Plan:
    plan = asked(effect, portfolio, prices)
    assert isinstance(plan, Plan)
    return plan


def asked(effect: Effect, portfolio: Snapshot | None, prices: Mapping[str, Any]) -> Plan | Refusal:
    quotes = {symbol: Sample(symbol, Decimal(price), NOW) for symbol, price in prices.items()}
    desk = Desk(now=NOW, quotes=quotes, portfolio=portfolio)
    return effect.plan(a_rule(effect=effect, symbol=None), desk)


def told(plan: Plan) -> list[str]:
    return [f"{order.side} {order.quantity.normalize():f} {order.symbol}" for order in plan.orders]


def after(portfolio: Snapshot, plan: Plan) -> Snapshot:
    applied = ledger.apply_all(portfolio, plan.orders)
    assert not isinstance(applied, Refusal), applied
    return applied[1]


# --- What is traded ---


def test_what_is_above_its_weight_is_sold_first_then_the_rest_is_bought() -> None:
    effect = rebalance({"AAPL": "0.5", "MSFT": "0.3", "IBM": "0.1"})
    plan = planned(effect, holding(1000, AAPL=90), {"AAPL": 100, "MSFT": 40, "IBM": 25})
    assert told(plan) == ["SELL 40 AAPL", "BUY 75 MSFT", "BUY 40 IBM"]
    assert after(holding(1000, AAPL=90), plan).cash == 1000
    assert plan.message == ""


def test_the_largest_sale_and_the_largest_purchase_go_first() -> None:
    effect = rebalance({"AAPL": "0.1", "FB": "0.1", "IBM": "0.2", "MSFT": "0.6"})
    portfolio = holding(0, AAPL=40, FB=60)
    plan = planned(effect, portfolio, {"AAPL": 10, "FB": 10, "IBM": 10, "MSFT": 10})
    assert told(plan) == ["SELL 50 FB", "SELL 30 AAPL", "BUY 60 MSFT", "BUY 20 IBM"]


def test_holdings_that_are_not_named_are_left_alone_and_not_divided() -> None:
    effect = rebalance({"AAPL": "0.5"})
    portfolio = holding(1000, GOOG=1_000_000)
    plan = planned(effect, portfolio, {"AAPL": 100, "GOOG": 1000})
    assert told(plan) == ["BUY 5 AAPL"]


def test_cash_is_made_when_the_weights_leave_some() -> None:
    plan = planned(rebalance({"AAPL": "0.25"}), holding(0, AAPL=10), {"AAPL": 100})
    assert told(plan) == ["SELL 7.5 AAPL"]


@pytest.mark.parametrize("held", ["0.00000001", "0.004", "10", "33.33333333"])
def test_no_weight_sells_all_to_the_last_fraction_however_little_it_is(held: str) -> None:
    effect = rebalance({"AAPL": 0}, min_trade_usd="500")
    portfolio = holding(0, AAPL=held)
    plan = planned(effect, portfolio, {"AAPL": 100})
    assert told(plan) == [f"SELL {held} AAPL"]
    assert "AAPL" not in after(portfolio, plan).positions


def test_no_weight_for_what_is_not_held_is_nothing() -> None:
    plan = planned(rebalance({"AAPL": 0, "IBM": "0.5"}), holding(10), {"AAPL": 100, "IBM": 1})
    assert told(plan) == ["BUY 5 IBM"]


@pytest.mark.parametrize(
    ("least", "orders"),
    [
        ("0", ["BUY 0.3 AAPL"]),
        ("30", ["BUY 0.3 AAPL"]),
        ("30.01", []),
    ],
)
def test_a_trade_below_the_smallest_is_left_out(least: str, orders: list[str]) -> None:
    effect = rebalance({"AAPL": "0.03"}, min_trade_usd=least)
    assert told(planned(effect, holding(1000), {"AAPL": 100})) == orders


@pytest.mark.parametrize(
    ("held", "orders"),
    [("5.0099", []), ("5.01", ["SELL 0.01 AAPL"]), ("4.9901", []), ("4.99", ["BUY 0.01 AAPL"])],
)
def test_a_trade_is_of_a_dollar_at_least_where_nothing_is_set(held: str, orders: list[str]) -> None:
    cash = 1000 - Decimal(held) * 100
    assert (
        told(planned(rebalance({"AAPL": "0.5"}), holding(str(cash), AAPL=held), {"AAPL": 100}))
        == orders
    )


@pytest.mark.parametrize(("least", "named"), [("0", "$0.01"), ("25", "$25.00")])
def test_where_all_is_near_enough_nothing_is_done_and_that_is_said(least: str, named: str) -> None:
    effect = rebalance({"AAPL": "0.5"}, min_trade_usd=least)
    plan = planned(effect, holding(500, AAPL=5), {"AAPL": 100})
    assert plan == Plan(
        (),
        f"Nothing was traded: no trade of {named} or more would bring the portfolio nearer to its "
        "targets.",
    )


@pytest.mark.parametrize("portfolio", [None, holding(0), holding(0, GOOG=5)])
def test_where_there_is_nothing_to_divide_it_is_refused(portfolio: Snapshot | None) -> None:
    assert asked(rebalance({"AAPL": "1"}), portfolio, {"AAPL": 100}) == Refusal(
        RefusalCode.INSUFFICIENT_CASH,
        "There is nothing to divide: no cash, and none of the symbols named.",
    )


# --- Cents ---


def test_cash_that_rounding_has_eaten_is_missing_at_the_purchase() -> None:
    effect = rebalance({"AAPL": 1, "FB": 0, "IBM": 0, "MSFT": 0})
    portfolio = holding(0, FB=1, IBM=1, MSFT=1)
    prices = {"AAPL": 1, "FB": "1.004", "IBM": "1.004", "MSFT": "1.004"}
    plan = planned(effect, portfolio, prices)
    # 3.012 is divided, and the sales bring three times 1.00.
    assert told(plan)[-1] == "BUY 3 AAPL"
    assert after(portfolio, plan).cash == 0


def test_small_sales_that_are_left_out_make_the_largest_purchase_smaller() -> None:
    effect = rebalance({"AAPL": "0.3", "IBM": "0.5", "MSFT": "0.2"}, min_trade_usd="100")
    portfolio = holding(210, AAPL=39, IBM=30, MSFT=10)
    # 200 of IBM and 100 of MSFT are missing, but 90 of AAPL is not sold.
    plan = planned(effect, portfolio, {"AAPL": 10, "IBM": 10, "MSFT": 10})
    assert told(plan) == ["BUY 11 IBM", "BUY 10 MSFT"]


def test_a_purchase_that_becomes_too_small_is_left_out_and_leaves_its_cash_to_others() -> None:
    effect = rebalance(
        {"AAPL": "0.3", "FB": "0.3", "IBM": "0.2", "MSFT": "0.2"}, min_trade_usd="100"
    )
    portfolio = holding(100, AAPL=39, FB=39, IBM=2, MSFT=10)
    # 180 of IBM and 100 of MSFT are missing, but twice 90 is not sold.
    plan = planned(effect, portfolio, dict.fromkeys(["AAPL", "FB", "IBM", "MSFT"], 10))
    assert told(plan) == ["BUY 10 MSFT"]


def test_a_share_so_dear_that_its_smallest_part_is_beyond_the_amount_is_not_bought() -> None:
    effect = rebalance({"AAPL": "0.5", "IBM": "0.5"})
    plan = planned(effect, holding(10), {"AAPL": "5000001", "IBM": 1})
    assert told(plan) == ["BUY 5 IBM"]


# --- Whatever the numbers ---

SYMBOLS = ("AAPL", "FB", "IBM", "MSFT", "SPY")
prices = st.decimals("0.000001", 100_000, places=6) | st.decimals("0.01", 500, places=2)
some_shares = st.sampled_from([Decimal(0), Decimal("0.00000001")]) | st.decimals(0, 1000, places=8)
parts = st.sampled_from([0, 0, 1, 1, 2, 5, 10, 333_333])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Rebalance, Snapshot, dict[str, Decimal]]:
    named = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    shares = [Decimal(draw(parts)) for _ in named]
    whole = sum(shares) + draw(parts) or 1
    targets = {
        symbol: (part / whole).quantize(SHARE_STEP, "ROUND_DOWN")
        for symbol, part in zip(named, shares, strict=True)
    }
    cash = draw(st.just(Decimal(0)) | st.decimals(0, 100_000, places=2))
    held = {symbol: draw(some_shares) for symbol in SYMBOLS}
    portfolio = Snapshot(cash, {of: Position(n, CENT) for of, n in held.items() if n})
    least = draw(st.sampled_from(["0", "0.01", "1", "25", "1000"]))
    return (
        rebalance(targets, min_trade_usd=least),
        portfolio,
        {symbol: draw(prices) for symbol in SYMBOLS},
    )


def value(effect: Rebalance, portfolio: Snapshot, at: Mapping[str, Decimal]) -> Decimal:
    return portfolio.cash + sum(
        portfolio.position(symbol).quantity * at[symbol] for symbol in effect.targets
    )


def orders_of(case: tuple[Rebalance, Snapshot, dict[str, Decimal]]) -> tuple[Order, ...]:
    effect, portfolio, at = case
    plan = asked(effect, portfolio, at)
    assume(isinstance(plan, Plan))
    assert isinstance(plan, Plan)
    event(f"{len(plan.orders)} orders")
    return plan.orders


@given(cases())
def test_the_ledger_takes_every_order_and_cash_is_never_below_zero(
    case: tuple[Rebalance, Snapshot, dict[str, Decimal]],
) -> None:
    orders = orders_of(case)
    applied = ledger.apply_all(case[1], orders)
    assert not isinstance(applied, Refusal), applied
    assert all(entry.cash_after >= 0 for entry in applied[0])
    sides = [order.side for order in orders]
    assert sides == sorted(sides, reverse=True), "sales first"
    assert len({order.symbol for order in orders}) == len(orders)


@given(cases())
def test_no_trade_is_smaller_than_the_smallest_but_those_that_sell_out(
    case: tuple[Rebalance, Snapshot, dict[str, Decimal]],
) -> None:
    effect, portfolio, _ = case
    for order in orders_of(case):
        if effect.targets[order.symbol] == 0:
            assert order.quantity == portfolio.position(order.symbol).quantity
        else:
            assert times(order.quantity, order.price) >= max(effect.min_trade_usd, CENT)


@given(cases())
def test_holdings_that_are_not_named_stay_as_they_are(
    case: tuple[Rebalance, Snapshot, dict[str, Decimal]],
) -> None:
    effect, portfolio, at = case
    orders_of(case)
    then = after(portfolio, planned(effect, portfolio, at))
    for symbol in set(SYMBOLS) - effect.targets.keys():
        assert then.position(symbol) == portfolio.position(symbol)


@given(cases())
def test_each_symbol_comes_to_its_weight(
    case: tuple[Rebalance, Snapshot, dict[str, Decimal]],
) -> None:
    effect, portfolio, at = case
    orders_of(case)
    whole = value(effect, portfolio, at)
    then = after(portfolio, planned(effect, portfolio, at))
    least = max(effect.min_trade_usd, CENT)
    short = Decimal(0)  # of what the purchases were to cost
    for symbol, weight in effect.targets.items():
        beyond = then.position(symbol).quantity * at[symbol] - weight * whole
        step = at[symbol] * SHARE_STEP + CENT
        if weight == 0:
            assert symbol not in then.positions
        assert beyond <= least + step
        short += max(-beyond - least - step, Decimal(0))
    # What is short beyond that is what sales too small to be made would have brought.
    sales_left_out = least * len(effect.targets)
    assert short <= sales_left_out
    half_cents = CENT / 2 * len(effect.targets)
    assert abs(value(effect, then, at) - whole) <= half_cents  # as the ledger rounds


@given(cases())
def test_to_rebalance_again_at_once_finds_nothing_to_do(
    case: tuple[Rebalance, Snapshot, dict[str, Decimal]],
) -> None:
    effect, portfolio, at = case
    orders_of(case)
    then = after(portfolio, planned(effect, portfolio, at))
    again = asked(effect, then, at)
    assume(isinstance(again, Plan))
    assert isinstance(again, Plan)
    # The ledger's cents change what is divided, by half a cent a trade; that may lift a trade that
    # was just too small to the smallest.
    cents = CENT * (1 + len(effect.targets))
    for order in again.orders:
        amount = times(order.quantity, order.price)
        assert amount <= max(effect.min_trade_usd, order.price * SHARE_STEP) + cents


# --- What it takes ---


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "targets"),
        ({"targets": None}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": "AAPL"}, "targets"),
        ({"targets": {}}, "targets"),
        ({"targets": {f"S{n}": 0 for n in range(MOST_TARGETS + 1)}}, "targets"),
        ({"targets": {"AAPL": "0.6", "IBM": "0.400001"}}, "targets"),
        ({"targets": {"AAPL": "0.1", " aapl ": "0.1"}}, "targets"),
        ({"targets": {"AA PL": "0.1"}}, "targets.AA PL"),
        ({"targets": {"": "0.1"}}, "targets."),
        ({"targets": {" aapl": "1.000001"}}, "targets.AAPL"),
        ({"targets": {"BRK.B": "-0.1"}}, "targets.BRK.B"),
        ({"targets": {"AAPL": "0.0000001"}}, "targets.AAPL"),
        ({"targets": {"AAPL": True}}, "targets.AAPL"),
        ({"targets": {"AAPL": None}}, "targets.AAPL"),
        ({"targets": {"AAPL": "NaN"}}, "targets.AAPL"),
        ({"targets": {"AAPL": float("nan")}}, "targets.AAPL"),
        ({"targets": {"AAPL": float("inf")}}, "targets.AAPL"),
        ({"targets": {"AAPL": "1"}, "min_trade_usd": "-0.01"}, "min_trade_usd"),
        ({"targets": {"AAPL": "1"}, "min_trade_usd": "0.001"}, "min_trade_usd"),
        ({"targets": {"AAPL": "1"}, "min_trade_usd": "NaN"}, "min_trade_usd"),
        ({"targets": {"AAPL": "1"}, "min_trade_usd": True}, "min_trade_usd"),
        ({"targets": {"AAPL": "1"}, "fraction": "1"}, "fraction"),
    ],
)
def test_what_cannot_be_is_refused_by_name(params: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect("REBALANCE", sizes={}, params=params)
    assert refused.value.errors.keys() == {f"action_params.{path}"}


def test_all_weights_that_cannot_be_are_named_at_once() -> None:
    with pytest.raises(InvalidRule) as refused:
        rebalance({"AAPL": "2", "IBM": "x", "MSFT": "0.1"})
    assert refused.value.errors.keys() == {
        "action_params.targets.AAPL",
        "action_params.targets.IBM",
    }


@pytest.mark.parametrize("size", ["quantity", "amount_usd"])
def test_it_has_no_size(size: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect("REBALANCE", sizes={size: "1"}, params={"targets": {"AAPL": "1"}})
    assert refused.value.errors == {size: "Leave it out: REBALANCE has no such size."}


def test_it_has_no_symbol_but_those_of_its_targets() -> None:
    effect = rebalance({"aapl": "0.5", "IBM": 0})
    with pytest.raises(InvalidRule) as refused:
        effect.check("AAPL")
    assert refused.value.errors.keys() == {"symbol"}
    effect.check(None)
    assert a_rule("time_of_day", {"time": "09:35"}, effect=effect, symbol=None).symbols == {
        "AAPL",
        "IBM",
    }
    assert effect.named() == {"targets.AAPL": "AAPL", "targets.IBM": "IBM"}


def test_as_many_targets_as_there_may_be_can_be_all_of_the_money() -> None:
    effect = rebalance({f"S{n}": "0.02" for n in range(MOST_TARGETS)})
    assert sum(effect.targets.values()) == 1


def test_weights_are_taken_as_people_send_them() -> None:
    effect = rebalance({"AAPL": 0.3, "IBM": " 0.100000 ", "MSFT": "-0"})
    assert effect.model_dump(mode="json")["targets"] == {"AAPL": "0.3", "IBM": "0.1", "MSFT": "0"}
    assert effect.min_trade_usd == LEAST_TRADE


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"targets": {"AAPL": "1"}}, "Rebalance to 100 % AAPL"),
        ({"targets": {"AAPL": 0}}, "Rebalance to 0 % AAPL and 100 % cash"),
        (
            {"targets": {"MSFT": "0.3", "AAPL": "0.6"}},
            "Rebalance to 60 % AAPL, 30 % MSFT and 10 % cash",
        ),
        (
            {"targets": {"MSFT": "0.333333", "AAPL": "0.333333"}},
            "Rebalance to 33.3333 % AAPL, 33.3333 % MSFT and 33.3334 % cash",
        ),
        (
            {"targets": {"AAPL": "1"}, "min_trade_usd": "1"},
            "Rebalance to 100 % AAPL",
        ),
        (
            {"targets": {"AAPL": "1"}, "min_trade_usd": 0},
            "Rebalance to 100 % AAPL in trades of $0.01 or more",
        ),
    ],
)
def test_the_weights_are_told_with_the_largest_first(params: dict[str, Any], words: str) -> None:
    assert parse_effect("REBALANCE", sizes={}, params=params).describe(None) == words
