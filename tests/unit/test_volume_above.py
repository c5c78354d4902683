"""When a session's volume is enough, in shares or compared with what is usual."""

import csv
import json
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from actions.marks import Axis, Level, Role
from actions.parts import InvalidRule
from actions.registry import parse_trigger
from actions.rules import Band, Evaluation, Needs, Outcome, Rule, View, Wake
from market.bars import read_bars
from market.hours import AlwaysOpen, Exchange, TradingCalendar
from market.quotes import VOLUME_MAX, Bar, Sample
from tests.unit.conftest import a_rule, a_view

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
SHARED = ROOT.parent / "shared" / "data"
NYSE = Exchange()
INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)

history = cache(read_bars)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seen(
    now: datetime,
    volume: int | None,
    bars: Sequence[Bar] = (),
    *,
    as_of: datetime | None = None,
    calendar: TradingCalendar = NYSE,
) -> View:
    """What is seen at `now` of AAPL: the volume of a quote, and of `bars` those complete."""
    quote = Sample("AAPL", Decimal(100), as_of or now, volume=volume)
    known = [bar for bar in bars if bar.at <= now]
    return replace(a_view(now, calendar=calendar, AAPL=quote), bars={"AAPL": known})


def look(params: Mapping[str, Any], view: View) -> Evaluation:
    rule = a_rule("volume_above", params)
    return rule.trigger.evaluate(rule, view)


def sleep(params: Mapping[str, Any], view: View) -> Wake:
    rule = a_rule("volume_above", params)
    return rule.trigger.watch(rule, view)


def trading(*volumes: int, last: str = "2026-11-16") -> list[Bar]:
    """Sessions with these volumes, the newest on the day `last`."""
    day = datetime.fromisoformat(last).date()
    bars: list[Bar] = []
    for volume in reversed(volumes):
        at = NYSE.close_of(day)
        assert at is not None
        price = Decimal(100)
        bars.insert(0, Bar("AAPL", at, price, price, price, price, volume))
        day = NYSE.previous_session(day)
    return bars


# --- Shares, over real bars ---


def first_fire(bars: Sequence[Bar], params: Mapping[str, Any], start: datetime) -> datetime | None:
    """The first close at which it fires, from quotes that tell each session's volume at its close.

    A rule that is looked at only when its band breaks fires at the same.
    """
    rule = a_rule("volume_above", params, symbol=bars[0].symbol, valid_from=start)
    played = [bar for bar in bars if bar.at >= start]
    at_each = (at for at, fired in _outcomes(rule, bars, played) if fired)
    return next(at_each, None)


def _outcomes(
    rule: Rule, bars: Sequence[Bar], played: Sequence[Bar]
) -> Sequence[tuple[datetime, bool]]:
    symbol, needs = bars[0].symbol, rule.trigger.needs(rule).sessions
    wake = Wake(at=rule.valid_from)
    found = []
    for bar in played:
        end = bars.index(bar) + 1 if needs else 0
        quote = Sample(symbol, bar.close, bar.at, volume=bar.volume)
        view = replace(
            a_view(bar.at, calendar=NYSE),
            quotes={symbol: quote},
            bars={symbol: bars[max(0, end - needs) : end]},
        )
        fired = rule.trigger.evaluate(rule, view).outcome is Outcome.FIRED
        level = wake.bands.get(symbol, Band()).volume_above
        woken = (level is not None and bar.volume >= level) or (
            wake.at is not None and wake.at <= bar.at
        )
        assert woken or not fired
        wake = rule.trigger.watch(rule, view)
        found.append((bar.at, fired))
    return found


@pytest.mark.parametrize(
    ("symbol", "threshold", "start", "first"),
    [
        # Read off the shipped bars with four independent tools.
        ("AAPL", 45_000_000, "2012-01-03 16:00", "2012-02-15 21:00"),
        ("MSFT", 300_000_000, "2006-01-03 16:00", "2006-04-28 20:00"),
        ("IBM", 10_000_000_000, "2008-01-02 16:00", None),
    ],
)
def test_a_threshold_is_reached_at_its_bar(
    symbol: str, threshold: int, start: str, first: str | None
) -> None:
    bars = history(SHIPPED)[symbol]
    found = first_fire(bars, {"threshold": threshold}, utc(start))
    assert found == (utc(first) if first else None)


