"""A weight that has drifted away from its target."""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from actions.marks import Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger
from actions.rules import PRICE_STEP, Band, Desk, Needs, Outcome, Plan, Rule, View, Wake
from market.quotes import PRICE_MAX
from portfolios.ledger import Position, Refusal, Snapshot, apply_all
from portfolios.money import CENT
from tests.unit.conftest import BUY_TEN, NOTIFY, a_rule
from tests.unit.conftest import a_view as a_plain_view

SIXTY_THIRTY = {"AAPL": "0.6", "MSFT": "0.3"}


def drifting(targets: Mapping[str, Any], tolerance: str | Decimal = "5") -> Rule:
    effect = parse_effect("REBALANCE", sizes={}, params={"targets": targets})
    return a_rule("drift", {"tolerance_pct": str(tolerance)}, effect=effect, symbol=None)


def a_view(
    cash: Any, shares: Mapping[str, Any], prices: Mapping[str, Any] | None = None, **one: Any
) -> View:
    at: dict[str, Any] = {of: Decimal(price) for of, price in {**(prices or {}), **one}.items()}
    view = a_plain_view(**at)
    positions = {of: Position(Decimal(n), Decimal(1)) for of, n in shares.items() if Decimal(n)}
    return replace(view, portfolio=Snapshot(Decimal(cash), positions))


def found(rule: Rule, view: View) -> Outcome:
    return rule.trigger.evaluate(rule, view).outcome


def bands(rule: Rule, view: View) -> Mapping[str, Band]:
    assert found(rule, view) is Outcome.NOT_FIRED
    return rule.trigger.watch(rule, view).bands


# --- When it fires ---


@pytest.mark.parametrize(
    ("cash", "aapl", "msft", "fires"),
    [
        ("1000", "6000", "3000", False),
        ("1000", "6499.99", "2500.01", False),
        ("1000", "6500", "2500", True),
        ("1000", "5500", "3500", True),
        ("1000", "5500.01", "3499.99", False),
        ("1600", "5499.99", "2900.01", True),
        ("0", "6499", "3501", True),
        ("2000", "5600", "2400", True),
        ("1900", "5590", "2510", False),  # cash is 9 points off, no target is 5
        ("10000", "0", "0", True),
    ],
)
def test_it_fires_when_a_weight_is_so_far_off_its_target_or_farther(
    cash: str, aapl: str, msft: str, fires: bool
) -> None:
    view = a_view(cash, {"AAPL": aapl, "MSFT": msft}, AAPL=1, MSFT=1)
    assert found(drifting(SIXTY_THIRTY), view) is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def test_holdings_that_are_not_named_do_not_count() -> None:
    view = a_view(1000, {"AAPL": 60, "MSFT": 75, "GOOG": 10**6}, AAPL=100, MSFT=40, GOOG=100)
    assert found(drifting(SIXTY_THIRTY), view) is Outcome.NOT_FIRED


@pytest.mark.parametrize(("target", "fires"), [("0.05", True), ("0.049999", False)])
def test_what_is_not_held_is_off_by_its_whole_target(target: str, fires: bool) -> None:
    rule = drifting({"AAPL": "0.9", "MSFT": target})
    view = a_view(100, {"AAPL": 9}, AAPL=100, MSFT=1)
    assert found(rule, view) is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def test_a_symbol_to_be_sold_out_fires_by_what_is_held_of_it() -> None:
    rule = drifting({"AAPL": "0.9", "MSFT": 0})
    assert found(rule, a_view(51, {"AAPL": 90, "MSFT": "4.9"}, AAPL=10, MSFT=10)) is (
        Outcome.NOT_FIRED
    )
    assert found(rule, a_view(50, {"AAPL": 90, "MSFT": 5}, AAPL=10, MSFT=10)) is Outcome.FIRED


@pytest.mark.parametrize("shares", [{}, {"GOOG": 5}])
def test_a_portfolio_without_anything_to_divide_does_not_fire(shares: dict[str, int]) -> None:
    rule, view = drifting(SIXTY_THIRTY), a_view(0, shares, AAPL=1, MSFT=1)
    evaluation = rule.trigger.evaluate(rule, view)
    assert evaluation.outcome is Outcome.NOT_FIRED
    assert evaluation.reason == "The portfolio has no cash and none of the symbols named."
    assert rule.trigger.watch(rule, view) == Wake()


def test_without_a_portfolio_nothing_is_known() -> None:
    rule, view = drifting(SIXTY_THIRTY), a_plain_view(AAPL="1", MSFT="1")
    evaluation = rule.trigger.evaluate(rule, view)
    assert (evaluation.outcome, evaluation.reason) == (
        Outcome.UNKNOWN,
        "The portfolio is not known.",
    )
    assert rule.trigger.watch(rule, view) == Wake()


