"""When moving averages of daily closes cross, and at which close that is told."""

import csv
import json
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.judge import Finding, judge
from actions.marks import Line, Point
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import Needs, Outcome, Rule, View, Wake
from market.bars import read_bars
from market.hours import Exchange
from market.quotes import Bar
from portfolios.money import format_price
from tests.unit.conftest import NOTIFY, a_rule, a_view

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
SHARED = ROOT.parent / "shared" / "data"
NYSE = Exchange()
MINUTE = timedelta(minutes=1)

history = cache(read_bars)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seen(now: datetime, bars: Sequence[Bar], symbol: str = "AAPL") -> View:
    """What is seen at `now`: of `bars` those that are complete."""
    known = [bar for bar in bars if bar.at <= now]
    return replace(a_view(now, calendar=NYSE), bars={symbol: known})


def cross_rule(params: Mapping[str, Any], start: datetime, symbol: str = "AAPL") -> Rule:
    """A notice, activated at `start`, that fires again and again."""
    rule = a_rule(
        "ma_cross", params, effect=NOTIFY, symbol=symbol, valid_from=start, max_executions=None
    )
    return rule.with_state(rule.trigger.activate(rule, seen(start, (), symbol)))


def crossings(rule: Rule, bars: Sequence[Bar]) -> list[datetime]:
    """When it fires, looked at from its start on whenever it asks for it, as the engine does."""
    fired = []
    needs = rule.trigger.needs(rule).sessions
    now = rule.valid_from
    known = sum(bar.at <= now for bar in bars)
    while known < len(bars):
        known += bars[known].at <= now
        view = replace(
            a_view(now, calendar=NYSE),
            bars={bars[0].symbol: bars[max(0, known - needs) : known]},
        )
        evaluation = rule.trigger.evaluate(rule, view)
        rule = rule.with_state(evaluation.state)
        if evaluation.outcome is Outcome.FIRED:
            fired.append(now)
        at = rule.trigger.watch(rule, view).at
        assert at is not None
        assert at > now
        now = at
    return fired


def closing(*closes: str | int, last: str = "2026-11-16") -> list[Bar]:
    """Sessions with these closes, the newest on the day `last`."""
    day = datetime.fromisoformat(last).date()
    bars: list[Bar] = []
    for close in reversed(closes):
        at = NYSE.close_of(day)
        assert at is not None
        price = Decimal(close)
        bars.insert(0, Bar("AAPL", at, price, price, price, price, 1000))
        day = NYSE.previous_session(day)
    return bars


def at_the_close(closes: Sequence[str | int], **params: Any) -> Outcome:
    """What the newest of `closes` brings to a rule that began before all of them."""
    bars = closing(*closes)
    rule = cross_rule({"short": 2, "long": 3, **params}, bars[0].at - MINUTE)
    return rule.trigger.evaluate(rule, seen(bars[-1].at, bars)).outcome


# --- Over real bars ---


def first_crossing(bars: Sequence[Bar], params: Mapping[str, Any], start: datetime) -> datetime:
    soon = [bar for bar in bars if bar.at < start + timedelta(days=200)]
    return crossings(cross_rule(params, start, bars[0].symbol), soon)[0]


@pytest.mark.parametrize(
    ("symbol", "direction", "start", "first"),
    [
        # Read off the shipped bars with seven independent tools (TA-Lib and SQLite among them).
        ("AAPL", "down", "2008-01-02 15:00", "2008-01-23 21:00"),
        ("AAPL", "up", "2012-06-01 15:00", "2012-06-25 20:00"),
        # It is below already as the rule begins, and has to cross anew.
        ("IBM", "down", "2008-07-01 15:00", "2008-09-03 20:00"),
        ("MSFT", "up", "2009-01-02 15:00", "2009-04-06 20:00"),
        ("GOOG", "up", "2008-12-01 15:00", "2009-01-06 21:00"),
    ],
)
def test_the_20_and_the_50_day_average_cross_at_their_close(
    symbol: str, direction: str, start: str, first: str
) -> None:
    params = {"short": 20, "long": 50, "direction": direction}
    assert first_crossing(history(SHIPPED)[symbol], params, utc(start)) == utc(first)


def test_the_first_fires_are_those_of_the_shared_table() -> None:
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    rows = csv.DictReader(table.read_text().splitlines())
    ours = [row for row in rows if row["trigger_type"] == "ma_cross"]
    assert len(ours) >= 5
    for row in ours:
        bars = history(SHARED / row["data_file"])[row["symbol"]]
        start, first = (
            datetime.fromisoformat(row[name]).astimezone(UTC)
            for name in ("start", "first_fire_timestamp")
        )
        assert first_crossing(bars, json.loads(row["params"]), start) == first, row["rule_id"]


