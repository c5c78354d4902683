"""Cases in which it is easy to be wrong by a bar, a day or a share.

Each expectation was worked out by hand from docs/semantics.md.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from actions.backtest.calendar import ClosesIncluded
from actions.backtest.lines import answer
from actions.backtest.reading import series_in
from market.hours import Exchange

HEADER = "symbol,timestamp,open,high,low,close,volume"
CALENDAR = ClosesIncluded()
BEFORE = "2008-06-29T00:00:00Z"


def sessions(symbol: str, *closes: object) -> str:
    """Daily bars from Mon 30 Jun 2008 on. Thu 3 Jul closes at 17:00 UTC, Fri 4 Jul is a holiday. A
    pair is a close and its volume."""
    lines, day = [], date(2008, 6, 30)
    for each in closes:
        while (at := Exchange().close_of(day)) is None:
            day += timedelta(days=1)
        close, volume = each if isinstance(each, tuple) else (each, 1000)
        lines.append(f"{symbol},{at:%Y-%m-%dT%H:%M:%SZ},{close},{close},{close},{close},{volume}\n")
        day += timedelta(days=1)
    return "".join(lines)


def fires(bars: str, **asked: Any) -> Sequence[str]:
    """The instants of all firings, as "07-03 17:00"."""
    series = series_in(f"{HEADER}\n{bars}".encode(), "bars", CALENDAR) if bars else {}
    line = {"id": 1, "symbol": "AAPL", "start": BEFORE, "max_executions": None} | asked
    told = answer(json.dumps(line), 1, series, CALENDAR)
    assert told["status"] != "invalid", told
    return [fire["at"][5:16].replace("T", " ") for fire in told["fires"]]


EVERY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.mark.parametrize(
    ("why", "params", "more", "expected"),
    [
        (
            "clocks skip it on 9 March",
            {"time": "02:30", "days": EVERY},
            {"start": "2008-03-09T00:00:00Z", "end": "2008-03-10T12:00:00Z"},
            ["03-10 06:30"],
        ),
        (
            "clocks show it twice on 2 November",
            {"time": "01:30", "days": EVERY},
            {"start": "2008-11-02T00:00:00Z", "end": "2008-11-03T12:00:00Z"},
            ["11-02 05:30", "11-03 06:30"],
        ),
        (
            "made before the second pass",
            {"time": "01:30", "days": EVERY},
            {"start": "2008-11-02T06:29:00Z", "end": "2008-11-03T12:00:00Z"},
            ["11-03 06:30"],
        ),
        (
            "Lord Howe's clocks skip half an hour",
            {"time": "02:05", "timezone": "Australia/Lord_Howe", "days": EVERY},
            {"start": "2008-10-04T00:00:00Z", "end": "2008-10-05T15:05:00Z"},
            ["10-05 15:05"],
        ),
        (
            "Friday's window is open on Saturday",
            {"time": "23:58", "days": ["fri"]},
            {"start": "2008-05-03T04:01:00Z", "end": "2008-05-04T00:00:00Z"},
            ["05-03 04:02"],
        ),
        (
            "a holiday is no trading day",
            {"time": "09:35"},
            {"start": "2008-07-03T00:00:00Z", "end": "2008-07-07T20:00:00Z"},
            ["07-03 13:35", "07-07 13:35"],
        ),
        (
            "a holiday is a Friday",
            {"time": "09:35", "days": ["fri"]},
            {"start": "2008-07-03T00:00:00Z", "end": "2008-07-07T20:00:00Z"},
            ["07-04 13:35"],
        ),
        (
            "made as its minute begins: the next minute",
            {"time": "09:35"},
            {"start": "2008-07-03T13:35:00Z", "end": "2008-07-03T20:00:00Z"},
            ["07-03 13:36"],
        ),
        (
            "valid from within the window",
            {"time": "09:35"},
            {"valid_from": "2008-07-03T13:36:30Z", "end": "2008-07-03T20:00:00Z"},
            ["07-03 13:37"],
        ),
        (
            "valid from the window's end",
            {"time": "09:35"},
            {"valid_from": "2008-07-03T13:40:00Z", "end": "2008-07-03T20:00:00Z"},
            [],
        ),
        (
            "valid until its beginning",
            {"time": "09:35"},
            {"start": "2008-07-03T00:00:00Z", "valid_until": "2008-07-03T13:35:00Z"},
            [],
        ),
        (
            "a cooldown ends as the window begins, an hour early in spring",
            {"time": "09:35", "days": EVERY[:5]},
            {
                "start": "2008-03-07T00:00:00Z",
                "end": "2008-03-10T20:00:00Z",
                "cooldown_seconds": 71 * 3600,
            },
            ["03-07 14:35", "03-10 13:35"],
        ),
        (
            "a cooldown ends a second into the window",
            {"time": "09:35", "days": EVERY[:5]},
            {
                "start": "2008-03-07T00:00:00Z",
                "end": "2008-03-10T20:00:00Z",
                "cooldown_seconds": 71 * 3600 + 1,
            },
            ["03-07 14:35", "03-10 13:36"],
        ),
    ],
)
def test_a_time_of_day(
    why: str, params: dict[str, Any], more: dict[str, Any], expected: list[str]
) -> None:
    asked = {"symbol": None, "trigger_type": "time_of_day", "trigger_params": params}
    assert fires("", **asked | more) == expected, why


FALLING = sessions("AAPL", 100, 99, 98, 97, 96, 95, 94)


@pytest.mark.parametrize(
    ("why", "params", "more", "expected"),
    [
        ("the half-day's close is at 17:00", {"threshold": 97}, {"max_executions": 1}, ["07-03"]),
        (
            "the bar at which it expires is too late",
            {"threshold": 100},
            {"valid_until": "2008-07-02T20:00:00Z"},
            ["06-30", "07-01"],
        ),
        (
            "a holiday ends with the close before it",
            {"threshold": 99},
            {"valid_until": "2008-07-04"},
            ["07-01", "07-02"],
        ),
        (
            "the bar from which it is valid counts",
            {"threshold": 99},
            {"valid_from": "2008-07-02T20:00:00Z", "max_executions": 1},
            ["07-02"],
        ),
        (
            "valid only when the price was there already",
            {"threshold": 98, "on": "cross"},
            {"valid_from": "2008-07-03T12:00:00Z"},
            [],
        ),
        (
            "armed by the price at its start",
            {"threshold": 98, "on": "cross"},
            {"start": "2008-07-01T20:00:00Z"},
            ["07-02"],
        ),
        (
            "not armed on the threshold itself",
            {"threshold": 99, "on": "cross"},
            {"start": "2008-07-01T20:00:00Z"},
            [],
        ),
        (
            "a day's cooldown is not over at the half-day's close",
            {"threshold": 100},
            {"cooldown_seconds": 86_400},
            ["06-30", "07-01", "07-02", "07-07", "07-08", "07-09"],
        ),
        ("an end before the first bar", {"threshold": 100}, {"end": "2008-06-30T19:59:59Z"}, []),
        ("an end at a bar", {"threshold": 100}, {"end": "2008-06-30T20:00:00Z"}, ["06-30"]),
        ("a start after the last bar", {"threshold": 100}, {"start": "2009-01-01T00:00:00Z"}, []),
    ],
)
def test_a_price_below(
    why: str, params: dict[str, Any], more: dict[str, Any], expected: list[str]
) -> None:
    found = fires(FALLING, trigger_type="price_below", trigger_params=params, **more)
    assert [at[:5] for at in found] == expected, why


# Seven shares of one from Wed 2 Jul on, as they were printed; a reverse split; two of them.
SEVEN = sessions("AAPL", 700, 714, (102, 7000), (95, 7000), (90, 7000), (89, 7000))
REVERSE = sessions("AAPL", "0.50", "0.51", "4.08", "4.00")
TWICE = sessions("AAPL", 600, 300, 100, 99)
ON_2_JULY = [["2008-07-02", 7]]
EIGHTH = [["2008-07-02", "1/8"]]


@pytest.mark.parametrize(
    ("bars", "kind", "params", "more", "expected"),
    [
        (SEVEN, "trailing_stop", {"percent": 6}, {}, "07-03"),  # 102 is the peak, 95.88 the stop
        (SEVEN, "trailing_stop", {"amount": 49}, {}, "07-03"),  # 7 of the new dollars
        (SEVEN, "price_below", {"threshold": 630}, {}, "07-07"),
        (SEVEN, "price_below", {"threshold": 90}, {"start": "2008-07-02T12:00:00Z"}, "07-07"),
        (SEVEN, "price_below", {"threshold": 630}, {"start": "2008-07-02T03:00:00Z"}, "07-07"),
        (SEVEN, "change_pct", {"change": 6, "direction": "down"}, {}, "07-03"),
        (SEVEN, "volume_above", {"threshold": 1001}, {}, None),
        (SEVEN, "volume_above", {"threshold": 1000}, {}, "06-30"),
        (
            REVERSE,
            "price_below",
            {"threshold": "0.5"},
            {"splits": [["2008-07-02", "1/8"]]},
            "06-30",
        ),
        (
            REVERSE,
            "price_below",
            {"threshold": "0.5"},
            {"splits": [["2008-07-02", "1:8"]], "start": "2008-07-01T00:00:00Z"},
            "07-03",
        ),
        (
            TWICE,
            "price_below",
            {"threshold": 594},
            {"splits": [["2008-07-01", 2], ["2008-07-02", 3]]},
            "07-03",
        ),
    ],
)
def test_a_split(
    bars: str, kind: str, params: dict[str, Any], more: dict[str, Any], expected: str | None
) -> None:
    asked = {"splits": ON_2_JULY, "max_executions": 1} | more
    found = fires(bars, trigger_type=kind, trigger_params=params, **asked)
    assert [at[:5] for at in found] == ([expected] if expected else [])


RISING = sessions("AAPL", 100, 103, "106.09", 100, 100, 110)
TURNING = sessions("AAPL", 100, 110, "104.5", 104, 98, 120, 114, "113.99")
FLAT = sessions("AAPL", 10, 10, 10, 10, 12, 8, 8, 8, 14, 15)


@pytest.mark.parametrize(
    ("bars", "kind", "params", "more", "expected"),
    [
        (TURNING, "trailing_stop", {"percent": 5}, {}, ["07-02", "07-07", "07-09"]),
        (TURNING, "trailing_stop", {"amount": "5.5"}, {}, ["07-02", "07-07", "07-09"]),
        (TURNING, "trailing_stop", {"percent": 10, "direction": "up"}, {}, ["07-01", "07-08"]),
        (TURNING, "trailing_stop", {"percent": 5, "activation_price": 115}, {}, ["07-09"]),
        (
            TURNING,
            "trailing_stop",
            {"percent": 5},
            {"start": "2008-07-01T21:00:00Z", "max_executions": 1},
            ["07-02"],  # the price before its start is its first peak
        ),
        (RISING, "change_pct", {"change": 3, "direction": "up"}, {}, ["07-01", "07-02", "07-08"]),
        (RISING, "change_pct", {"change": 5, "direction": "either"}, {}, ["07-03", "07-08"]),
        (RISING, "change_pct", {"change": 10, "direction": "up", "window": "2d"}, {}, ["07-08"]),
        (
            RISING,
            "change_pct",
            {"change": 3, "direction": "up", "window": "24h"},
            {"end": "2008-07-02T20:00:00Z"},
            ["07-01", "07-02"],
        ),
        (FLAT, "ma_cross", {"short": 2, "long": 3}, {}, ["07-07", "07-11"]),
        (
            FLAT,
            "ma_cross",
            {"short": 2, "long": 3},
            {"start": "2008-07-07T20:00:00Z"},
            ["07-11"],  # a crossing at the close of its start is its past
        ),
        (
            sessions("AAPL", (10, 100), (10, 300), (10, 200), (10, 400), (10, 401)),
            "volume_above",
            {"multiple": 2, "lookback": 3},
            {"max_executions": 1},
            ["07-03"],  # the present session is not part of its average
        ),
        (
            sessions("SPY", 5, 4, 3, 2) + FALLING,
            "price_below",
            {"threshold": 2, "symbol": "SPY"},
            {},
            ["07-03"],
        ),
    ],
)
def test_what_looks_back(
    bars: str, kind: str, params: dict[str, Any], more: dict[str, Any], expected: list[str]
) -> None:
    found = fires(bars, trigger_type=kind, trigger_params=params, **more)
    assert [at[:5] for at in found] == expected


def test_a_bar_that_ends_as_the_session_opens_tells_none_of_the_volume_of_the_one_before() -> None:
    bars = [
        f"AAPL,2008-{at}:00Z,10,10,10,10,{volume}\n"
        for at, volume in (
            ("06-30T19:30", 900),
            ("06-30T20:00", 900),  # the close, in all 1,800
            ("06-30T20:05", 10),  # after it the session's volume still stands
            ("07-01T13:30", 10),  # the next one opens
            ("07-01T14:00", 900),
            ("07-01T14:30", 900),
        )
    ]
    found = fires("".join(bars), trigger_type="volume_above", trigger_params={"threshold": 1800})
    assert found == ["06-30 20:00", "06-30 20:05", "07-01 14:30"]
