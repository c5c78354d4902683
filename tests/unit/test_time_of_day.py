"""When a clock fires: windows, days, and the days on which clocks are changed."""

import csv
import json
from collections.abc import Iterator
from copy import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.judge import Finding, judge, move_on
from actions.marks import Span
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import Outcome, Rule, View, Wake
from market.hours import Exchange, TradingCalendar
from tests.unit.conftest import NOTIFY, SECOND, a_rule, a_view

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "expected_fires.csv"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS = EVERY_DAY[:5]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seen(now: datetime, calendar: TradingCalendar | None = None) -> View:
    return a_view(now, calendar=calendar or Exchange())


def clock_rule(start: datetime, **params: Any) -> Rule:
    """A notice, activated at `start`, that fires again and again."""
    rule = a_rule(
        "time_of_day", params, effect=NOTIFY, symbol=None, valid_from=start, max_executions=None
    )
    return rule.with_state(rule.trigger.activate(rule, seen(start)))


def fires(rule: Rule, until: datetime, step: timedelta = MINUTE) -> list[datetime]:
    """When it fires, looked at in every step since it began to be valid."""
    fired, now = [], rule.valid_from
    while now <= until:
        evaluation = rule.trigger.evaluate(rule, seen(now))
        if evaluation.outcome is Outcome.FIRED:
            fired.append(now)
        else:
            assert evaluation.state == rule.state
        rule = rule.with_state(evaluation.state)
        now += step
    return fired


def wakes(rule: Rule, until: datetime) -> list[datetime]:
    """When it fires, looked at only at the instants for which it asks."""
    fired, now = [], rule.valid_from
    while True:
        evaluation = rule.trigger.evaluate(rule, seen(now))
        rule = rule.with_state(evaluation.state)
        if evaluation.outcome is Outcome.FIRED:
            fired.append(now)
        wake = rule.trigger.watch(rule, seen(now))
        assert not wake.bands
        assert wake.at is not None
        assert wake.at > now
        if wake.at > until:
            return fired
        now = wake.at


def fires_both_ways(start: str, span: float, **params: Any) -> list[str]:
    """The firings in a `span` of so many days from `start`, which sleeping must not change."""
    rule = clock_rule(utc(start), **params)
    until = rule.valid_from + span * DAY
    fired = fires(rule, until)
    assert wakes(rule, until) == fired
    return [f"{at:%Y-%m-%d %H:%M}" for at in fired]


# --- The table of expected fires ---


def table() -> Iterator[dict[str, str]]:
    if TABLE.exists():
        rows = csv.DictReader(TABLE.read_text().splitlines())
        yield from (row for row in rows if row["trigger_type"] == "time_of_day")


@pytest.mark.skipif(not TABLE.exists(), reason="the shared table is not beside this checkout")
def test_the_first_fires_are_those_of_the_shared_table() -> None:
    rows = list(table())
    assert len(rows) >= 5
    for row in rows:
        start, first = (
            datetime.fromisoformat(row[name]).astimezone(UTC)
            for name in ("start", "first_fire_timestamp")
        )
        rule = clock_rule(start, **json.loads(row["params"]))
        whole_minutes = replace(rule, valid_from=start.replace(second=0))
        assert fires(whole_minutes, first + 2 * MINUTE) == [first], row["rule_id"]
        assert wakes(rule, first) == [first], row["rule_id"]


@pytest.mark.parametrize(
    ("start", "params", "first"),
    [
        # Over the weekend on which New York's clocks are put forward, and back.
        ("2008-03-07 15:00", {"time": "09:35", "days": WEEKDAYS}, "2008-03-10 13:35"),
        ("2013-11-01 14:00", {"time": "09:35", "days": WEEKDAYS}, "2013-11-04 14:35"),
        # In the same instant the wall in Kolkata is 5:30 hours ahead.
        (
            "2020-01-01 03:00",
            {"time": "08:45", "timezone": "Asia/Kolkata", "days": EVERY_DAY},
            "2020-01-01 03:15",
        ),
        # The first Saturday is a leap day. In Kolkata it begins while it is Friday in UTC.
        ("2020-02-24 00:00", {"time": "00:00", "days": ["sat"]}, "2020-02-29 05:00"),
        (
            "2020-02-24 00:00",
            {"time": "00:00", "timezone": "Asia/Kolkata", "days": ["sat"]},
            "2020-02-28 18:30",
        ),
        ("2020-02-24 00:00", {"time": "23:59", "days": ["sat"]}, "2020-03-01 04:59"),
    ],
)
def test_the_local_clock_and_the_local_day_decide(
    start: str, params: dict[str, Any], first: str
) -> None:
    assert fires_both_ways(start, 6.5, **params)[0] == first