def exact_averages(closes: Sequence[Decimal], length: int, kind: str) -> dict[int, Fraction]:
    """Each close's average from the whole past, without any rounding that could matter."""
    prices = [Fraction(close) for close in closes]
    if kind == "sma":
        sums = {length - 1: sum(prices[:length], Fraction(0))}
        for n in range(length, len(prices)):
            sums[n] = sums[n - 1] + prices[n] - prices[n - length]
        return {n: total / length for n, total in sums.items()}
    average = sum(prices[:length], Fraction(0)) / length
    averages = {length - 1: average}
    for n in range(length, len(prices)):
        average = (average + (prices[n] - average) * 2 / (length + 1)).limit_denominator(10**18)
        averages[n] = average
    return averages


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG"])
@pytest.mark.parametrize(("short", "long", "kind"), [(50, 200, "sma"), (12, 26, "ema")])
def test_every_crossing_of_years_is_found_at_its_close_and_no_other(
    symbol: str, short: int, long: int, kind: str
) -> None:
    bars = history(SHIPPED)[symbol][:2500]
    closes = [bar.close for bar in bars]
    fast, slow = (exact_averages(closes, length, kind) for length in (short, long))
    begin = 1000  # sessions of past, so that the start of the exponential average is long forgotten
    expected = [
        bars[n].at
        for n in range(begin, len(bars))
        if fast[n - 1] <= slow[n - 1] and fast[n] > slow[n]
    ]
    rule = cross_rule(
        {"short": short, "long": long, "kind": kind}, bars[begin - 1].at + MINUTE, symbol
    )
    assert crossings(rule, bars) == expected
    assert len(expected) >= 3


# --- What a crossing is ---


@pytest.mark.parametrize(
    ("closes", "crosses"),
    [
        # Averages of 2 and 3: at or below before, above now.
        ((9, 8, 7, 12), "up"),
        ((9, 9, 9, 12), "up"),  # from being equal
        ((9, 9, 9, 9), None),
        ((9, 8, 7, 11), "up"),
        ((9, 8, 7, 9), None),  # 8 and 8: equal is not yet above
        ((9, 8, 7, "9.000001"), "up"),
        ((7, 8, 9, 10), None),  # it was above already
        ((7, 8, 9, 4), "down"),
        ((9, 9, 9, 6), "down"),
        ((7, 8, 9, 7), None),
        ((7, 8, 9, "6.999999"), "down"),
        ((9, 8, 7, 6), None),
    ],
)
@pytest.mark.parametrize("direction", ["up", "down", "either"])
def test_a_crossing_begins_at_or_on_one_side_and_ends_on_the_other(
    closes: tuple[str | int, ...], crosses: str | None, direction: str
) -> None:
    waited_for = crosses is not None and direction in (crosses, "either")
    expected = Outcome.FIRED if waited_for else Outcome.NOT_FIRED
    assert at_the_close(closes, direction=direction) is expected


@given(
    price=st.decimals("0.000001", "999999999999.999999", places=6),
    short=st.integers(2, 30),
    longer=st.integers(1, 30),
    kind=st.sampled_from(["sma", "ema"]),
)
def test_a_price_that_stays_never_crosses(
    price: Decimal, short: int, longer: int, kind: str
) -> None:
    closes = [str(price)] * (short + longer + 1)
    params = {"short": short, "long": short + longer, "kind": kind, "direction": "either"}
    assert at_the_close(closes, **params) is Outcome.NOT_FIRED


def test_the_exponential_average_starts_from_the_simple_one() -> None:
    bars = closing(10, 20, 30, 40)
    rule = cross_rule({"short": 2, "long": 3, "kind": "ema"}, bars[0].at)
    # 2 days: 15, 25, 35. 3 days: 20, 30.
    told = rule.trigger.evaluate(rule, seen(bars[-1].at, bars)).reason
    assert told == (
        "AAPL's exponential 2-day average did not cross above its 3-day average at the close of "
        "Mon 16 Nov 2026: $35.00 against $30.00, after $25.00 against $20.00."
    )


# --- Which close counts ---

CROSSING = closing(9, 8, 7, 12)
CLOSE = CROSSING[-1].at


