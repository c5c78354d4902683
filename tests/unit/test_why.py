"""Why a rule has not fired: its gates, and how far the price is from the level that wakes it."""

from copy import replace
from datetime import timedelta
from decimal import Decimal

from actions.limits import GATES, Gate
from actions.rules import Band, Status
from actions.why import gate_states, nearest
from tests.unit.conftest import NOW, SECOND, a_rule, a_view


def test_each_gate_says_whether_it_is_open_in_the_order_in_which_they_are_asked() -> None:
    rule = replace(
        a_rule(), status=Status.PAUSED, cooldown_seconds=60, last_triggered_at=NOW - SECOND
    )
    states = gate_states(rule, a_view(AAPL="160"))
    assert [state.gate for state in states] == list(GATES)
    assert [state.gate for state in states if not state.open] == [Gate.STATUS, Gate.COOLDOWN]
    assert states[1].reason == "The rule is paused."
    assert states[3].until == NOW - SECOND + timedelta(seconds=60)


def test_the_distance_is_to_the_level_that_is_nearest_in_percent() -> None:
    quotes = a_view(AAPL="160", SPY="500").quotes
    bands = {
        "AAPL": Band(below=Decimal(152), above=Decimal(200)),
        "SPY": Band(above=Decimal(501)),
    }
    distance = nearest(bands, quotes)
    assert distance is not None
    assert distance.symbol == "SPY"
    assert (distance.to_go, distance.percent) == (Decimal(1), Decimal("0.2"))
    distance = nearest({"AAPL": bands["AAPL"]}, quotes)
    assert distance is not None
    assert (distance.level, distance.to_go) == (Decimal(152), Decimal(-8))
    assert distance.percent == -5


def test_without_a_quote_or_a_level_there_is_no_distance() -> None:
    quotes = a_view(AAPL="160").quotes
    assert nearest({"SPY": Band(above=Decimal(501))}, quotes) is None
    assert nearest({"AAPL": Band()}, quotes) is None