def test_after_its_rule_has_rebalanced_it_does_not_fire() -> None:
    rule, view = drifting(SIXTY_THIRTY), a_view(100_000, {"AAPL": 3}, AAPL="187.31", MSFT="402.9")
    assert found(rule, view) is Outcome.FIRED
    plan = rule.effect.plan(rule, Desk(view.now, view.quotes, view.portfolio))
    assert isinstance(plan, Plan)
    assert view.portfolio is not None
    applied = apply_all(view.portfolio, plan.orders)
    assert not isinstance(applied, Refusal)
    assert found(rule, replace(view, portfolio=applied[1])) is Outcome.NOT_FIRED


# --- Its words ---


@pytest.mark.parametrize(
    ("aapl", "msft", "tolerance", "reason"),
    [
        (
            "6620",
            "2380",
            "5",
            "AAPL is 66.2 % of the portfolio, 6.2 points above its target of 60 %.",
        ),
        (
            "6000",
            "1900",
            "1",
            "MSFT is 21.35 % of the portfolio, 8.65 points below its target of 30 %.",
        ),
        (
            "6100",
            "2900",
            "5",
            "AAPL is 61 % of the portfolio, 1 point above its target of 60 %; "
            "it waits for 5 points.",
        ),
        (
            "6499.99",
            "2500.01",
            "5",
            "AAPL is 64.99 % of the portfolio, 4.99 points above its target of 60 %; "
            "it waits for 5 points.",
        ),
        (
            "6000.09",
            "2999.91",
            "0.0009",
            "AAPL is 60.0009 % of the portfolio, 0.0009 points above its target of 60 %.",
        ),
        (
            "6000",
            "3000",
            "1",
            "AAPL is 60 % of the portfolio, at its target; it waits for 1 point.",
        ),
    ],
)
def test_the_reason_tells_the_weight_that_is_farthest_off(
    aapl: str, msft: str, tolerance: str, reason: str
) -> None:
    rule = drifting(SIXTY_THIRTY, tolerance)
    view = a_view(1000, {"AAPL": aapl, "MSFT": msft}, AAPL=1, MSFT=1)
    assert rule.trigger.evaluate(rule, view).reason == reason


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        ("5.0", "when a weight is 5 percentage points or more off its target"),
        ("1", "when a weight is 1 percentage point or more off its target"),
        ("0.25", "when a weight is 0.25 percentage points or more off its target"),
    ],
)
def test_it_is_told_in_percentage_points(tolerance: str, words: str) -> None:
    assert parse_trigger("drift", {"tolerance_pct": tolerance}).describe(None) == words