# --- The window ---


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ("2026-11-17 14:34:59.999999", Outcome.NOT_FIRED),
        ("2026-11-17 14:35:00", Outcome.FIRED),
        ("2026-11-17 14:39:59.999999", Outcome.FIRED),
        ("2026-11-17 14:40:00", Outcome.NOT_FIRED),
    ],
)
def test_a_window_has_its_first_instant_and_not_its_last(now: str, outcome: Outcome) -> None:
    rule = clock_rule(utc("2026-11-17 13:00"), time="09:35")
    assert rule.trigger.evaluate(rule, seen(utc(now))).outcome is outcome


def test_it_fires_once_a_window_and_again_in_the_next() -> None:
    assert fires_both_ways("2026-11-17 12:00", 2, time="09:35", window_minutes=60) == [
        "2026-11-17 14:35",
        "2026-11-18 14:35",
    ]


def test_saved_inside_the_window_it_fires_at_the_next_look() -> None:
    rule = clock_rule(utc("2026-11-17 14:37"), time="09:35")
    assert rule.trigger.watch(rule, seen(utc("2026-11-17 14:37"))).at == utc("2026-11-17 14:35")
    soon = utc("2026-11-17 14:37:10")
    assert rule.trigger.evaluate(rule, seen(soon)).outcome is Outcome.FIRED


def test_saved_as_the_window_ends_it_waits_for_the_next() -> None:
    assert fires_both_ways("2026-11-17 14:40", 1, time="09:35") == ["2026-11-18 14:35"]


def test_a_window_may_reach_into_the_next_day_whose_name_does_not_matter() -> None:
    friday_night = {"time": "23:30", "window_minutes": 60, "days": ["fri"]}
    saturday = utc("2026-11-21 05:15")  # 00:15 in New York
    rule = clock_rule(saturday, **friday_night)
    assert rule.trigger.evaluate(rule, seen(saturday)).outcome is Outcome.FIRED
    assert fires_both_ways("2026-11-20 05:15", 8, **friday_night) == [
        "2026-11-21 04:30",
        "2026-11-28 04:30",
    ]


def test_a_window_of_a_whole_day_follows_upon_the_last() -> None:
    assert fires_both_ways(
        "2026-11-16 13:00", 2.5, time="09:30", window_minutes=1440, days=EVERY_DAY
    ) == ["2026-11-16 13:00", "2026-11-16 14:30", "2026-11-17 14:30", "2026-11-18 14:30"]


# --- Missed ---


def test_a_window_that_was_slept_through_is_never_fired_late_and_is_told() -> None:
    rule = clock_rule(utc("2026-11-17 13:00"), time="09:35")
    late = seen(utc("2026-11-17 14:40"))
    evaluation = rule.trigger.evaluate(rule, late)
    assert evaluation.outcome is Outcome.NOT_FIRED
    assert evaluation.reason == (
        "The next window opens Wed 18 Nov 2026 09:35 New York. "
        "The window of Tue 17 Nov 2026 09:35 New York was missed."
    )
    assert rule.trigger.watch(rule, late) == Wake(at=utc("2026-11-18 14:35"))


def test_who_slept_from_one_window_into_the_next_fires_in_that_and_tells_of_the_other() -> None:
    rule = clock_rule(utc("2026-11-17 13:00"), time="09:35")
    evaluation = rule.trigger.evaluate(rule, seen(utc("2026-11-18 14:36:30")))
    assert evaluation.outcome is Outcome.FIRED
    assert evaluation.reason == (
        "It is Wed 18 Nov 2026 09:36 New York, within 5 min of 09:35. "
        "The window of Tue 17 Nov 2026 09:35 New York was missed."
    )


