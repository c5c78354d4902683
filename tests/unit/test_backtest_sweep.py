"""A sweep finds for each setting what a backtest of its own finds."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.backtest.sweep import MOST_VALUES, sweep
from actions.registry import parse_trigger
from actions.rules import InvalidRule
from market.bars import read_bars
from tests.unit.conftest import NOTIFY, a_rule
from tests.unit.real_bars import SHIPPED

GOOG = {"GOOG": Series.of("GOOG", read_bars(SHIPPED)["GOOG"])}
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
    begins = read_bars(SHIPPED)["GOOG"][3].at + timedelta(hours=1)
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
    start = read_bars(SHIPPED)["GOOG"][0].at
    rule = a_rule("price_below", {"threshold": "100"}, symbol="GOOG", effect=NOTIFY)
    with pytest.raises(InvalidRule, match=r"trigger_params\.colour: There is no such parameter"):
        sweep(rule, "colour", [D(1)], GOOG, start=start)
    with pytest.raises(InvalidRule, match=r"trigger_params\.threshold: "):
        sweep(rule, "threshold", [D(1), D(-1)], GOOG, start=start)
    with pytest.raises(InvalidRule, match=r"at most 10,000 values; 10,001 are"):
        sweep(rule, "threshold", [D(1)] * (MOST_VALUES + 1), GOOG, start=start)