def test_the_first_fires_are_those_of_the_shared_table() -> None:
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    rows = csv.DictReader(table.read_text().splitlines())
    ours = [row for row in rows if row["trigger_type"] == "volume_above"]
    assert len(ours) >= 3
    for row in ours:
        bars = history(SHARED / row["data_file"])[row["symbol"]]
        start = datetime.fromisoformat(row["start"]).astimezone(UTC)
        first = row["first_fire_timestamp"]
        expected = datetime.fromisoformat(first).astimezone(UTC) if first else None
        assert first_fire(bars, json.loads(row["params"]), start) == expected, row["rule_id"]


@pytest.mark.parametrize(("multiple", "lookback"), [("2", 20), ("1.5", 5), ("3.25", 50)])
def test_a_multiple_is_reached_where_counting_by_hand_says_so(multiple: str, lookback: int) -> None:
    bars = history(SHIPPED)["AAPL"][1000:1400]
    rule = a_rule("volume_above", {"multiple": multiple, "lookback": lookback})
    found = [at for at, fired in _outcomes(rule, bars, bars[lookback:]) if fired]
    expected = [
        bar.at
        for n, bar in enumerate(bars)
        if n >= lookback
        and bar.volume * lookback
        >= Decimal(multiple) * sum(past.volume for past in bars[n - lookback : n])
    ]
    assert found == expected
    assert expected


# --- Shares, at the edge ---

NOON = utc("2026-11-17 17:00")


@pytest.mark.parametrize(
    ("volume", "outcome"),
    [
        (0, Outcome.NOT_FIRED),
        (999, Outcome.NOT_FIRED),
        (1000, Outcome.FIRED),
        (1001, Outcome.FIRED),
        (VOLUME_MAX, Outcome.FIRED),
        (None, Outcome.UNKNOWN),
    ],
)
def test_the_threshold_itself_is_enough(volume: int | None, outcome: Outcome) -> None:
    found = look({"threshold": 1000}, seen(NOON, volume))
    assert found.outcome is outcome
    assert found.state == {}


def test_shares_wait_for_the_volume_and_for_no_instant() -> None:
    for volume in (None, 0, 999):
        wake = sleep({"threshold": 1000}, seen(NOON, volume))
        assert wake == Wake({"AAPL": Band(volume_above=1000)})


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        (53_790_000, "AAPL's volume in the session is 53,790,000; it waits for 45,000,000."),
        (5, "AAPL's volume in the session is 5; it waits for 45,000,000."),
        (None, "AAPL's quote does not tell the volume."),
    ],
)
def test_the_reason_tells_both_numbers(volume: int | None, reason: str) -> None:
    assert look({"threshold": 45_000_000}, seen(NOON, volume)).reason == reason


# --- A multiple of the average ---

TWICE = {"multiple": "2", "lookback": 3}


@pytest.mark.parametrize(("volume", "outcome"), [(1199, Outcome.NOT_FIRED), (1200, Outcome.FIRED)])
def test_the_average_is_that_of_the_last_sessions(volume: int, outcome: Outcome) -> None:
    bars = trading(9_999_999, 500, 600, 700)
    found = look(TWICE, seen(NOON, volume, bars))
    assert found.outcome is outcome
    assert found.reason == (
        f"AAPL's volume in the session is {volume:,}; it waits for 1,200, 2 times the average of "
        "the 3 sessions up to Mon 16 Nov 2026."
    )


@pytest.mark.parametrize(
    ("multiple", "volumes", "needed"),
    [
        ("1", (10, 10, 11), 11),  # 10.33: 10 are not enough, 11 are
        ("0.0001", (1, 1, 1), 1),
        ("1.5", (10, 10, 11), 16),
        ("999999.9999", (VOLUME_MAX,) * 3, ceil(Decimal("999999.9999") * VOLUME_MAX)),
    ],
)
def test_the_fewest_shares_that_are_enough_are_exact(
    multiple: str, volumes: tuple[int, ...], needed: int
) -> None:
    params = {"multiple": multiple, "lookback": 3}
    assert sleep(params, seen(NOON, 0, trading(*volumes))).bands == {
        "AAPL": Band(volume_above=needed)
    }


