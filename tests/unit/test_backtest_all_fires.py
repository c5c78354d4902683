"""A rule that starts anew with each firing has all its firings told at once, as it is played."""

from copy import replace
from decimal import Decimal
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.backtest import extremes, stretches
from actions.backtest.extremes import Extremes
from actions.backtest.play import Player, Result
from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.rules import Rule
from market.bars import read_bars
from tests.unit.conftest import NOTIFY, a_rule
from tests.unit.real_bars import SHIPPED

BARS = read_bars(SHIPPED)["GOOG"]
D = Decimal

# Numbers that prices hit exactly, and some that lie between two prices.
AGAIN = st.sampled_from(
    [
        ("price_below", {"threshold": "100"}),
        ("price_above", {"threshold": "101.5"}),
        ("price_below", {"threshold": "100", "on": "cross"}),
        ("price_above", {"threshold": "100", "on": "cross"}),
        *(
            ("trailing_stop", {distance: number, "direction": direction})
            for direction in ("down", "up")
            for distance, number in (("percent", "2"), ("percent", "0.7"), ("amount", "3"))
        ),
        ("trailing_stop", {"percent": "2", "activation_price": "104"}),
        *(("ma_cross", {"short": 2, "long": 4, "direction": way}) for way in ("up", "down")),
        ("ma_cross", {"short": 3, "long": 5, "direction": "either"}),
    ]
)
STEPS = st.lists(st.sampled_from([-3, -2, -1, 0, 0, 1, 2, 5]), min_size=9, max_size=80)


def _told_and_played(rule: Rule, series: Series) -> tuple[Result, Result]:
    """The same backtest with the firings told at once, where they are, and without."""
    told = backtest(rule, {"GOOG": series}, start=rule.valid_from)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Player, "_told_at_once", lambda player: None)
        played = backtest(rule, {"GOOG": series}, start=rule.valid_from)
    return told, played


def _same(told: Result, played: Result) -> None:
    assert list(told.fires) == list(played.fires)  # with their reasons
    assert (told.after, told.reason) == (played.after, played.reason)
    assert told.blocked == played.blocked == []


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    asked=AGAIN,
    made=st.integers(0, 8),
    most=st.sampled_from([None, None, 2, 3]),
    lives=st.sampled_from([None, 5, 30]),
    block=st.sampled_from([1, 3, 512]),
)
def test_whatever_the_prices_it_fires_ends_and_stands_as_if_it_were_played(
    steps: list[int],
    asked: tuple[str, dict[str, Any]],
    made: int,
    most: int | None,
    lives: int | None,
    block: int,
) -> None:
    kind, params = asked
    closes = accumulate(steps, lambda price, step: max(price + step, 1), initial=100)
    bars = [
        replace(bar, open=D(close), high=D(close), low=D(close), close=D(close))
        for bar, close in zip(BARS, closes, strict=False)
    ]
    begins, until = bars[made].at, bars[min(made + lives, len(bars) - 1)].at if lives else None
    rule = a_rule(kind, params, symbol="GOOG", effect=NOTIFY, valid_from=begins)
    rule = replace(rule, max_executions=most, valid_until=until)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stretches, "FIRST", block)
        patched.setattr(extremes, "BLOCK", block)
        _same(*_told_and_played(rule, Series.of("GOOG", bars)))


@pytest.mark.parametrize(
    ("kind", "params", "fired"),
    [
        ("trailing_stop", {"percent": "5"}, 127),
        ("trailing_stop", {"amount": "40", "direction": "up"}, 76),
        ("price_above", {"threshold": "700"}, 93),
        ("price_below", {"threshold": "500", "on": "cross"}, 17),
        ("ma_cross", {"short": 20, "long": 50, "direction": "either"}, 40),
    ],
)
def test_years_of_real_prices_are_told_as_they_are_played(
    kind: str, params: dict[str, Any], fired: int
) -> None:
    rule = a_rule(kind, params, symbol="GOOG", effect=NOTIFY, valid_from=BARS[0].at)
    told, played = _told_and_played(replace(rule, max_executions=None), Series.of("GOOG", BARS))
    assert len(told.fires) == fired
    _same(told, played)
    assert told.fires[-1] == played.fires[-1]
    assert told.fires[2:8:3] == list(played.fires)[2:8:3]


@pytest.mark.parametrize(
    "held_back",
    [
        {"cooldown_seconds": 4 * 86_400},
        {"valid_from": BARS[40].at},
        {"max_executions": 1},
    ],
)
def test_what_something_may_hold_back_is_played(held_back: dict[str, Any]) -> None:
    rule = a_rule("price_above", {"threshold": "1"}, symbol="GOOG", effect=NOTIFY)
    rule = replace(rule, valid_from=BARS[0].at, max_executions=None)
    done = backtest(replace(rule, **held_back), {"GOOG": Series.of("GOOG", BARS)}, start=BARS[0].at)
    assert isinstance(done.fires, list)
    free = backtest(rule, {"GOOG": Series.of("GOOG", BARS)}, start=BARS[0].at)
    assert len(done.fires) < len(free.fires) == len(BARS) - 1


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(0, 9), max_size=40),
    level=st.integers(-1, 10),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    block=st.integers(1, 7),
)
def test_the_first_number_at_a_level_is_found_wherever_blocks_begin(
    values: list[int], level: int, ends: tuple[int, int], block: int
) -> None:
    end = min(max(ends), len(values))
    begin = min(*ends, end)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(extremes, "BLOCK", block)
        searched = Extremes(np.array(values, np.int64))
    below = [n for n in range(begin, end) if values[n] <= level]
    above = [n for n in range(begin, end) if values[n] >= level]
    for _ in range(2):
        assert searched.first_below(level, begin, end) == min(below, default=end)
        assert searched.first_above(level, begin, end) == min(above, default=end)
