"""What the price triggers fire on, at their edges."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from actions.marks import Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger
from actions.rules import Band, Outcome, Trigger
from market.quotes import AlertLevels
from tests.unit.conftest import NOTIFY, a_rule, a_view

SIDES = ["price_above", "price_below"]


def outcomes(trigger_type: str, params: dict[str, Any], prices: Sequence[str]) -> list[str]:
    """What each price brings, for a rule that looks at every one, activated at the first."""
    rule = a_rule(trigger_type, params)
    rule = rule.with_state(rule.trigger.activate(rule, a_view(AAPL=prices[0])))
    found = []
    for price in prices:
        evaluation = rule.trigger.evaluate(rule, a_view(AAPL=price))
        rule = rule.with_state(evaluation.state)
        found.append(evaluation.outcome.value)
    return found


def fires_at(trigger_type: str, params: dict[str, Any], prices: Sequence[str]) -> list[str]:
    found = outcomes(trigger_type, params, prices)
    assert set(found) <= {"fired", "not_fired"}
    return [price for price, outcome in zip(prices, found, strict=True) if outcome == "fired"]


# --- level ---


@pytest.mark.parametrize(
    ("trigger_type", "price", "fires"),
    [
        ("price_above", "199.999999", False),
        ("price_above", "200", True),
        ("price_above", "200.000001", True),
        ("price_above", "5000", True),
        ("price_below", "200.000001", False),
        ("price_below", "200", True),
        ("price_below", "199.999999", True),
        ("price_below", "0.000001", True),
    ],
)
def test_level_fires_at_its_threshold_and_everywhere_beyond(
    trigger_type: str, price: str, fires: bool
) -> None:
    assert fires_at(trigger_type, {"threshold": "200"}, [price]) == [price] * fires


@pytest.mark.parametrize("trigger_type", SIDES)
def test_level_fires_from_the_start_and_for_as_long_as_the_price_is_there(
    trigger_type: str,
) -> None:
    assert fires_at(trigger_type, {"threshold": "200"}, ["200"] * 3) == ["200"] * 3


@pytest.mark.parametrize("trigger_type", SIDES)
def test_level_remembers_nothing(trigger_type: str) -> None:
    rule = a_rule(trigger_type, {"threshold": "200"})
    assert rule.trigger.activate(rule, a_view(AAPL="200")) == {}
    for price in ("199", "200", "201"):
        assert rule.trigger.evaluate(rule, a_view(AAPL=price)).state == {}


# --- cross ---


def cross(threshold: str = "200") -> dict[str, Any]:
    return {"threshold": threshold, "on": "cross"}


@pytest.mark.parametrize(
    ("trigger_type", "prices", "fired"),
    [
        ("price_above", ["199", "200"], ["200"]),
        ("price_below", ["201", "200"], ["200"]),
        ("price_above", ["199.999999", "200.000001"], ["200.000001"]),
        ("price_below", ["200.000001", "199.999999"], ["199.999999"]),
        ("price_above", ["199", "350"], ["350"]),  # a gap over the threshold crosses it
        ("price_below", ["201", "3"], ["3"]),
    ],
)
def test_cross_fires_when_the_price_comes_from_the_other_side(
    trigger_type: str, prices: list[str], fired: list[str]
) -> None:
    assert fires_at(trigger_type, cross(), prices) == fired


@pytest.mark.parametrize(
    ("trigger_type", "prices"),
    [("price_above", ["201", "200", "350"]), ("price_below", ["199", "200", "3"])],
)
def test_cross_does_not_fire_where_the_price_began_beyond_it(
    trigger_type: str, prices: list[str]
) -> None:
    assert fires_at(trigger_type, cross(), prices) == []


@pytest.mark.parametrize(
    ("trigger_type", "beyond", "armed_by"),
    [("price_above", "201", "199.999999"), ("price_below", "199", "200.000001")],
)
def test_cross_that_began_beyond_fires_once_the_price_has_been_back(
    trigger_type: str, beyond: str, armed_by: str
) -> None:
    assert fires_at(trigger_type, cross(), [beyond, armed_by, beyond]) == [beyond]


@pytest.mark.parametrize(
    ("trigger_type", "beyond"), [("price_above", "201"), ("price_below", "199")]
)
def test_the_threshold_itself_is_not_the_other_side(trigger_type: str, beyond: str) -> None:
    assert fires_at(trigger_type, cross(), ["200", "200", beyond]) == []


@pytest.mark.parametrize(
    ("trigger_type", "prices", "fired"),
    [
        ("price_above", ["199", "201", "202", "200", "203"], ["201"]),
        ("price_above", ["199", "201", "202", "199", "203"], ["201", "203"]),
        ("price_below", ["201", "199", "198", "200", "197"], ["199"]),
        ("price_below", ["201", "199", "198", "201", "197"], ["199", "197"]),
    ],
)
def test_cross_fires_once_and_must_then_be_armed_again(
    trigger_type: str, prices: list[str], fired: list[str]
) -> None:
    assert fires_at(trigger_type, cross(), prices) == fired


def test_cross_is_armed_by_the_price_at_its_activation() -> None:
    rule = a_rule("price_above", cross())
    assert rule.trigger.activate(rule, a_view(AAPL="199")) == {"armed": True}
    assert rule.trigger.activate(rule, a_view(AAPL="200")) == {}


def test_cross_that_saw_no_price_at_its_activation_is_not_armed() -> None:
    rule = a_rule("price_above", cross())
    assert rule.trigger.activate(rule, a_view()) == {}


@pytest.mark.parametrize("trigger_type", SIDES)
def test_looking_does_not_change_the_state_that_is_looked_at(trigger_type: str) -> None:
    rule = a_rule(trigger_type, cross(), state={"armed": True})
    for price in ("199", "200", "201"):
        rule.trigger.evaluate(rule, a_view(AAPL=price))
    assert rule.state == {"armed": True}


# --- the band it sleeps in ---


@pytest.mark.parametrize(
    ("trigger_type", "state", "params", "band"),
    [
        ("price_above", {}, {"threshold": "200"}, Band(above=Decimal(200))),
        ("price_below", {}, {"threshold": "200"}, Band(below=Decimal(200))),
        ("price_above", {"armed": True}, cross(), Band(above=Decimal(200))),
        ("price_below", {"armed": True}, cross(), Band(below=Decimal(200))),
        ("price_above", {}, cross(), Band(below=Decimal("199.999999"))),
        ("price_below", {}, cross(), Band(above=Decimal("200.000001"))),
    ],
)
def test_it_sleeps_until_a_price_would_fire_or_arm_it(
    trigger_type: str, state: dict[str, bool], params: dict[str, Any], band: Band
) -> None:
    rule = a_rule(trigger_type, params, state=state)
    wake = rule.trigger.watch(rule, a_view(AAPL="200"))
    assert (wake.bands, wake.at) == ({"AAPL": band}, None)


@pytest.mark.parametrize(
    ("trigger_type", "threshold"),
    [("price_below", "999999999999.999999"), ("price_above", "0.000001")],
)
def test_a_crossing_that_no_price_can_arm_waits_for_none(trigger_type: str, threshold: str) -> None:
    rule = a_rule(trigger_type, cross(threshold))
    band = rule.trigger.watch(rule, a_view(AAPL="200")).bands["AAPL"]
    assert AlertLevels(band.below, band.above) == AlertLevels()


# --- another symbol ---


def test_a_trigger_watches_the_symbol_it_names_instead_of_the_one_that_is_traded() -> None:
    rule = a_rule("price_below", {"threshold": "400", "symbol": "SPY"})
    assert rule.trigger.watched(rule) == {"SPY"}
    assert rule.symbols == {"SPY", "AAPL"}
    fired = rule.trigger.evaluate(rule, a_view(AAPL="999", SPY="400"))
    assert fired.outcome is Outcome.FIRED
    assert fired.reason == "SPY at $400.00 is at or below $400.00."
    assert rule.trigger.evaluate(rule, a_view(AAPL="1", SPY="401")).outcome is Outcome.NOT_FIRED
    assert rule.trigger.watch(rule, a_view(AAPL="1", SPY="401")).bands.keys() == {"SPY"}


def test_a_trigger_without_a_symbol_watches_the_one_that_is_traded() -> None:
    rule = a_rule("price_below", {"threshold": "400"})
    assert rule.trigger.watched(rule) == {"AAPL"}


def test_a_symbol_is_understood_in_small_letters_and_with_spaces_around_it() -> None:
    assert parse_trigger("price_below", {"threshold": "4", "symbol": " spy "}).symbol == "SPY"


def test_a_trigger_without_any_symbol_to_watch_is_refused() -> None:
    rule = a_rule(symbol=None, effect=NOTIFY)
    with pytest.raises(InvalidRule) as refused:
        rule.trigger.check(rule)
    assert refused.value.errors.keys() == {"symbol"}
    rule.trigger.check(a_rule())
    parse_trigger("price_below", {"threshold": "4", "symbol": "SPY"}).check(rule)


def test_it_must_have_a_symbol_of_its_own_where_the_rule_takes_none() -> None:
    rebalance = parse_effect("REBALANCE", sizes={}, params={"targets": {"AAPL": "1"}})
    rule = a_rule(symbol=None, effect=rebalance)
    with pytest.raises(InvalidRule) as refused:
        rule.trigger.check(rule)
    assert refused.value.errors.keys() == {"trigger_params.symbol"}


# --- the words ---


@pytest.mark.parametrize(
    ("trigger_type", "params", "price", "state", "reason"),
    [
        (
            "price_above",
            {"threshold": "200"},
            "199.5",
            {},
            "AAPL at $199.50 is not at or above $200.00.",
        ),
        (
            "price_above",
            {"threshold": "200"},
            "200.0125",
            {},
            "AAPL at $200.0125 is at or above $200.00.",
        ),
        (
            "price_below",
            cross(),
            "199",
            {},
            "AAPL at $199.00 is already at or below $200.00. It waits for a crossing.",
        ),
        ("price_below", cross(), "199", {"armed": True}, "AAPL at $199.00 is at or below $200.00."),
    ],
)
def test_the_reason_tells_what_was_seen_with_its_numbers(
    trigger_type: str, params: dict[str, Any], price: str, state: dict[str, bool], reason: str
) -> None:
    rule = a_rule(trigger_type, params, state=state)
    assert rule.trigger.evaluate(rule, a_view(AAPL=price)).reason == reason


@pytest.mark.parametrize(
    ("params", "traded", "words"),
    [
        ({"threshold": "150"}, "AAPL", "when the price is at or below $150.00"),
        ({"threshold": "0.0125"}, "AAPL", "when the price is at or below $0.0125"),
        ({"threshold": "1500"}, None, "when the price is at or below $1,500.00"),
        ({"threshold": "150", "symbol": "AAPL"}, "AAPL", "when the price is at or below $150.00"),
        ({"threshold": "150", "symbol": "SPY"}, "AAPL", "when SPY's price is at or below $150.00"),
        ({"threshold": "150", "symbol": "SPY"}, None, "when SPY's price is at or below $150.00"),
        (cross("150") | {"symbol": "SPY"}, "AAPL", "when SPY's price falls to $150.00"),
    ],
)
def test_a_condition_is_described_with_the_symbol_only_where_it_is_another(
    params: dict[str, Any], traded: str | None, words: str
) -> None:
    assert parse_trigger("price_below", params).describe(traded) == words


# --- parameters ---

NOT_THRESHOLDS = [
    True,
    False,
    float("nan"),
    float("inf"),
    float("-inf"),
    1e999,
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "1e999999999",
    10**40,
    "1" * 40,
    "0." + "1" * 40,
    -1,
    "-0.000001",
    0,
    "0",
    "-0",
    0.0,
    "1.1234567",
    "1e-7",
    0.1 + 0.2,
    "1000000000000",
    "",
    "abc",
    "$150",
    "0x10",
    "1,500",
    None,
    [],
    {},
]


@pytest.mark.parametrize("trigger_type", SIDES)
@pytest.mark.parametrize("value", NOT_THRESHOLDS, ids=lambda value: repr(value)[:20])
def test_what_is_no_price_is_no_threshold(trigger_type: str, value: object) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger(trigger_type, {"threshold": value})
    assert refused.value.errors.keys() == {"trigger_params.threshold"}
    assert refused.value.errors["trigger_params.threshold"]
    assert str(refused.value).startswith("trigger_params.threshold: ")


def threshold_of(trigger: Trigger) -> Decimal:
    value = trigger.model_dump()["threshold"]
    assert isinstance(value, Decimal)
    return value


@pytest.mark.parametrize(
    ("value", "understood"),
    [
        ("150", "150"),
        ("150.10", "150.1"),
        (150, "150"),
        (150.1, "150.1"),  # as JSON gives it: what was typed, not its binary neighbour
        ("1e2", "100"),
        ("0.000001", "0.000001"),
        ("999999999999.999999", "999999999999.999999"),
        ("1.1234560", "1.123456"),  # a zero is no seventh decimal
    ],
)
def test_a_threshold_is_exact_however_it_is_written(value: object, understood: str) -> None:
    assert threshold_of(parse_trigger("price_below", {"threshold": value})) == Decimal(understood)


@pytest.mark.parametrize(
    ("params", "errors"),
    [
        ({}, {"trigger_params.threshold": "This is needed."}),
        (
            {"threshold": "1", "treshold": "1"},
            {"trigger_params.treshold": "There is no such parameter."},
        ),
        (
            {"nonsense": 1, "other": 2, "threshold": "1"},
            {
                "trigger_params.nonsense": "There is no such parameter.",
                "trigger_params.other": "There is no such parameter.",
            },
        ),
        (
            {"on": "touch", "threshold": "1"},
            {"trigger_params.on": "Use level or cross."},
        ),
    ],
)
def test_every_wrong_parameter_is_named(params: dict[str, Any], errors: dict[str, str]) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("price_below", params)
    assert refused.value.errors == errors


@pytest.mark.parametrize("symbol", ["", "A B", "AAPL!", "-AAPL", "A" * 17, 5, True, "ÄPFEL"])
def test_what_is_no_symbol_is_named(symbol: object) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("price_below", {"threshold": "1", "symbol": symbol})
    assert refused.value.errors.keys() == {"trigger_params.symbol"}


# --- What a chart draws ---


@pytest.mark.parametrize(
    ("trigger_type", "params", "state", "words"),
    [
        ("price_below", {}, {}, "Fires at or below $150.00"),
        ("price_above", {}, {}, "Fires at or above $150.00"),
        ("price_below", {"on": "cross"}, {"armed": True}, "Fires on a fall to $150.00"),
        ("price_above", {"on": "cross"}, {"armed": True}, "Fires on a rise to $150.00"),
        ("price_above", {"on": "cross"}, {}, "Fires on a rise to $150.00, once below it"),
        ("price_below", {"on": "cross"}, {}, "Fires on a fall to $150.00, once above it"),
    ],
)
def test_a_chart_draws_the_threshold(
    trigger_type: str, params: dict[str, str], state: dict[str, Any], words: str
) -> None:
    rule = a_rule(trigger_type, {"threshold": "150", **params}, state=state)
    level = Level("AAPL", Decimal(150), Role.TRIGGER, words)
    assert rule.trigger.annotate(rule, a_view()) == (level,)


def test_a_chart_draws_it_for_the_symbol_that_is_watched() -> None:
    rule = a_rule("price_below", {"threshold": "0.0125", "symbol": "SPY"})
    level = Level("SPY", Decimal("0.0125"), Role.TRIGGER, "Fires at or below $0.0125")
    assert rule.trigger.annotate(rule, a_view()) == (level,)
