"""Every rule as one plain sentence."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.registry import parse_effect
from actions.sentence import duration, in_zone, sentence
from tests.unit.conftest import NOTIFY, a_rule

NEW_YORK = ZoneInfo("America/New_York")
SELL_TEN = parse_effect("SELL", sizes={"quantity": "10"}, params={})


def words(zone: ZoneInfo = NEW_YORK, **changes: Any) -> str:
    return sentence(a_rule(**{"effect": SELL_TEN, **changes}), zone)


def test_a_rule_that_fires_once() -> None:
    assert words() == "Sell 10 AAPL when the price is at or below $150.00, once."


@pytest.mark.parametrize(
    ("most", "cooldown", "how_often"),
    [
        (1, None, "once"),
        (1, 300, "once"),  # a cooldown says nothing about a rule that fires once
        (2, None, "up to 2 times"),
        (5, 300, "up to 5 times, at most once every 5 min"),
        (None, None, "every time"),
        (None, 0, "every time"),
        (None, 3600, "every time, at most once an hour"),
        (None, 86_400, "every time, at most once a day"),
    ],
)
def test_how_often_it_fires(most: int | None, cooldown: int | None, how_often: str) -> None:
    told = words(max_executions=most, cooldown_seconds=cooldown)
    assert told == f"Sell 10 AAPL when the price is at or below $150.00, {how_often}."


def test_its_end_is_told_in_the_users_own_zone_with_the_city() -> None:
    end = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)
    told = words(max_executions=3, cooldown_seconds=60, valid_until=end)
    assert told == (
        "Sell 10 AAPL when the price is at or below $150.00, up to 3 times, "
        "at most once a minute, until Fri 27 Nov 2026 16:00 New York."
    )
    assert words(ZoneInfo("Europe/Berlin"), valid_until=end).endswith(
        "until Fri 27 Nov 2026 22:00 Berlin."
    )
    assert words(ZoneInfo("Asia/Tokyo"), valid_until=end).endswith(
        "until Sat 28 Nov 2026 06:00 Tokyo."
    )


def test_a_rule_on_another_symbol_names_both() -> None:
    told = words(trigger_type="price_above", trigger_params={"threshold": "500", "symbol": "SPY"})
    assert told == "Sell 10 AAPL when SPY's price is at or above $500.00, once."


def test_a_notice_without_a_symbol_of_its_own() -> None:
    told = words(effect=NOTIFY, symbol=None, trigger_params={"threshold": "5", "symbol": "SPY"})
    assert told == "Notify me when SPY's price is at or below $5.00, once."


@pytest.mark.parametrize(
    ("instant", "zone", "told"),
    [
        (
            datetime(2026, 7, 1, 13, 5, tzinfo=UTC),
            "America/New_York",
            "Wed 1 Jul 2026 09:05 New York",
        ),
        (
            datetime(2026, 1, 1, 4, 59, tzinfo=UTC),
            "America/New_York",
            "Wed 31 Dec 2025 23:59 New York",
        ),
        (
            datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
            "America/Argentina/Buenos_Aires",
            "Wed 1 Jul 2026 09:00 Buenos Aires",
        ),
        (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), "UTC", "Wed 1 Jul 2026 12:00 UTC"),
        # The hour that daylight saving repeats reads the same twice.
        (
            datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
            "America/New_York",
            "Sun 1 Nov 2026 01:30 New York",
        ),
        (
            datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
            "America/New_York",
            "Sun 1 Nov 2026 01:30 New York",
        ),
    ],
)
def test_an_instant_is_told_with_the_city_of_its_zone(
    instant: datetime, zone: str, told: str
) -> None:
    assert in_zone(instant, ZoneInfo(zone)) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (90, "90 s"),
        (300, "5 min"),
        (3599, "3599 s"),
        (3600, "1 h"),
        (5400, "90 min"),
        (7200, "2 h"),
        (86_399, "86399 s"),
        (86_400, "1 day"),
        (90_000, "25 h"),
        (259_200, "3 days"),
    ],
)
def test_a_span_is_told_in_its_largest_whole_unit(seconds: int, told: str) -> None:
    assert duration(seconds) == told