def test_windows_before_the_rule_began_and_those_it_fired_in_were_not_missed() -> None:
    rule = clock_rule(utc("2026-11-17 16:00"), time="09:35")
    assert "missed" not in rule.trigger.evaluate(rule, seen(utc("2026-11-17 16:00"))).reason
    fired = rule.trigger.evaluate(rule, seen(utc("2026-11-18 14:35")))
    assert fired.reason == "It is Wed 18 Nov 2026 09:35 New York, within 5 min of 09:35."
    rule = rule.with_state(fired.state)
    for later in ("2026-11-18 14:36", "2026-11-18 14:40", "2026-11-19 14:34"):
        told = rule.trigger.evaluate(rule, seen(utc(later)))
        assert told.outcome is Outcome.NOT_FIRED
        assert told.reason == "The next window opens Thu 19 Nov 2026 09:35 New York."


def test_a_rule_that_becomes_valid_later_awaits_the_windows_from_then_on() -> None:
    rule = clock_rule(utc("2026-11-17 14:37"), time="09:35").with_state({})
    assert rule.trigger.evaluate(rule, seen(rule.valid_from)).outcome is Outcome.FIRED
    rule = clock_rule(utc("2026-11-17 14:40"), time="09:35").with_state({})
    told = rule.trigger.evaluate(rule, seen(rule.valid_from))
    assert told.reason == "The next window opens Wed 18 Nov 2026 09:35 New York."
    assert told.state == {}


def test_a_trade_that_a_closed_market_holds_back_is_not_made_after_the_window() -> None:
    rule = a_rule("time_of_day", {"time": "09:00", "window_minutes": 15})
    for now, finding in [
        ("2026-11-17 14:00", Finding.BLOCKED),
        ("2026-11-17 14:20", Finding.BLOCKED),
        ("2026-11-17 14:30", Finding.NOT_FIRED),
    ]:
        verdict = judge(rule, a_view(utc(now), calendar=Exchange(), AAPL="100"))
        assert verdict.finding is finding
        assert verdict.state == rule.state
    assert "was missed" in verdict.reason
    assert verdict.wake.at == utc("2026-11-18 14:00")


def test_a_trade_that_a_closed_market_holds_back_is_made_while_the_window_lasts() -> None:
    rule = a_rule("time_of_day", {"time": "09:00", "window_minutes": 31})
    verdict = judge(rule, a_view(utc("2026-11-17 14:00"), calendar=Exchange(), AAPL="100"))
    assert verdict.wake.at == utc("2026-11-17 14:30")
    verdict = judge(rule, a_view(utc("2026-11-17 14:30"), calendar=Exchange(), AAPL="100"))
    assert verdict.finding is Finding.FIRED


def test_a_trade_that_was_refused_is_not_tried_again_in_the_same_window() -> None:
    rule = a_rule("time_of_day", {"time": "09:35"}, max_executions=None)
    view = a_view(utc("2026-11-17 14:35"), calendar=Exchange(), AAPL="100")
    rule, _ = move_on(rule, judge(rule, view), view, succeeded=False)
    later = a_view(utc("2026-11-17 14:39"), calendar=Exchange(), AAPL="100")
    assert judge(rule, later).finding is Finding.NOT_FIRED


def test_a_trade_without_a_fresh_quote_of_what_it_trades_waits_for_one() -> None:
    rule = a_rule("time_of_day", {"time": "09:35"})
    verdict = judge(rule, a_view(utc("2026-11-17 14:35"), calendar=Exchange()))
    assert verdict.finding is Finding.UNKNOWN
    assert verdict.wake.bands.keys() == {"AAPL"}


# --- Days ---


def test_trading_days_leave_out_holidays_and_weekends_and_keep_half_days() -> None:
    # Thanksgiving 2026 is Thursday the 26th; the exchange closes early on Friday.
    assert fires_both_ways("2026-11-25 05:00", 6, time="09:35") == [
        "2026-11-25 14:35",
        "2026-11-27 14:35",
        "2026-11-30 14:35",
    ]


def test_days_of_the_week_are_fired_on_whether_the_exchange_opens_or_not() -> None:
    assert fires_both_ways("2026-11-25 05:00", 5, time="09:35", days=["thu", "sun"]) == [
        "2026-11-26 14:35",
        "2026-11-29 14:35",
    ]


