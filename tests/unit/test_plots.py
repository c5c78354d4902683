"""Pictures that the server draws: everything stands inside, on round numbers."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actions.pages.plots import columns, curves

amounts = st.decimals(0, 10**9, places=2)


def test_lines_stand_between_round_values() -> None:
    plot = curves([Decimal(100), Decimal(180)], [Decimal(120), Decimal(110)])
    assert [tick.value for tick in plot.ticks] == [180, 160, 140, 120, 100]
    assert [tick.y for tick in plot.ticks] == [0, 25, 50, 75, 100]
    assert plot.lines == ["0,100 100,0", "0,75 100,87.5"]
    assert plot.dots == [(0, 100), (100, 0)]


def test_columns_stand_on_zero_and_count_in_whole_numbers() -> None:
    found, ticks = columns([Decimal(0), Decimal(2)])
    assert [tick.value for tick in ticks] == [2, 1, 0]
    assert [(column.middle, column.height) for column in found] == [(25, 0), (75, 100)]
    assert [tick.value for tick in columns([Decimal(0)])[1]] == [1, 0]


@given(st.lists(amounts, min_size=1, max_size=30))
def test_whatever_the_values_are_nothing_stands_outside(values: list[Decimal]) -> None:
    plot = curves(values)
    assert 2 <= len(plot.ticks) <= 8
    for x, y in plot.dots:
        assert 0 <= x <= 100
        assert 0 <= y <= 100
    found, ticks = columns(values)
    assert 2 <= len(ticks) <= 8
    assert all(0 <= column.y <= 100 for column in found)
