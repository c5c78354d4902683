"""All bars that turn far enough from the best since the one before are those that a turn itself
names, looked at bar by bar."""

from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.backtest import lockstep, stretches
from actions.backtest.again import all_turns
from actions.backtest.series import MOST, Ints, price
from actions.turns import Turn, Turning
from market.bars import read_bars
from market.quotes import PRICE_MAX, PRICE_STEP
from tests.unit.real_bars import SHIPPED

D = Decimal
REAL = np.array([int(bar.close * 10**6) for bar in read_bars(SHIPPED)["GOOG"]], np.int64)

PERCENTS = [D("0.000001"), D("0.7"), D(1), D(5), D("33.333333"), D(50), D("99.999999")]
AMOUNTS = [PRICE_STEP, D(1), D("0.0000034"), D(3), D(40), PRICE_MAX]
SMALL_STEPS = st.sampled_from([-3, -2, -1, -1, 0, 0, 1, 2, 5])
RAMP = st.tuples(st.sampled_from([-7, -2, -1, 1, 2, 6]), st.integers(1, 25))
ANY_PRICE = st.one_of(st.integers(1, 20), st.integers(MOST - 20, MOST), st.integers(1, MOST))


def _closes(dollars: list[int]) -> Ints:
    return np.array(dollars, np.int64) * 10**6


WALKS = st.lists(SMALL_STEPS, max_size=120).map(
    lambda steps: _closes(
        list(accumulate(steps, lambda close, step: max(close + step, 1), initial=50))
    )
)
# Rules that began at different bars of a long way down never fire together.
RAMPS = st.lists(RAMP, min_size=1, max_size=8).map(
    lambda ramps: _closes(
        list(
            accumulate(
                [step for step, count in ramps for _ in range(count)],
                lambda close, step: max(close + step, 1),
                initial=120,
            )
        )
    )
)
EXTREMES = st.lists(ANY_PRICE, min_size=1, max_size=60).map(lambda of: np.array(of, np.int64))


def _looked_at(turn: Turn, closes: Ints) -> list[int]:
    fired = []
    for place, close in enumerate(price(each) for each in closes):
        turn = turn.after(close)
        if turn.reached(close):
            fired.append(place)
            turn = replace(turn, best=close)
    return fired


@st.composite
def turns(draw: st.DrawFn) -> tuple[Turn, Ints]:
    closes = draw(st.one_of(WALKS, RAMPS, EXTREMES))
    turning = draw(st.sampled_from(Turning))
    by = draw(st.sampled_from(PERCENTS if turning.in_percent else AMOUNTS))
    # After a split, the best that a rule has kept may lie between two prices.
    beside = draw(st.sampled_from([D(0), D("0.0000004"), PRICE_STEP, D(1), D(20)]))
    return Turn(turning, price(closes[0]) + beside, by), closes


@settings(max_examples=500, deadline=None)
@given(asked=turns(), segment=st.integers(1, 9), first=st.sampled_from([1, 16, 512]))
def test_wherever_segments_begin_the_turn_itself_names_the_same_bars(
    asked: tuple[Turn, Ints], segment: int, first: int
) -> None:
    turn, closes = asked
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lockstep, "SEGMENT", segment)
        patched.setattr(lockstep, "FEWEST", 1)
        patched.setattr(stretches, "FIRST", first)
        found = all_turns(turn, closes, None).tolist()
    assert found == _looked_at(turn, closes)


@settings(max_examples=100, deadline=None)
@given(asked=turns(), most=st.integers(1, 5))
def test_the_first_ones_are_those_that_all_begin_with(asked: tuple[Turn, Ints], most: int) -> None:
    turn, closes = asked
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lockstep, "SEGMENT", 3)
        patched.setattr(lockstep, "FEWEST", 1)
        patched.setattr(stretches, "FIRST", 4)
        few, found = all_turns(turn, closes, most), all_turns(turn, closes, None)
    assert few.tolist() == found.tolist()[:most]


@pytest.mark.parametrize("turning", Turning)
@pytest.mark.parametrize("by", ["0.5", "5", "30"])
@pytest.mark.parametrize(
    "closes",
    [
        np.resize(REAL, 9 * len(REAL)),  # so long that stretches of it go in step
        _closes([10_000 - n for n in range(9_999)]),
        np.tile(_closes([int(10_000 * 0.99**n) + 1 for n in range(500)]), 30),
    ],
    ids=["years", "a way down", "ways down, again and again"],
)
def test_ten_thousand_bars_are_named_as_bar_by_bar(turning: Turning, by: str, closes: Ints) -> None:
    turn = Turn(turning, price(closes[0]), D(by))
    found = all_turns(turn, closes, None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lockstep, "FEWEST", len(closes))
        assert found.tolist() == all_turns(turn, closes, None).tolist()
