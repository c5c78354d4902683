"""A price that has moved by a percentage: against which price, exactly how far, and until when."""

from collections.abc import Sequence
from copy import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.marks import Level, Mark, Role
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import ANY_PRICE, Band, Evaluation, Needs, Outcome, View, Wake
from market.hours import Exchange, TradingCalendar
from market.quotes import Bar, Sample
from tests.unit.conftest import NOTIFY, NOW, SECOND, HourlySessions, HourlyWithoutBreaks, a_rule
from tests.unit.conftest import a_view as a_plain_view
from tests.unit.made_up_markets import START, TRADED, bounded, markets
from tests.unit.pure_engine import assert_sleeping_loses_nothing
from tests.unit.real_bars import SHIPPED, bars_in, first_fire, shared_rows

CLOSE = datetime(2026, 11, 17, 21, tzinfo=UTC)  # of the session in which NOW is
LAST_CLOSE = CLOSE - timedelta(days=1)
MINUTE = timedelta(minutes=1)


def a_view(
    price: str,
    *,
    now: datetime = NOW,
    as_of: datetime | None = None,
    previous_close: str | None = None,
    closes: Sequence[str] = (),
    last_close: datetime = LAST_CLOSE,
    recent: Sequence[tuple[timedelta, str]] = (),
    calendar: TradingCalendar | None = None,
) -> View:
    """AAPL at `price`, with the closes before it, a day apart, and earlier samples by their age."""
    before = None if previous_close is None else Decimal(previous_close)
    quote = Sample("AAPL", Decimal(price), as_of or now, previous_close=before)
    bars = [a_bar(last_close - n * timedelta(days=1), p) for n, p in enumerate(reversed(closes))]
    samples = [Sample("AAPL", Decimal(p), now - age) for age, p in recent]
    view = a_plain_view(now, calendar=calendar or Exchange(), AAPL=quote)
    return replace(view, bars={"AAPL": bars[::-1]}, recent={"AAPL": samples})


def a_bar(at: datetime, close: str) -> Bar:
    price = Decimal(close)
    return Bar("AAPL", at, price, price, price, price, 0)


def look(view: View, **params: str) -> Evaluation:
    rule = a_rule("change_pct", params)
    return rule.trigger.evaluate(rule, view)


def wake(view: View, **params: str) -> Wake:
    rule = a_rule("change_pct", params)
    return rule.trigger.watch(rule, view)


# --- How far ---


@pytest.mark.parametrize(
    ("direction", "price", "fires"),
    [
        ("down", "95.000001", False),
        ("down", "95", True),
        ("down", "1", True),
        ("down", "105", False),
        ("up", "104.999999", False),
        ("up", "105", True),
        ("up", "95", False),
        ("either", "95", True),
        ("either", "105", True),
        ("either", "100", False),
    ],
)
def test_it_fires_at_its_percentage_and_beyond(direction: str, price: str, fires: bool) -> None:
    found = look(a_view(price, previous_close="100"), change="5", direction=direction)
    assert found.outcome is (Outcome.FIRED if fires else Outcome.NOT_FIRED)


@pytest.mark.parametrize(
    ("previous", "change", "last", "first_not"),
    [
        ("33.333333", "3", "32.333333", "32.333334"),  # 32.33333301
        ("999999999999.999999", "0.000001", "999999989999.999999", "999999990000"),
    ],
)
def test_it_is_exact_between_two_prices(
    previous: str, change: str, last: str, first_not: str
) -> None:
    params = {"change": change, "direction": "down"}
    assert look(a_view(last, previous_close=previous), **params).outcome is Outcome.FIRED
    above = a_view(first_not, previous_close=previous)
    assert look(above, **params).outcome is Outcome.NOT_FIRED
    assert wake(above, **params).bands == {"AAPL": Band(below=Decimal(last))}


# --- Against what ---


@pytest.mark.parametrize(
    ("window", "view", "reference"),
    [
        ("1d", a_view("1", previous_close="20", closes=["30"]), "20"),
        ("1d", a_view("1", closes=["10", "20"]), "20"),
        ("1d", a_view("1", as_of=LAST_CLOSE, closes=["10", "20"]), "10"),
        ("2d", a_view("1", previous_close="30", closes=["10", "20"]), "10"),
        ("30m", a_view("1", recent=[(31 * MINUTE, "10"), (30 * MINUTE, "20")]), "20"),
        ("30m", a_view("1", recent=[(31 * MINUTE, "10"), (29 * MINUTE, "20")]), "10"),
        ("2h", a_view("1", recent=[(999 * MINUTE, "10"), (29 * MINUTE, "20")]), "10"),
    ],
)
def test_the_reference(window: str, view: View, reference: str) -> None:
    assert f" ${reference}.00 of " in look(view, change="5", window=window).reason