def test_a_trading_day_is_the_day_of_the_zone_that_is_asked_for() -> None:
    assert fires_both_ways(
        "2026-11-26 00:00", 2, time="00:30", timezone="Asia/Tokyo", window_minutes=1
    ) == ["2026-11-26 15:30"]  # Friday the 27th in Tokyo; the day before was Thanksgiving


# --- Clocks that are changed ---


@pytest.mark.parametrize(
    ("start", "params", "expected"),
    [
        # New York's clocks skip 2:00 to 3:00 on 9 March 2008.
        (
            "2008-03-08 05:00",
            {"time": "02:30"},
            ["2008-03-08 07:30", "2008-03-10 06:30"],
        ),
        (
            "2008-03-08 05:00",
            {"time": "03:00"},
            ["2008-03-08 08:00", "2008-03-09 07:00", "2008-03-10 07:00"],
        ),
        # They show 1:00 to 2:00 twice on 3 November 2013.
        (
            "2013-11-02 04:00",
            {"time": "01:30"},
            ["2013-11-02 05:30", "2013-11-03 05:30", "2013-11-04 06:30"],
        ),
        (
            "2020-03-28 00:00",
            {"time": "01:30", "timezone": "Europe/London"},
            ["2020-03-28 01:30", "2020-03-30 00:30"],
        ),
        (
            "2020-10-24 00:00",
            {"time": "01:30", "timezone": "Europe/London"},
            ["2020-10-24 00:30", "2020-10-25 00:30", "2020-10-26 01:30"],
        ),
        # Lord Howe's are changed by half an hour, at 2:00 in the morning.
        (
            "2019-10-05 00:00",
            {"time": "02:15", "timezone": "Australia/Lord_Howe"},
            ["2019-10-06 15:15", "2019-10-07 15:15"],
        ),
        (
            "2019-04-05 12:00",
            {"time": "01:45", "timezone": "Australia/Lord_Howe"},
            ["2019-04-05 14:45", "2019-04-06 14:45", "2019-04-07 15:15"],
        ),
        # Samoa had no 30 December 2011.
        (
            "2011-12-29 12:00",
            {"time": "09:00", "timezone": "Pacific/Apia"},
            ["2011-12-29 19:00", "2011-12-30 19:00", "2011-12-31 19:00"],
        ),
    ],
)
def test_a_time_that_is_skipped_has_no_window_and_one_that_is_repeated_has_one(
    start: str, params: dict[str, Any], expected: list[str]
) -> None:
    assert fires_both_ways(start, 2.99, days=EVERY_DAY, **params) == expected


def test_a_day_that_never_was_is_no_day_of_the_week() -> None:
    # 30 December 2011 would have been a Friday in Samoa.
    assert fires_both_ways(
        "2011-12-28 12:00", 10, time="09:00", timezone="Pacific/Apia", days=["fri"]
    ) == ["2012-01-05 19:00"]


def test_a_window_goes_on_once_clocks_that_were_put_back_show_what_is_new() -> None:
    # New York's show 1:00 to 2:00 twice on 1 November 2026, a Sunday.
    noon = utc("2026-11-01 17:00")
    rule = clock_rule(noon, time="00:00", window_minutes=1440, days=["sun"])
    assert rule.trigger.evaluate(rule, seen(noon)).outcome is Outcome.FIRED
    rule = clock_rule(utc("2026-11-01 06:30"), time="00:30", window_minutes=120, days=["sun"])
    repeated = seen(rule.valid_from)
    told = rule.trigger.evaluate(rule, repeated)
    assert told.outcome is Outcome.NOT_FIRED
    assert told.reason == "The next window opens Sun 1 Nov 2026 02:00 New York."
    assert rule.trigger.watch(rule, repeated).at == utc("2026-11-01 07:00")
    assert fires_both_ways(
        "2026-11-01 06:30", 1.9, time="00:30", window_minutes=120, days=EVERY_DAY
    ) == ["2026-11-01 07:00", "2026-11-02 05:30"]