def test_a_crossing_fires_at_its_close_and_not_again() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    fired = rule.trigger.evaluate(rule, seen(CLOSE, CROSSING))
    assert fired.outcome is Outcome.FIRED
    assert fired.reason == (
        "AAPL's 2-day average crossed above its 3-day average at the close of Mon 16 Nov 2026: "
        "$9.50 against $9.00, after $7.50 against $8.00."
    )
    rule = rule.with_state(fired.state)
    for minutes in (0, 1, 60 * 12, 60 * 24 - 1):
        again = rule.trigger.evaluate(rule, seen(CLOSE + minutes * MINUTE, CROSSING))
        assert again.outcome is Outcome.NOT_FIRED
        assert again.reason.endswith("That fired it already, or was before it began.")
        assert again.state == rule.state


@pytest.mark.parametrize("after", [timedelta(0), MINUTE, 18 * 60 * MINUTE])
def test_a_crossing_at_a_close_before_the_rule_began_does_not_fire(after: timedelta) -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE + after)
    for stored in (rule, rule.with_state({})):  # also where it became valid without an activation
        told = stored.trigger.evaluate(stored, seen(CLOSE + after, CROSSING))
        assert told.outcome is Outcome.NOT_FIRED
        assert told.state == stored.state


def test_resumed_after_a_crossing_it_waits_for_the_next() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    view = seen(CLOSE + MINUTE, CROSSING)
    rule = rule.with_state(rule.trigger.activate(rule, view))
    assert rule.trigger.evaluate(rule, view).outcome is Outcome.NOT_FIRED


def test_a_trade_is_made_at_the_next_opening() -> None:
    rule = a_rule("ma_cross", {"short": 2, "long": 3}, valid_from=CLOSE - 60 * MINUTE)
    view = replace(a_view(CLOSE, calendar=NYSE, AAPL="12"), bars={"AAPL": CROSSING})
    verdict = judge(rule, view)
    assert verdict.finding is Finding.BLOCKED
    assert verdict.state == rule.state
    opening = utc("2026-11-17 14:30")
    assert verdict.wake == Wake(at=opening)
    view = replace(a_view(opening, calendar=NYSE, AAPL="12"), bars={"AAPL": CROSSING})
    assert judge(rule, view).finding is Finding.FIRED


def test_a_crossing_of_a_session_before_the_last_is_not_fired_any_more() -> None:
    bars = [*closing(9, 8, 7, 12), *closing(13, last="2026-11-17")]
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    assert rule.trigger.evaluate(rule, seen(bars[-1].at, bars)).outcome is Outcome.NOT_FIRED


# --- When it looks ---


def test_it_sleeps_from_close_to_close_whatever_the_price() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    tuesday, wednesday = utc("2026-11-17 21:00"), utc("2026-11-18 21:00")
    for now in (CLOSE, CLOSE + MINUTE, tuesday - MINUTE):
        assert rule.trigger.watch(rule, seen(now, CROSSING)) == Wake(at=tuesday)
    bars = [*CROSSING, *closing(13, last="2026-11-17")]
    assert rule.trigger.watch(rule, seen(tuesday, bars)) == Wake(at=wednesday)


def test_a_half_day_closes_early() -> None:
    bars = closing(9, 8, 7, 12, last="2026-11-25")  # the day before Thanksgiving
    rule = cross_rule({"short": 2, "long": 3}, bars[0].at)
    assert rule.trigger.watch(rule, seen(bars[-1].at, bars)) == Wake(at=utc("2026-11-27 18:00"))


@pytest.mark.parametrize(
    ("late", "again"),
    [(0, 5), (1, 6), (5, 10), (10, 20), (60, 120), (16 * 60, 24 * 60), (23 * 60, 24 * 60)],
)
def test_while_the_last_sessions_bar_is_late_it_does_not_know_and_looks_again(
    late: int, again: int
) -> None:
    tuesday = utc("2026-11-17 21:00")
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    view = seen(tuesday + late * MINUTE, CROSSING)
    told = rule.trigger.evaluate(rule, view)
    assert told.outcome is Outcome.UNKNOWN
    assert told.reason == (
        "The last session's close of AAPL is not known yet, only Mon 16 Nov 2026's."
    )
    assert told.state == rule.state
    assert rule.trigger.watch(rule, view) == Wake(at=tuesday + again * MINUTE)


def test_a_bar_that_comes_late_is_judged_when_it_comes() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE - 60 * MINUTE)
    view = seen(CLOSE + 40 * MINUTE, CROSSING)
    assert rule.trigger.evaluate(rule, view).outcome is Outcome.FIRED