def test_the_session_that_just_closed_is_not_in_its_own_average() -> None:
    bars = trading(100, 100, 100, 90_000)
    close = bars[-1].at
    for now, as_of in [
        (close, close),
        (close + 10 * MINUTE, close - MINUTE),
        (close + 10 * MINUTE, close + 10 * MINUTE),  # until it opens again, it tells this volume
        (utc("2026-11-17 14:29"), utc("2026-11-17 14:29")),
    ]:
        found = look(TWICE, seen(now, 200, bars, as_of=as_of))
        assert found.outcome is Outcome.FIRED, now
    opened = utc("2026-11-17 14:31")
    assert look(TWICE, seen(opened, 200, bars)).reason.startswith(
        "AAPL's volume in the session is 200; it waits for 60,134, "
    )


def test_in_a_market_that_never_closes_it_is_not_either() -> None:
    bars = trading(100, 100, 100, 90_000, last="2026-11-18")
    close = bars[-1].at
    found = look(TWICE, seen(close, 200, bars, calendar=AlwaysOpen()))
    assert found.outcome is Outcome.FIRED
    wake = sleep(TWICE, seen(close, 199, bars, calendar=AlwaysOpen()))
    assert wake == Wake({"AAPL": Band(volume_above=200)}, at=close)  # the next quote is another's
    later = look(TWICE, seen(close + INSTANT, 200, bars, calendar=AlwaysOpen()))
    assert later.outcome is Outcome.NOT_FIRED


def test_nor_where_the_calendar_does_not_know_of_a_half_day() -> None:
    full_days = [AlwaysOpen().close_of(date(2026, 11, day)) for day in (24, 25, 26)]
    closes = [*full_days, utc("2026-11-27 18:00")]
    bars = [
        replace(bar, at=at) for bar, at in zip(trading(100, 100, 100, 90_000), closes, strict=True)
    ]
    close = bars[-1].at
    found = look(TWICE, seen(close, 200, bars, calendar=AlwaysOpen()))
    assert found.outcome is Outcome.FIRED


def test_the_average_holds_until_a_session_opens() -> None:
    bars = trading(100, 100, 100)
    tomorrow = utc("2026-11-18 14:30")
    band = {"AAPL": Band(volume_above=200)}
    assert sleep(TWICE, seen(NOON, 0, bars)) == Wake(band, at=tomorrow)
    bars = trading(100, 100, 100, 90_000, last="2026-11-17")
    after_close = utc("2026-11-17 21:05")
    assert sleep(TWICE, seen(after_close, 0, bars)) == Wake(band, at=tomorrow)
    # A quote from before the opening, looked at after it, is still of the session before.
    view = seen(tomorrow, 0, bars, as_of=tomorrow - MINUTE)
    assert sleep(TWICE, view) == Wake(band, at=tomorrow)


def test_while_the_last_sessions_bar_is_late_it_does_not_know_and_every_volume_wakes_it() -> None:
    bars = trading(100, 100, 100, last="2026-11-13")
    view = seen(NOON, 200, bars)
    found = look(TWICE, view)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == "The average of AAPL is not known: Mon 16 Nov 2026 is missing."
    assert sleep(TWICE, view).bands == {"AAPL": Band(volume_above=0)}


def test_a_late_bar_counts_from_the_next_quote_on() -> None:
    bars = trading(100, 100, 100, 700)
    soon = NOON + MINUTE
    found = look(TWICE, seen(soon, 599, bars))
    assert found.outcome is Outcome.NOT_FIRED
    assert "it waits for 600, " in found.reason
    assert sleep(TWICE, seen(soon, 599, bars)).bands == {"AAPL": Band(volume_above=600)}


def test_while_too_few_sessions_are_known_one_of_which_is_late_every_volume_wakes_it() -> None:
    view = seen(NOON, 200, trading(100, 100, last="2026-11-13"))
    assert look(TWICE, view).reason == (
        "The average takes 3 completed sessions of AAPL, and there are 2."
    )
    assert sleep(TWICE, view).bands == {"AAPL": Band(volume_above=0)}


def test_shares_alone_are_counted_whichever_bar_is_late() -> None:
    view = seen(NOON, 1000, trading(100, last="2026-11-13"))
    assert look({"threshold": 1000}, view).outcome is Outcome.FIRED


