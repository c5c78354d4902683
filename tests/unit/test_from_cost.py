"""A price that is a percentage away from what the shares held have cost."""

from copy import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.marks import Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import Band, Needs, Outcome, View, Wake
from market.quotes import PRICE_MAX
from portfolios.ledger import Position, Snapshot
from tests.unit.conftest import a_rule
from tests.unit.conftest import a_view as a_plain_view

UP = {"direction": "up"}


def a_view(price: str | Decimal, quantity: str = "10", cost_basis: str = "1000") -> View:
    held = Position(Decimal(quantity), Decimal(cost_basis))
    view = a_plain_view(AAPL=price)
    return replace(view, portfolio=Snapshot(positions={"AAPL": held}))


@pytest.mark.parametrize(
    ("params", "price", "fires"),
    [
        ({}, "92.000001", False),
        ({}, "92", True),
        ({}, "1", True),
        ({}, "200", False),
        (UP, "107.999999", False),
        (UP, "108", True),
        (UP, "92", False),
    ],
)
def test_it_fires_at_its_percentage_and_beyond(
    params: dict[str, str], price: str, fires: bool
) -> None:
    rule = a_rule("from_cost", {"percent": "8", **params})
    found = rule.trigger.evaluate(rule, a_view(price))
    assert found.outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


@pytest.mark.parametrize(
    "view",
    [
        a_plain_view(AAPL="1"),
        replace(a_plain_view(AAPL="1"), portfolio=Snapshot()),
        a_view("1", quantity="0.00000001", cost_basis="0.00"),
    ],
)
def test_without_shares_that_cost_anything_nothing_is_known_and_a_trade_wakes_it(
    view: View,
) -> None:
    rule = a_rule("from_cost", {"percent": "8"})
    found = rule.trigger.evaluate(rule, view)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == "The portfolio holds no AAPL that cost anything."
    assert rule.trigger.watch(rule, view) == Wake()


def test_it_asks_for_the_portfolio() -> None:
    rule = a_rule("from_cost", {"percent": "8"})
    assert rule.trigger.needs(rule) == Needs(portfolio=True)


def test_it_is_the_cost_of_the_symbol_that_is_watched() -> None:
    rule = a_rule("from_cost", {"percent": "8", "symbol": "SPY"})
    view = replace(a_view("1"), quotes=a_plain_view(SPY="1").quotes)
    assert rule.trigger.evaluate(rule, view).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("params", "band"),
    [({}, Band(below=Decimal("30.666666"))), (UP, Band(above=Decimal(36)))],
)
def test_it_sleeps_until_the_first_price_that_fires(params: dict[str, str], band: Band) -> None:
    rule = a_rule("from_cost", {"percent": "8", **params})
    assert rule.trigger.watch(rule, a_view("33", "3", "100")).bands == {"AAPL": band}


@given(
    percent=st.integers(1, 99_999_999).map(lambda n: Decimal(n).scaleb(-6)),
    quantity=st.integers(1, 10**20).map(lambda n: Decimal(n).scaleb(-8)),
    cost_basis=st.integers(1, 10**18).map(lambda n: Decimal(n).scaleb(-2)),
    direction=st.sampled_from(["down", "up"]),
)
def test_the_band_is_exactly_where_it_fires(
    percent: Decimal, quantity: Decimal, cost_basis: Decimal, direction: str
) -> None:
    rule = a_rule("from_cost", {"percent": str(percent), "direction": direction})
    view = a_view("1", str(quantity), str(cost_basis))
    band = rule.trigger.watch(rule, view).bands["AAPL"]
    step = Decimal("0.000001")
    level = band.below if direction == "down" else band.above
    inside = step if direction == "down" else -step
    for price, fires in ((level, True), (level and level + inside, False)):
        if price is not None and 0 < price <= PRICE_MAX:
            held = a_view(price, str(quantity), str(cost_basis))
            outcome = rule.trigger.evaluate(rule, held).outcome
            assert outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def test_the_reason_tells_the_numbers() -> None:
    rule = a_rule("from_cost", {"percent": "8"})
    assert rule.trigger.evaluate(rule, a_view("92")).reason == (
        "AAPL at $92.00 is 8 % below the average cost of $100.00."
    )
    assert rule.trigger.evaluate(rule, a_view("36", "3", "100")).reason == (
        "AAPL at $36.00 is 8 % above the average cost of $33.333333; it waits for 8 % below."
    )


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "percent"),
        ({"percent": "0"}, "percent"),
        ({"percent": "100"}, "percent"),
        ({"percent": "100.5", "direction": "down"}, "percent"),
        ({"percent": "5", "direction": "either"}, "direction"),
    ],
)
def test_what_cannot_be_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("from_cost", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


def test_a_profit_may_be_more_than_the_cost() -> None:
    assert parse_trigger("from_cost", {"percent": "250", "direction": "up"})


# --- What a chart draws ---


@pytest.mark.parametrize(
    ("params", "level"),
    [
        ({}, Level("AAPL", Decimal("30.666666"), Role.TRIGGER, "Fires at or below $30.666666")),
        (UP, Level("AAPL", Decimal(36), Role.TRIGGER, "Fires at or above $36.00")),
    ],
)
def test_a_chart_draws_the_average_cost_and_the_price_far_enough_away(
    params: dict[str, str], level: Level
) -> None:
    rule = a_rule("from_cost", {"percent": "8", **params})
    cost = Level("AAPL", Decimal("33.333333"), Role.REFERENCE, "Average cost")
    assert rule.trigger.annotate(rule, a_view("50", "3", "100")) == (cost, level)


@pytest.mark.parametrize(
    ("params", "cost_basis"),
    [({}, "0.01"), (UP, "99999999999999999999")],  # a millionth of a cent, and many trillions
)
def test_what_no_price_can_reach_is_not_drawn(params: dict[str, str], cost_basis: str) -> None:
    rule = a_rule("from_cost", {"percent": "99", **params})
    assert rule.trigger.annotate(rule, a_view("50", "1000000", cost_basis)) == ()


@pytest.mark.parametrize("view", [a_plain_view(), replace(a_plain_view(), portfolio=Snapshot())])
def test_without_shares_nothing_is_drawn(view: View) -> None:
    rule = a_rule("from_cost", {"percent": "8"})
    assert rule.trigger.annotate(rule, view) == ()