# --- Too little is known ---


@pytest.mark.parametrize("kind", ["sma", "ema"])
def test_with_too_few_sessions_it_does_not_know(kind: str) -> None:
    rule = cross_rule({"short": 2, "long": 4, "kind": kind}, CLOSE - 60 * MINUTE)
    told = rule.trigger.evaluate(rule, seen(CLOSE, CROSSING))
    assert told.outcome is Outcome.UNKNOWN
    assert told.reason == "It takes 5 sessions of AAPL, and there are 4."
    assert told.state == rule.state
    assert rule.trigger.watch(rule, seen(CLOSE, CROSSING)) == Wake(at=utc("2026-11-17 21:00"))
    nothing = rule.trigger.evaluate(rule, a_view(CLOSE, calendar=NYSE))
    assert nothing.reason == "It takes 5 sessions of AAPL, and there are 0."


@pytest.mark.parametrize(
    ("params", "sessions"),
    [
        ({"short": 20, "long": 50}, 51),
        ({"short": 2, "long": 400}, 401),
        ({"short": 12, "long": 26, "kind": "ema"}, 182),
    ],
)
def test_it_asks_for_the_sessions_that_it_averages(params: dict[str, Any], sessions: int) -> None:
    rule = a_rule("ma_cross", params)
    assert rule.trigger.needs(rule) == Needs(sessions=sessions)


# --- What it watches ---


def test_it_reads_the_closes_of_its_symbol_and_needs_no_fresh_quote() -> None:
    rule = a_rule("ma_cross", {"short": 2, "long": 3, "symbol": "SPY"})
    assert rule.trigger.watched(rule) == frozenset()
    assert rule.trigger.charted(rule) == {"SPY"}
    assert rule.symbols == {"AAPL", "SPY"}
    alone = a_rule("ma_cross", {"short": 2, "long": 3}, effect=NOTIFY)
    assert alone.symbols == {"AAPL"}
    spy = [replace(bar, symbol="SPY") for bar in CROSSING]
    began = replace(rule, valid_from=CLOSE - MINUTE)
    fired = began.trigger.evaluate(began, seen(CLOSE, spy, "SPY"))
    assert fired.outcome is Outcome.FIRED
    assert fired.reason.startswith("SPY's 2-day average crossed above")


def test_without_any_symbol_it_is_refused() -> None:
    rule = a_rule("ma_cross", {"short": 2, "long": 3}, symbol=None, effect=NOTIFY)
    with pytest.raises(InvalidRule):
        rule.trigger.check(rule)


# --- Parameters ---


@pytest.mark.parametrize(
    ("params", "errors"),
    [
        ({}, {"short", "long"}),
        ({"short": 50, "long": 20}, {"long"}),
        ({"short": 20, "long": 20}, {"long"}),
        *(
            ({"short": value, "long": 50}, {"short"})
            for value in (1, 0, -3, 20.5, "x", True, None, float("nan"), 401, "1e9", [20])
        ),
        *(({"short": 20, "long": value}, {"long"}) for value in (401, 50.5, "1_000", "", False)),
        ({"short": 20, "long": 50, "direction": "sideways"}, {"direction"}),
        ({"short": 20, "long": 50, "kind": "wma"}, {"kind"}),
        ({"short": 20, "long": 50, "ma": "wma"}, {"ma"}),
        ({"short": 20, "long": 50, "kind": "sma", "ma": "ema"}, {"ma"}),
        ({"short": 20, "long": 50, "signal": 9}, {"signal"}),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], errors: set[str]) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("ma_cross", params)
    assert refused.value.errors.keys() == {f"trigger_params.{name}" for name in errors}


def test_a_long_average_that_is_not_longer_is_told_so() -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("ma_cross", {"short": 50, "long": 20})
    assert refused.value.errors == {
        "trigger_params.long": "It must take more sessions than the short one's 50."
    }