CHANGES = [
    ("America/New_York", date(2008, 3, 9)),
    ("America/New_York", date(2013, 11, 3)),
    ("Europe/London", date(2020, 3, 29)),
    ("Europe/London", date(2020, 10, 25)),
    ("Australia/Lord_Howe", date(2019, 4, 7)),
    ("Australia/Lord_Howe", date(2019, 10, 6)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/Havana", date(2020, 3, 8)),  # skips 0:00 to 1:00
    ("America/Havana", date(2020, 11, 1)),
    ("America/Sao_Paulo", date(2018, 2, 18)),  # repeats the day's last hour
    ("Africa/Casablanca", date(2020, 4, 19)),
    ("Asia/Kolkata", date(2020, 2, 29)),
]
STEP = timedelta(minutes=5)


@settings(max_examples=40, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    steps=st.integers(0, 287),
    window=st.sampled_from([5, 30, 60, 95, 180, 720, 1435, 1440]),
    days=st.sets(st.sampled_from(EVERY_DAY), min_size=1),
)
def test_a_window_is_open_while_the_wall_shows_its_times_for_the_first_time(
    change: tuple[str, date], steps: int, window: int, days: set[str]
) -> None:
    zone, day = change
    clock = f"{steps // 12:02}:{steps % 12 * 5:02}"
    rule = a_rule(
        "time_of_day",
        {"time": clock, "timezone": zone, "window_minutes": window, "days": sorted(days)},
        effect=NOTIFY,
        symbol=None,
        valid_from=utc("2000-01-01 00:00"),
    )
    for now, is_open in watch_the_wall(ZoneInfo(zone), day, clock, window, days):
        fired = rule.trigger.evaluate(rule, seen(now)).outcome is Outcome.FIRED
        assert fired == is_open, now
        at = rule.trigger.watch(rule, seen(now)).at
        assert at is not None
        assert (at <= now) == is_open


def watch_the_wall(
    zone: ZoneInfo, day: date, clock: str, window: int, days: set[str]
) -> Iterator[tuple[datetime, bool]]:
    """Every five minutes around `day`, and whether a window is open: told from the wall alone."""
    change = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = change - 4 * DAY
    opened: datetime | None = None
    begun: set[date] = set()
    before: set[datetime] = set()
    while now < change + 2 * DAY:
        shown = now.astimezone(zone).replace(tzinfo=None)
        if opened and shown >= opened + window * MINUTE:
            opened = None
        if f"{shown:%H:%M}" == clock and shown.date() not in begun:
            begun.add(shown.date())
            if EVERY_DAY[shown.weekday()] in days:
                opened = shown
        if now >= change - DAY:
            yield now, opened is not None and shown not in before
        before.add(shown)
        now += STEP


# --- What it watches ---


def test_it_watches_no_symbol_and_needs_none() -> None:
    rule = a_rule("time_of_day", {"time": "09:35"}, effect=NOTIFY, symbol=None)
    rule.trigger.check(rule)
    assert rule.symbols == frozenset()
    trade = a_rule("time_of_day", {"time": "09:35"})
    assert trade.symbols == {"AAPL"}


def test_looking_does_not_change_the_state_until_it_fires() -> None:
    rule = clock_rule(utc("2026-11-17 13:00"), time="09:35")
    before = dict(rule.state)
    for hours in range(0, 100, 7):
        now = rule.valid_from + hours * 3600 * SECOND
        assert rule.trigger.evaluate(rule, seen(now)).state == before


# --- Parameters ---

NOT_DAYS: list[Any] = [
    *([], "", "mon", ["monday"], ["mon", 1], [["mon"]], [{}], {}, {"mon": 1}, None, 5, True)
]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "time"),
        *(
            ({"time": value}, "time")
            for value in ["25:00", "24:00", "9:35", "09:60", "09:35:00", "", "noon", 935, None]
        ),
        ({"time": "09:35\n"}, "time"),
        ({"time": "٠٩:٣٥"}, "time"),
        *(
            ({"time": "09:35", "window_minutes": value}, "window_minutes")
            for value in [0, -1, 1441, 2.5, "2.5", True, "five", None, float("nan"), "1e999"]
        ),
        *(
            ({"time": "09:35", "timezone": value}, "timezone")
            for value in [
                "",
                "EDT",
                "America",
                "america/new_york",
                "../etc/passwd",
                "localtime",
                "UTC+1",
                "\0",
                None,
                5,
            ]
        ),
        *(({"time": "09:35", "days": value}, "days") for value in NOT_DAYS),
        ({"time": "09:35", "symbol": "AAPL"}, "symbol"),
        ({"time": "09:35", "day": "mon"}, "day"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("time_of_day", params)
    assert refused.value.errors.keys() == {f"trigger_params.{field}"}


def test_an_error_says_what_to_write() -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger(
            "time_of_day",
            {"time": "9.35", "timezone": "Mars", "days": ["mo", "fri"], "window_minutes": 1.5},
        )
    assert refused.value.errors == {
        "trigger_params.time": "Use hours and minutes from 00:00 to 23:59, such as 09:35.",
        "trigger_params.timezone": "Use an IANA time zone, such as America/New_York.",
        "trigger_params.days": "“mo” is no day. Use mon, tue, wed, thu, fri, sat, sun, or "
        "trading_days.",
        "trigger_params.window_minutes": "Use a whole number.",
    }


def test_what_was_understood_is_stored_and_reads_back_as_the_same() -> None:
    trigger = parse_trigger(
        "time_of_day", {"time": "09:35", "days": [" Fri", "MON", "fri"], "window_minutes": "30"}
    )
    stored = trigger.model_dump(mode="json")
    assert stored == {
        "time": "09:35",
        "window_minutes": 30,
        "timezone": "America/New_York",
        "days": ["mon", "fri"],
    }
    assert parse_trigger("time_of_day", stored) == trigger


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "at 09:35 New York on trading days"),
        ({"days": EVERY_DAY}, "at 09:35 New York every day"),
        ({"days": ["sun", "mon"]}, "at 09:35 New York on Mon and Sun"),
        ({"days": WEEKDAYS}, "at 09:35 New York on Mon, Tue, Wed, Thu and Fri"),
        ({"timezone": "UTC", "days": ["sat"]}, "at 09:35 UTC on Sat"),
        ({"window_minutes": 1}, "between 09:35 and 09:36 New York on trading days"),
        ({"window_minutes": 1440}, "between 09:35 and 09:35 New York on trading days"),
        (
            {"timezone": "America/Argentina/Buenos_Aires", "window_minutes": 900},
            "between 09:35 and 00:35 Buenos Aires on trading days",
        ),
    ],
)
def test_it_reads_as_a_sentence(params: dict[str, Any], words: str) -> None:
    assert parse_trigger("time_of_day", {"time": "09:35", **params}).describe("AAPL") == words