@pytest.mark.parametrize(
    ("volumes", "reason"),
    [
        ((), "The average takes 3 completed sessions of AAPL, and there are 0."),
        ((5, 6), "The average takes 3 completed sessions of AAPL, and there are 2."),
        ((0, 0, 0), "No volume is known of the last 3 sessions of AAPL."),
    ],
)
def test_without_an_average_it_does_not_know(volumes: tuple[int, ...], reason: str) -> None:
    found = look(TWICE, seen(NOON, 10**9, trading(*volumes)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason == reason


def test_without_an_average_it_waits_for_the_next_session() -> None:
    wake = sleep(TWICE, seen(NOON, 10**9, trading(5, 6)))
    assert wake == Wake(at=utc("2026-11-18 14:30"))


def test_it_asks_for_one_session_more_than_it_averages() -> None:
    # The newest may be the one whose volume is compared.
    asked: list[tuple[dict[str, Any], int]] = [
        ({"threshold": 1}, 0),
        ({"multiple": "2"}, 21),
        ({"multiple": "2", "lookback": 400}, 401),
    ]
    for params, sessions in asked:
        rule = a_rule("volume_above", params)
        assert rule.trigger.needs(rule) == Needs(sessions=sessions)


# --- Parameters ---

NOT_SHARES: list[Any] = [0, -1, 1.5, True, "many", "1,000", float("inf"), "1e30", [], ""]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, ""),
        ({"lookback": 20}, ""),
        ({"threshold": 5, "multiple": "2"}, ""),
        *(({"threshold": value}, ".threshold") for value in NOT_SHARES),
        *(
            ({"multiple": value}, ".multiple")
            for value in (0, "-2", True, "x", "0.00001", "10000000", float("nan"), "")
        ),
        *(
            ({"multiple": "2", "lookback": value}, ".lookback")
            for value in (0, 401, 1.5, None, True, "")
        ),
        ({"threshold": 5, "volume": 5}, ".volume"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("volume_above", params)
    assert refused.value.errors.keys() == {f"trigger_params{field}"}


@pytest.mark.parametrize("value", [100_000_000, "100000000", "1e8", 1e8, "100000000.0"])
def test_shares_are_a_whole_number_however_they_are_written(value: object) -> None:
    trigger = parse_trigger("volume_above", {"threshold": value})
    assert trigger.model_dump(mode="json", exclude_unset=True) == {"threshold": 100_000_000}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"threshold": 1500}, "when the session's volume is at least 1,500"),
        ({"threshold": 1, "symbol": "SPY"}, "when SPY's volume in a session is at least 1"),
        (
            {"multiple": "2.50"},
            "when the session's volume is at least 2.5 times its 20-day average",
        ),
        (
            {"multiple": 10, "symbol": "AAPL"},
            "when the session's volume is at least 10 times its 20-day average",
        ),
    ],
)
def test_it_reads_as_a_sentence(params: dict[str, Any], words: str) -> None:
    assert parse_trigger("volume_above", params).describe("AAPL") == words


# --- What a chart draws ---


def drawn(params: Mapping[str, Any], view: View) -> tuple[object, ...]:
    rule = a_rule("volume_above", params)
    return rule.trigger.annotate(rule, view)


def shares(value: int, role: Role, words: str) -> Level:
    return Level("AAPL", Decimal(value), role, words, Axis.VOLUME)


def test_a_chart_draws_shares_on_the_axis_of_volumes() -> None:
    enough = shares(45_000_000, Role.TRIGGER, "Fires at or above 45,000,000 shares")
    assert drawn({"threshold": 45_000_000}, a_view()) == (enough,)


def test_a_chart_draws_the_average_and_its_multiple() -> None:
    average = shares(600, Role.REFERENCE, "3-day average")
    enough = shares(1200, Role.TRIGGER, "Fires at or above 1,200 shares")
    view = seen(NOON, 0, trading(500, 600, 700))
    assert drawn(TWICE, view) == (average, enough)
    assert drawn(TWICE, replace(view, quotes={})) == (average, enough)
    assert look(TWICE, seen(NOON, 1199, trading(500, 600, 700))).outcome is Outcome.NOT_FIRED
    assert look(TWICE, seen(NOON, 1200, trading(500, 600, 700))).outcome is Outcome.FIRED


def test_a_multiple_that_no_volume_can_reach_is_not_drawn() -> None:
    view = seen(NOON, 0, trading(VOLUME_MAX, VOLUME_MAX, VOLUME_MAX))
    assert drawn(TWICE, view) == (shares(VOLUME_MAX, Role.REFERENCE, "3-day average"),)


@pytest.mark.parametrize(
    "bars", [[], trading(500, 600), trading(0, 0, 0), trading(1, 2, 3, last="2026-11-13")]
)
def test_without_an_average_nothing_is_drawn(bars: list[Bar]) -> None:
    assert drawn(TWICE, seen(NOON, 10, bars)) == ()