def test_the_kind_may_be_called_ma_and_is_stored_as_kind() -> None:
    trigger = parse_trigger("ma_cross", {"short": "20", "long": 50, "ma": "ema"})
    stored = trigger.model_dump(mode="json", exclude_unset=True)
    assert stored == {"short": 20, "long": 50, "kind": "ema"}
    assert parse_trigger("ma_cross", stored) == trigger


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "when the 20-day average crosses above the 50-day average"),
        ({"direction": "down"}, "when the 20-day average crosses below the 50-day average"),
        ({"direction": "either"}, "when the 20-day average crosses the 50-day average"),
        ({"symbol": "AAPL"}, "when the 20-day average crosses above the 50-day average"),
        ({"symbol": "SPY"}, "when SPY's 20-day average crosses above the 50-day average"),
        (
            {"kind": "ema"},
            "when the exponential 20-day average crosses above the 50-day average",
        ),
    ],
)
def test_it_reads_as_a_sentence(params: dict[str, Any], words: str) -> None:
    assert parse_trigger("ma_cross", {"short": 20, "long": 50, **params}).describe("AAPL") == words


# --- What a chart draws ---


def lines(rule: Rule, bars: Sequence[Bar]) -> list[Line]:
    marks = rule.trigger.annotate(rule, seen(bars[-1].at, bars))
    return [mark for mark in marks if isinstance(mark, Line)]


@pytest.mark.parametrize(
    ("kind", "short", "long", "words"),
    [
        ("sma", ("15", "25", "35"), ("20", "30"), ("2-day average", "3-day average")),
        (
            "ema",
            ("15", "25", "35"),
            ("20", "30"),
            ("Exponential 2-day average", "Exponential 3-day average"),
        ),
    ],
)
def test_a_chart_draws_both_averages_at_the_closes_that_have_them(
    kind: str, short: Sequence[str], long: Sequence[str], words: tuple[str, str]
) -> None:
    bars = closing(10, 20, 30, 40)
    rule = cross_rule({"short": 2, "long": 3, "kind": kind}, bars[0].at)
    expected = [
        Line("AAPL", tuple(Point(bar.at, Decimal(price)) for bar, price in points), name)
        for points, name in zip(
            (zip(bars[1:], short, strict=True), zip(bars[2:], long, strict=True)),
            words,
            strict=True,
        )
    ]
    assert lines(rule, bars) == expected


def test_with_few_sessions_it_draws_the_average_that_there_is() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE)
    assert [line.words for line in lines(rule, closing(10, 20))] == ["2-day average"]
    assert lines(rule, closing(10)) == []
    assert rule.trigger.annotate(rule, a_view(CLOSE, calendar=NYSE)) == ()


def test_sessions_are_drawn_though_the_last_one_is_late() -> None:
    rule = cross_rule({"short": 2, "long": 3}, CLOSE)
    view = seen(CLOSE + timedelta(days=2), CROSSING)
    assert rule.trigger.evaluate(rule, view).outcome is Outcome.UNKNOWN
    (short, _) = rule.trigger.annotate(rule, view)
    assert isinstance(short, Line)
    assert short.points[-1] == Point(CLOSE, Decimal("9.5"))


@given(
    cents=st.lists(st.integers(1, 10**9), min_size=40, max_size=120),
    short=st.integers(2, 10),
    longer=st.integers(1, 10),
    kind=st.sampled_from(["sma", "ema"]),
)
def test_the_lines_end_at_what_the_rule_compares(
    cents: list[int], short: int, longer: int, kind: str
) -> None:
    bars = closing(*(str(Decimal(price) / 100) for price in cents))
    params = {"short": short, "long": short + longer, "kind": kind, "direction": "either"}
    rule = cross_rule(params, bars[0].at - MINUTE)
    ours, theirs = lines(rule, bars)
    (before, newest) = zip(ours.points[-2:], theirs.points[-2:], strict=True)
    told = rule.trigger.evaluate(rule, seen(bars[-1].at, bars))
    numbers = [format_price(point.price) for point in (*newest, *before)]
    assert told.reason.split(": ")[1].startswith(
        "{} against {}, after {} against {}.".format(*numbers)
    )
    crosses = (before[0].price - before[1].price, newest[0].price - newest[1].price)
    fires = crosses[0] <= 0 < crosses[1] or crosses[1] < 0 <= crosses[0]
    assert told.outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


@given(cents=st.lists(st.integers(1, 10**9), min_size=12, max_size=60), length=st.integers(2, 11))
def test_every_point_is_the_average_of_the_closes_before_it(cents: list[int], length: int) -> None:
    closes = [Decimal(price) / 100 for price in cents]
    bars = closing(*map(str, closes))
    (line, *_) = lines(cross_rule({"short": length, "long": 400}, CLOSE), bars)
    assert [point.price for point in line.points] == [
        sum(closes[n - length : n]) / length for n in range(length, len(closes) + 1)
    ]
    assert [point.at for point in line.points] == [bar.at for bar in bars[length - 1 :]]
