"""A sweep finds for each setting what a backtest of its own finds."""

from collections.abc import Sequence
from copy import replace
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.backtest.run import backtest
from actions.backtest.series import Series, instant
from actions.backtest.sweep import MOST_VALUES, sweep
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from market.bars import read_bars
from tests.unit.conftest import NOTIFY, a_rule
from tests.unit.real_bars import SHIPPED

BARS = read_bars(SHIPPED)["GOOG"]
GOOG = {"GOOG": Series.of("GOOG", BARS)}
D = Decimal


@pytest.mark.parametrize(
    ("kind", "params", "parameter", "values"),
    [
        ("price_below", {}, "threshold", [D(n) for n in range(90, 130, 3)]),
        ("price_above", {}, "threshold", [D(n) / 7 for n in range(500, 6000, 501)]),
        ("price_above", {"on": "cross"}, "threshold", [D(n) for n in range(90, 900, 90)]),
        ("trailing_stop", {}, "percent", [D(n) / 2 for n in range(1, 140, 9)]),
        ("trailing_stop", {"direction": "up"}, "percent", [D(n) for n in range(1, 99, 9)]),
        ("trailing_stop", {}, "amount", [D(n) for n in range(1, 500, 49)]),
        ("trailing_stop", {"percent": "9"}, "activation_price", [D(100), D(500), D(9000)]),
        ("ma_cross", {"short": 20, "direction": "down"}, "long", [21, 50, 199, 400]),
        ("ma_cross", {"long": 90, "kind": "ema"}, "short", [2, 20, 89]),
        ("change_pct", {"direction": "down"}, "change", [D(2), D(8), D("15.5"), D(90)]),
        ("change_pct", {"window": "24h"}, "change", [D(2), D(8)]),
        ("from_high", {"percent": 20}, "lookback", [2, 20, 252]),
        ("volume_above", {}, "threshold", [1, 30_000_000, 10**12]),
        ("volume_above", {"multiple": 3}, "lookback", [1, 20, 300]),
    ],
)
def test_each_setting_fires_where_a_backtest_of_it_fires(
    kind: str, params: dict[str, Any], parameter: str, values: list[Decimal | int]
) -> None:
    values = [value if isinstance(value, int) else round(value, 6) for value in values]
    begins = BARS[3].at + timedelta(hours=1)
    first = a_rule(
        kind, params | {parameter: values[0]}, symbol="GOOG", effect=NOTIFY, valid_from=begins
    )
    swept = sweep(first, parameter, values, GOOG, start=begins)
    for value, fire in zip(values, swept, strict=True):
        rule = replace(first, trigger=parse_trigger(kind, params | {parameter: value}))
        alone = backtest(rule, GOOG, start=begins)
        assert ([fire] if fire else []) == list(alone.fires[:1])
    assert any(swept)


def test_a_sweep_of_what_is_no_number_of_the_trigger_or_of_too_many_is_refused() -> None:
    start = BARS[0].at
    rule = a_rule("price_below", {"threshold": "100"}, symbol="GOOG", effect=NOTIFY)
    with pytest.raises(InvalidRule, match=r"trigger_params\.colour: There is no such parameter"):
        sweep(rule, "colour", [D(1)], GOOG, start=start)
    with pytest.raises(InvalidRule, match=r"trigger_params\.threshold: "):
        sweep(rule, "threshold", [D(1), D(-1)], GOOG, start=start)
    with pytest.raises(InvalidRule, match=r"at most 10,000 values; 10,001 are"):
        sweep(rule, "threshold", [D(1)] * (MOST_VALUES + 1), GOOG, start=start)


# Prices that are often the same, and settings that they hit exactly.
STEPS = st.lists(st.sampled_from([-2, -1, 0, 0, 1, 2, 5]), min_size=9, max_size=60)
SWEPT = st.sampled_from(
    [
        ("price_below", {}, "threshold", [D(n) for n in range(90, 111)]),
        ("price_above", {}, "threshold", [D(n) / 2 for n in range(180, 240)]),
        ("trailing_stop", {}, "percent", [D(n) for n in range(1, 12)]),
        ("trailing_stop", {"direction": "up"}, "percent", [D(n) for n in range(1, 12)]),
        ("trailing_stop", {}, "amount", [D(n) for n in range(1, 12)]),
        ("trailing_stop", {"direction": "up"}, "amount", [D(n) for n in range(1, 12)]),
        ("ma_cross", {"short": 2, "direction": "up"}, "long", [3, 4, 7]),
        ("ma_cross", {"short": 2, "direction": "down"}, "long", [3, 4, 7]),
        ("ma_cross", {"long": 5, "direction": "either"}, "short", [2, 3, 4]),
    ]
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, swept=SWEPT, made=st.integers(0, 8), data=st.data())
def test_whatever_the_prices_a_sweep_finds_what_backtests_find(
    steps: list[int], swept: tuple[str, dict[str, Any], str, list[Any]], made: int, data: Any
) -> None:
    closes = [max(D(1), D(close)) for close in accumulate(steps, initial=100)]
    series = {"GOOG": _closing_at(closes)}
    kind, params, parameter, values = swept
    start = instant(series["GOOG"].at[made]) + timedelta(hours=data.draw(st.sampled_from([-1, 0])))
    last = instant(series["GOOG"].at[-1])
    end = data.draw(st.sampled_from([None, last - timedelta(days=2)]))
    until = data.draw(st.sampled_from([None, last - timedelta(days=1), last]))
    first = a_rule(
        kind, params | {parameter: values[0]}, symbol="GOOG", effect=NOTIFY, valid_from=start
    )
    first = replace(first, valid_until=until if until and until > start else None)
    found = sweep(first, parameter, values, series, start=start, end=end)
    for value, fire in zip(values, found, strict=True):
        rule = replace(first, trigger=parse_trigger(kind, params | {parameter: value}))
        alone = backtest(rule, series, start=start, end=end)
        assert ([fire] if fire else []) == list(alone.fires)


def _closing_at(closes: Sequence[Decimal]) -> Series:
    """A daily series of GOOG's sessions with other closes."""
    return Series.of(
        "GOOG",
        [
            replace(day, open=close, high=close, low=close, close=close)
            for day, close in zip(BARS, closes, strict=False)
        ],
    )


@pytest.mark.parametrize(("direction", "way"), [("down", -1), ("up", 1)])
def test_a_price_a_millionth_short_of_the_stop_fires_no_setting(direction: str, way: int) -> None:
    best, step = D(100_000), D("0.000001")
    closes = [best, best + way * 999 * step, best + way * 1000 * step]  # a billionth of the best
    params = {"direction": direction, "percent": step}
    start = BARS[0].at - timedelta(hours=1)
    rule = a_rule("trailing_stop", params, symbol="GOOG", effect=NOTIFY, valid_from=start)
    (fire,) = sweep(rule, "percent", [step], {"GOOG": _closing_at(closes)}, start=start)
    assert fire is not None
    assert fire.price == closes[2]
