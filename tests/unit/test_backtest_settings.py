"""The settings of a sweep: the numbers that a trigger has, and values evenly apart."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.backtest.settings import numbers_of, spread
from actions.registry import parse_trigger, trigger_types


def test_each_number_of_a_trigger_is_found_with_whether_it_is_whole() -> None:
    kinds = trigger_types()
    assert numbers_of(kinds["ma_cross"]) == {"short": True, "long": True}
    assert numbers_of(kinds["trailing_stop"]) == {
        "percent": False,
        "amount": False,
        "activation_price": False,
    }
    assert numbers_of(kinds["from_high"]) == {"percent": False, "lookback": True}


@pytest.mark.parametrize("trigger_type", sorted(trigger_types()))
def test_what_is_found_can_be_set_to_another_number(trigger_type: str) -> None:
    trigger = trigger_types()[trigger_type]
    for example in trigger.examples:
        for name in numbers_of(trigger).keys() & example.params.keys():
            more = Decimal(str(example.params[name])) + 1
            parse_trigger(trigger_type, {**example.params, name: more})


def test_values_are_evenly_apart_with_both_ends() -> None:
    assert spread(Decimal(1), Decimal(10), 4, whole=False) == [*map(Decimal, (1, 4, 7, 10))]
    assert spread(Decimal(10), Decimal(1), 2, whole=False) == [*map(Decimal, (10, 1))]
    assert spread(Decimal(5), Decimal(9), 1, whole=True) == [Decimal(5)]
    assert spread(Decimal(2), Decimal(4), 9, whole=True) == [*map(Decimal, (2, 3, 4))]
    thirds = spread(Decimal(0), Decimal(1), 4, whole=False)
    assert [str(value) for value in thirds] == ["0", "0.333333", "0.666667", "1"]


@given(
    st.decimals(-(10**6), 10**6, places=6),
    st.decimals(-(10**6), 10**6, places=6),
    st.integers(2, 100),
)
def test_values_begin_and_end_where_they_are_told(
    first: Decimal, last: Decimal, steps: int
) -> None:
    values = spread(first, last, steps, whole=False)
    assert (values[0], values[-1]) == (first, last)
    assert len(set(values)) == len(values) <= steps
    assert sorted(values, reverse=last < first) == list(values)