@pytest.mark.parametrize(
    ("window", "view"),
    [
        ("1d", a_view("1")),
        ("3d", a_view("1", previous_close="30", closes=["10", "20"])),
        ("30m", a_view("1", recent=[(29 * MINUTE, "20")])),
        ("30m", a_view("1", previous_close="30")),
    ],
)
def test_without_a_reference_nothing_is_known(window: str, view: View) -> None:
    found = look(view, change="5", window=window)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason.startswith("It is not known what AAPL was at ")


@pytest.mark.parametrize(
    ("window", "then"),
    [("1d", "the previous session's close"), ("2d", "the close 2 sessions back")],
)
def test_while_the_last_sessions_bar_is_late_no_older_one_counts_in_its_place(
    window: str, then: str
) -> None:
    friday = LAST_CLOSE - timedelta(days=3)
    late = a_view("80", closes=["300", "200", "100"], last_close=friday)
    found = look(late, change="5", window=window)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == (
        f"It is not known what AAPL was at {then}: the close of Mon 16 Nov 2026 is missing."
    )
    assert wake(late, change="5", window=window) == Wake(ANY, at=CLOSE)
    there = a_view("80", closes=["300", "200", "100", "90"])
    assert look(there, change="5", window=window).outcome is Outcome.FIRED


def test_after_a_close_its_own_bar_is_the_one_to_wait_for() -> None:
    after = CLOSE + SECOND
    late = a_view("80", now=after, closes=["100"], last_close=LAST_CLOSE)
    assert look(late, change="5").reason.endswith(": the close of Tue 17 Nov 2026 is missing.")
    at_the_close = a_view("80", now=CLOSE, closes=["100"], last_close=LAST_CLOSE)
    assert look(at_the_close, change="5").outcome is Outcome.FIRED


def test_a_close_that_the_quote_tells_needs_no_bar() -> None:
    late = a_view("99", previous_close="100", closes=["50"], last_close=NOW - timedelta(days=9))
    assert "99.00 is 1 % below the $100.00 of" in look(late, change="5").reason


def test_who_takes_a_rule_over_looks_back_from_the_instant_it_was_woken() -> None:
    recent = [(30 * MINUTE, "20"), (25 * MINUTE, "10")]
    view = replace(a_view("20", recent=recent), now=NOW + 5 * MINUTE)
    assert " $20.00 of 30 minutes ago" in look(view, change="5", window="30m").reason


@pytest.mark.parametrize(
    ("window", "needs"),
    [
        ("1d", Needs(sessions=2)),  # one more: the newest may have closed after the quote
        ("5d", Needs(sessions=6)),
        ("30m", Needs(span=30 * MINUTE)),
        ("2h", Needs(span=120 * MINUTE)),
    ],
)
def test_what_it_needs(window: str, needs: Needs) -> None:
    rule = a_rule("change_pct", {"change": "5", "window": window})
    assert rule.trigger.needs(rule) == needs


# --- Until when it may sleep ---

BELOW_95 = {"AAPL": Band(below=Decimal(95))}
ANY = {"AAPL": ANY_PRICE}


@pytest.mark.parametrize("told", [{"previous_close": "100"}, {"closes": ["100"]}])
def test_in_a_session_the_band_holds_until_its_close(told: Any) -> None:
    down = {"change": "5", "direction": "down"}
    assert wake(a_view("99", **told), **down) == Wake(BELOW_95, at=CLOSE)
    both = {"AAPL": Band(below=Decimal(95), above=Decimal(105))}
    assert wake(a_view("99", **told), change="5") == Wake(both, at=CLOSE)


@pytest.mark.parametrize(
    "view",
    [
        a_view("99", now=CLOSE, as_of=CLOSE - SECOND, previous_close="100"),
        a_view("99", as_of=LAST_CLOSE, previous_close="100"),
        a_view("99", now=CLOSE + SECOND, previous_close="100"),
        a_view("99"),
        a_view("99", closes=["100"], last_close=LAST_CLOSE - timedelta(days=1)),  # its bar is late
    ],
)
def test_where_the_reference_may_change_at_any_time_every_quote_wakes_it(view: View) -> None:
    assert wake(view, change="5").bands == ANY