# --- What a chart draws ---


@pytest.mark.parametrize(
    ("now", "begin"),
    [
        ("2026-11-17 13:00", "2026-11-17 14:35"),
        ("2026-11-17 14:35", "2026-11-17 14:35"),
        ("2026-11-17 15:04", "2026-11-17 14:35"),
        ("2026-11-17 15:05", "2026-11-18 14:35"),
        ("2026-11-25 18:00", "2026-11-27 14:35"),  # after Thanksgiving
    ],
)
def test_a_chart_draws_the_window_that_is_open_or_the_next_one(now: str, begin: str) -> None:
    rule = clock_rule(utc("2026-11-17 12:00"), time="09:35", window_minutes=30)
    window = Span(utc(begin), utc(begin) + 30 * MINUTE, "Fires between 09:35 and 10:05 New York")
    assert rule.trigger.annotate(rule, seen(utc(now))) == (window,)


def test_a_window_that_is_dealt_with_is_not_drawn_again() -> None:
    rule = clock_rule(utc("2026-11-17 12:00"), time="09:35")
    fired = rule.trigger.evaluate(rule, seen(utc("2026-11-17 14:36")))
    rule = rule.with_state(fired.state)
    (window,) = rule.trigger.annotate(rule, seen(utc("2026-11-17 14:37")))
    assert isinstance(window, Span)
    assert window.begin == utc("2026-11-18 14:35")


def test_a_window_across_midnight_tells_both_clocks() -> None:
    begin = utc("2026-11-17 14:50")
    rule = clock_rule(
        begin - DAY, time="23:50", window_minutes=20, timezone="Asia/Tokyo", days=["tue"]
    )
    window = Span(begin, begin + 20 * MINUTE, "Fires between 23:50 and 00:10 Tokyo")
    assert rule.trigger.annotate(rule, seen(begin + 15 * MINUTE)) == (window,)