# --- What it takes ---


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "tolerance_pct"),
        ({"tolerance_pct": "0"}, "tolerance_pct"),
        ({"tolerance_pct": "-1"}, "tolerance_pct"),
        ({"tolerance_pct": "100"}, "tolerance_pct"),
        ({"tolerance_pct": "NaN"}, "tolerance_pct"),
        ({"tolerance_pct": True}, "tolerance_pct"),
        ({"tolerance_pct": "5", "symbol": "AAPL"}, "symbol"),
    ],
)
def test_what_cannot_be_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("drift", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


@pytest.mark.parametrize("effect", [BUY_TEN, NOTIFY])
def test_it_goes_with_a_rebalance_only(effect: Any) -> None:
    rule = a_rule("drift", {"tolerance_pct": "5"}, effect=effect)
    with pytest.raises(InvalidRule) as refused:
        rule.trigger.check(rule)
    assert refused.value.errors == {
        "trigger_type": "It goes with REBALANCE only, which has targets."
    }
    rule.trigger.check(drifting(SIXTY_THIRTY))


def test_it_looks_at_every_target_and_at_the_portfolio() -> None:
    rule = drifting({"AAPL": "0.5", "MSFT": 0})
    assert rule.trigger.watched(rule) == {"AAPL", "MSFT"}
    assert rule.trigger.needs(rule) == Needs(portfolio=True)


# --- How long it sleeps ---


def test_it_sleeps_until_the_nearer_of_its_edges_is_as_near_by_the_same_factor() -> None:
    # 60 p / (4000 + 60 p) is 55 % at 81.481481 and 65 % at 123.809524: the lower is nearer.
    rule, view = drifting({"AAPL": "0.6"}), a_view(4000, {"AAPL": 60}, AAPL=100)
    band = bands(rule, view)["AAPL"]
    assert band == Band(below=Decimal("81.481481"), above=Decimal("122.727273"))
    assert found(rule, a_view(4000, {"AAPL": 60}, AAPL="81.481481")) is Outcome.FIRED
    assert found(rule, a_view(4000, {"AAPL": 60}, AAPL="81.481482")) is Outcome.NOT_FIRED


@pytest.mark.parametrize("held", [{}, {"AAPL": 9}])
def test_what_is_not_held_is_not_waited_for(held: dict[str, int]) -> None:
    rule = drifting({"AAPL": "0.01" if not held else "0.9", "MSFT": "0.01", "IBM": 0})
    view = a_view(100, held, AAPL=100, MSFT=1, IBM=1)
    assert bands(rule, view).keys() == held.keys()


def test_alone_and_without_cash_a_symbol_is_all_there_is_at_any_price() -> None:
    rule = drifting({"AAPL": "0.98", "MSFT": 0})
    assert bands(rule, a_view(0, {"AAPL": 1}, AAPL=100, MSFT=1)) == {}


def test_a_tolerance_that_no_weight_can_reach_is_not_waited_for() -> None:
    rule = drifting({"AAPL": "0.5"}, "60")
    assert bands(rule, a_view(100, {"AAPL": 1}, AAPL=100)) == {}


def test_however_near_the_edge_a_price_that_does_not_move_does_not_wake_it() -> None:
    rule, view = drifting({"AAPL": "0.6"}), a_view(4000, {"AAPL": 60}, AAPL="81.481482")
    assert bands(rule, view)["AAPL"] == Band(below=Decimal("81.481481"), above=Decimal("81.481483"))


# --- What a chart draws ---


def drawn(rule: Rule, view: View) -> Sequence[Level]:
    marks = rule.trigger.annotate(rule, view)
    levels = [mark for mark in marks if isinstance(mark, Level)]
    assert len(levels) == len(marks)
    assert {level.role for level in levels} <= {Role.TRIGGER}
    return levels


def test_each_symbol_that_is_held_has_the_prices_at_which_it_fires_alone() -> None:
    rule = drifting({**SIXTY_THIRTY, "IBM": 0})
    view = a_view(1000, {"AAPL": 60, "MSFT": 75}, AAPL=100, MSFT=40, IBM=1)
    assert [(level.symbol, level.words) for level in drawn(rule, view)] == [
        ("AAPL", "Fires at or below $81.481481, while the other prices stay"),
        ("AAPL", "Fires at or above $123.809524, while the other prices stay"),
        ("MSFT", "Fires at or below $31.111111, while the other prices stay"),
        ("MSFT", "Fires at or above $50.256411, while the other prices stay"),
    ]


def test_the_price_of_one_symbol_may_bring_the_weight_of_another_to_its_tolerance() -> None:
    # MSFT is at 25.6 %, so AAPL need not come to 65 % by itself, which it would at $123.81.
    view = a_view(1440, {"AAPL": 60, "MSFT": 64}, AAPL=100, MSFT=40)
    levels = [level for level in drawn(drifting(SIXTY_THIRTY), view) if level.symbol == "AAPL"]
    assert [level.value for level in levels] == [Decimal("81.481481"), Decimal(104)]


@pytest.mark.parametrize("quotes", [{}, {"AAPL": 100}])
def test_without_the_portfolio_or_a_price_nothing_is_drawn(quotes: dict[str, int]) -> None:
    rule = drifting(SIXTY_THIRTY)
    assert drawn(rule, a_view(1000, {"AAPL": 60}, quotes)) == []
    assert drawn(rule, a_plain_view(AAPL="100", MSFT="40")) == []


# --- Whatever the numbers ---

SYMBOLS = ("AAPL", "FB", "IBM", "MSFT")
MILLION = Decimal(10**6)
grid = st.integers(1, 10**18 - 1) | st.integers(1, 10**9) | st.integers(99 * 10**6, 101 * 10**6)
any_price = grid.map(lambda steps: steps * PRICE_STEP)
common_price = st.decimals(1, 1000, places=2)
any_shares = st.sampled_from([Decimal(0), Decimal("0.00000001")]) | st.decimals(0, 10**6, places=8)
any_tolerance = st.integers(1, 99_999_999).map(lambda n: Decimal(n).scaleb(-6))
common_tolerance = st.sampled_from([Decimal(n) for n in ("0.5", "1", "2.5", "5", "20", "40")])


@dataclass(frozen=True)
class Case:
    """A rule, and what it looks at."""

    rule: Rule
    cash: Decimal
    held: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]

    def view(self, prices: Mapping[str, Decimal] | None = None) -> View:
        return a_view(self.cash, self.held, self.prices if prices is None else prices)

    def moved(self, corner: Sequence[Decimal]) -> View:
        return self.view(dict(zip(self.prices, corner, strict=True)))