@pytest.mark.parametrize("told", [{"previous_close": "100"}, {"closes": ["100"]}])
def test_where_sessions_abut_a_quote_of_the_boundary_is_not_yet_of_the_next_one(told: Any) -> None:
    market, opened = HourlyWithoutBreaks(), HourlySessions.START + timedelta(hours=1)
    seen: dict[str, Any] = {"calendar": market, "last_close": opened, **told}
    down = {"change": "5", "direction": "down"}
    assert wake(a_view("99", now=opened, **seen), **down).bands == ANY
    late = a_view("99", now=opened + SECOND, as_of=opened, **seen)
    assert wake(late, **down).bands == ANY
    settled = a_view("99", now=opened + 2 * SECOND, as_of=opened + SECOND, **seen)
    assert wake(settled, **down) == Wake(BELOW_95, at=opened + timedelta(hours=1))


def test_a_window_of_minutes_sleeps_in_a_band_that_suits_all_references_to_come() -> None:
    recent = [(40 * MINUTE, "300"), (31 * MINUTE, "100"), (20 * MINUTE, "104"), (MINUTE, "102")]
    view = a_view("101", recent=recent)
    band = Band(below=Decimal("98.8"), above=Decimal(105))
    known_until = NOW + 30 * MINUTE
    assert wake(view, change="5", window="30m") == Wake({"AAPL": band}, at=known_until)


def test_a_window_of_minutes_wakes_when_the_price_that_stands_has_moved_enough() -> None:
    recent = [(31 * MINUTE, "100"), (20 * MINUTE, "120"), (10 * MINUTE, "130")]
    view = a_view("101", recent=recent)
    down = {"change": "5", "direction": "down", "window": "30m"}
    assert look(view, **down).outcome is Outcome.NOT_FIRED
    at = NOW + 10 * MINUTE
    assert wake(view, **down).at == at
    assert look(replace(view, now=at, woken_at=at), **down).outcome is Outcome.FIRED


def test_a_window_shorter_than_the_quote_is_old_waits_for_the_next_quote() -> None:
    view = a_view("101", as_of=NOW - MINUTE, recent=[(2 * MINUTE, "100")])
    assert wake(view, change="5", window="1m") == Wake(ANY)


@pytest.mark.parametrize("window", ["1d", "2d", "1m", "5m", "30m"])
@bounded
@given(data=st.data())
def test_sleeping_loses_nothing_over_many_closes(window: str, data: st.DataObject) -> None:
    params = {"change": data.draw(st.sampled_from(["1", "3", "10"])), "window": window}
    calendar = data.draw(st.sampled_from([HourlySessions(), HourlyWithoutBreaks()]))
    rule = a_rule(
        "change_pct", params, symbol=TRADED, effect=NOTIFY, max_executions=None, valid_from=START
    )
    market = data.draw(markets(rule, calendar, gaps_in_the_feed=data.draw(st.booleans())))
    assert_sleeping_loses_nothing(rule, market)


# --- Real bars ---


@pytest.mark.parametrize("tells_close", [True, False])
@pytest.mark.parametrize(
    ("symbol", "change", "direction", "start", "fires_at"),
    [
        ("GOOG", "10", "up", "2007-01-03T15:00Z", "2008-04-18T20:00Z"),
        ("MSFT", "10", "down", "2006-01-03T15:00Z", "2006-04-28T20:00Z"),
        ("AAPL", "10", "down", "2000-07-03T15:00Z", "2000-09-29T20:00Z"),
    ],
)
def test_it_fires_at_the_bars_at_which_others_found_it(
    symbol: str, change: str, direction: str, start: str, fires_at: str, tells_close: bool
) -> None:
    found = first_fire(
        "change_pct",
        {"change": change, "direction": direction},
        bars_in(SHIPPED)[symbol],
        datetime.fromisoformat(start),
        tells_close=tells_close,
    )
    assert found == datetime.fromisoformat(fires_at)


def test_it_fires_as_the_shared_table_says() -> None:
    rows = list(shared_rows("CP"))
    assert len(rows) >= 3
    for rule_id, params, bars, start, fires_at in rows:
        assert first_fire("change_pct", params, bars, start) == fires_at, rule_id


# --- Words and parameters ---


@pytest.mark.parametrize(
    ("price", "params", "reason"),
    [
        (
            "95",
            {"change": "5"},
            "AAPL at $95.00 is 5 % below the $100.00 of the previous session's close.",
        ),
        (
            "95.0001",
            {"change": "5", "direction": "down"},
            "AAPL at $95.0001 is 4.99 % below the $100.00 of the previous session's close; "
            "it waits for 5 % below.",
        ),
        (
            "100",
            {"change": "2.5"},
            "AAPL at $100.00 is exactly at the $100.00 of the previous session's close; "
            "it waits for 2.5 % above or below.",
        ),
    ],
)
def test_the_reason_tells_the_numbers(price: str, params: dict[str, str], reason: str) -> None:
    assert look(a_view(price, previous_close="100"), **params).reason == reason


@pytest.mark.parametrize(
    "window",
    [
        "",
        "d",
        "0d",
        "-1d",
        "01d",
        "1.5h",
        "1w",
        "5",
        "401d",
        "25h",
        "1441m",
        "9999d",
        "٣d",
        1,
        None,
    ],
)
def test_what_is_no_window_is_named(window: object) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("change_pct", {"change": "5", "window": window})
    assert refused.value.errors.keys() == {"trigger_params.window"}


@pytest.mark.parametrize("window", ["400d", "24h", "1440m", " 5D "])
def test_what_is_a_window_is_taken(window: str) -> None:
    trigger = parse_trigger("change_pct", {"change": "5", "window": window})
    assert trigger.model_dump()["window"] == window.strip().lower()


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "change"),
        ({"change": "0"}, "change"),
        ({"change": "-5"}, "change"),
        ({"change": "10000.000001"}, "change"),
        ({"change": "1.0000001"}, "change"),
        ({"change": "100", "direction": "down"}, "change"),
        ({"change": "5", "direction": "sideways"}, "direction"),
    ],
)
def test_what_cannot_be_is_named(params: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("change_pct", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


# --- What a chart draws ---


def drawn(view: View, **params: str) -> tuple[Mark, ...]:
    rule = a_rule("change_pct", params)
    return rule.trigger.annotate(rule, view)


PREVIOUS = Level("AAPL", Decimal(100), Role.REFERENCE, "Previous close")
FALLEN = Level("AAPL", Decimal(95), Role.TRIGGER, "Fires at or below $95.00")
RISEN = Level("AAPL", Decimal(105), Role.TRIGGER, "Fires at or above $105.00")


@pytest.mark.parametrize(
    ("direction", "marks"),
    [
        ("down", (PREVIOUS, FALLEN)),
        ("up", (PREVIOUS, RISEN)),
        ("either", (PREVIOUS, FALLEN, RISEN)),
    ],
)
def test_a_chart_draws_the_reference_and_each_price_far_enough_away(
    direction: str, marks: tuple[Mark, ...]
) -> None:
    assert drawn(a_view("99", previous_close="100"), change="5", direction=direction) == marks


def test_a_fall_that_no_price_can_reach_is_not_drawn() -> None:
    risen = Level("AAPL", Decimal(250), Role.TRIGGER, "Fires at or above $250.00")
    assert drawn(a_view("99", previous_close="100"), change="150") == (PREVIOUS, risen)


@pytest.mark.parametrize(
    ("window", "view", "words"),
    [
        ("3d", a_view("99", closes=["100", "20", "30"]), "Close 3 sessions back"),
        ("30m", a_view("99", recent=[(31 * MINUTE, "100")]), "Price 30 minutes ago"),
        ("1h", a_view("99", recent=[(61 * MINUTE, "100")]), "Price 1 hour ago"),
    ],
)
def test_the_reference_is_named(window: str, view: View, words: str) -> None:
    reference = replace(PREVIOUS, words=words)
    assert drawn(view, change="5", window=window) == (reference, FALLEN, RISEN)


def test_without_a_quote_past_sessions_and_samples_tell_the_reference() -> None:
    sessions = replace(a_view("1", closes=["100"]), quotes={})
    assert drawn(sessions, change="5") == (PREVIOUS, FALLEN, RISEN)
    samples = replace(a_view("1", recent=[(31 * MINUTE, "100")]), quotes={})
    assert drawn(samples, change="5", window="30m")[1:] == (FALLEN, RISEN)


def test_after_the_close_a_chart_draws_what_the_next_session_counts_from() -> None:
    told = a_view("100", now=CLOSE + SECOND, as_of=CLOSE, previous_close="80")
    evening = replace(told, bars={"AAPL": [a_bar(CLOSE, "100")]})
    assert drawn(evening, change="5") == (PREVIOUS, FALLEN, RISEN)


@pytest.mark.parametrize(
    ("window", "view"),
    [
        ("1d", a_view("99")),
        ("1d", a_view("99", now=CLOSE + SECOND, as_of=CLOSE, previous_close="80", closes=["80"])),
        ("2d", a_view("99", closes=["100"])),
        ("30m", a_view("99")),
    ],
)
def test_without_a_reference_nothing_is_drawn(window: str, view: View) -> None:
    assert drawn(view, change="5", window=window) == ()