@st.composite
def targets_of(draw: st.DrawFn) -> dict[str, Decimal]:
    named = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    parts = [Decimal(draw(st.sampled_from([0, 1, 1, 2, 5, 10]))) for _ in named]
    whole = sum(parts, Decimal(draw(st.sampled_from([0, 0, 1, 5])))) or Decimal(1)
    weights = [(part / whole).quantize(Decimal("0.000001"), ROUND_DOWN) for part in parts]
    return dict(zip(named, weights, strict=True))


@st.composite
def anything(draw: st.DrawFn) -> Case:
    targets = draw(targets_of())
    return Case(
        drifting(targets, draw(any_tolerance)),
        draw(st.sampled_from([Decimal(0), Decimal("0.01")]) | st.decimals(0, 10**6, places=2)),
        {symbol: draw(any_shares) for symbol in targets},
        {symbol: draw(any_price) for symbol in targets},
    )


@st.composite
def near_targets(draw: st.DrawFn, *, most: int) -> Case:
    """A million dollars, divided as the targets say, but for `most` percent of each symbol."""
    targets = draw(targets_of())
    prices = {symbol: draw(common_price) for symbol in targets}
    held = {}
    for symbol, weight in targets.items():
        off = Decimal(draw(st.integers(-most * 100, most * 100))) / 10_000
        held[symbol] = (MILLION * weight * (1 + off) / prices[symbol]).quantize(Decimal("1E-8"))
    cash = (MILLION * (1 - sum(targets.values(), Decimal(0)))).quantize(CENT)
    return Case(drifting(targets, draw(common_tolerance)), cash, held, prices)


@given(anything() | near_targets(most=10))
def test_it_fires_exactly_when_a_weight_is_off_by_its_tolerance(case: Case) -> None:
    worth = {of: Fraction(case.held[of]) * Fraction(case.prices[of]) for of in case.prices}
    whole = Fraction(case.cash) + sum(worth.values())
    targets = case.rule.effect.model_dump()["targets"]
    tolerance = Fraction(case.rule.trigger.model_dump()["tolerance_pct"]) / 100
    fires = bool(whole) and any(
        abs(worth[of] / whole - Fraction(targets[of])) >= tolerance for of in worth
    )
    event(f"fires: {fires}")
    assert found(case.rule, case.view()) is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def edges(band: Band) -> tuple[Decimal, Decimal]:
    """The lowest and the highest price at which it still sleeps."""
    lowest = PRICE_STEP if band.below is None else band.below + PRICE_STEP
    highest = PRICE_MAX if band.above is None else band.above - PRICE_STEP
    return lowest, highest


@given(anything() | near_targets(most=4))
def test_wherever_in_their_bands_the_prices_are_it_does_not_fire(case: Case) -> None:
    assume(found(case.rule, case.view()) is Outcome.NOT_FIRED)
    asleep = bands(case.rule, case.view())
    event(f"{len(asleep)} bands")
    corners = [edges(asleep.get(symbol, Band())) for symbol in case.prices]
    for corner in product(*corners):
        assert found(case.rule, case.moved(corner)) is Outcome.NOT_FIRED


@given(anything() | near_targets(most=4))
def test_a_price_that_stays_is_inside_its_band(case: Case) -> None:
    assume(found(case.rule, case.view()) is Outcome.NOT_FIRED)
    for symbol, band in bands(case.rule, case.view()).items():
        assert band.below is None or band.below < case.prices[symbol]
        assert band.above is None or band.above > case.prices[symbol]


@given(near_targets(most=0))
def test_just_beyond_its_bands_there_is_a_corner_where_it_fires(case: Case) -> None:
    assume(found(case.rule, case.view()) is Outcome.NOT_FIRED)
    asleep = bands(case.rule, case.view())
    event(f"{len(asleep)} bands")
    moves = [band.above / case.prices[of] for of, band in asleep.items() if band.above]
    if not moves:
        return
    factor = max(moves) * Decimal("1.00001")
    corners = [(on_grid(price / factor), on_grid(price * factor)) for price in case.prices.values()]
    assert Outcome.FIRED in {found(case.rule, case.moved(corner)) for corner in product(*corners)}


@given(near_targets(most=4))
def test_at_a_price_that_is_drawn_it_fires_and_one_step_short_of_it_it_does_not(
    case: Case,
) -> None:
    assume(found(case.rule, case.view()) is Outcome.NOT_FIRED)
    for level in drawn(case.rule, case.view()):
        now = case.prices[level.symbol]
        short = level.value + (PRICE_STEP if level.value < now else -PRICE_STEP)
        for price, fires in ((level.value, True), (short, False)):
            outcome = found(case.rule, case.view({**case.prices, level.symbol: price}))
            assert outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


def on_grid(price: Decimal) -> Decimal:
    return price.quantize(PRICE_STEP)
