"""Quiet hours are local times: they wrap midnight, and keep their length when clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.notify.quiet import end_of_quiet

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour
TEN, SEVEN = time(22), time(7)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def local(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-17 21:59:59", None),
        ("2026-11-17 22:00", "2026-11-18 07:00"),
        ("2026-11-18 03:00", "2026-11-18 07:00"),
        ("2026-11-18 06:59:59", "2026-11-18 07:00"),
        ("2026-11-18 07:00", None),
        ("2026-11-18 12:00", None),
    ],
)
def test_a_night_begins_on_one_day_and_ends_on_the_next(now: str, ends: str | None) -> None:
    found = end_of_quiet(local(now), zone=NEW_YORK, begin=TEN, end=SEVEN)
    assert found == (local(ends) if ends else None)


def test_hours_within_a_day_end_on_it() -> None:
    def noon(text: str) -> datetime | None:
        return end_of_quiet(local(text), zone=NEW_YORK, begin=time(12), end=time(14))

    assert noon("2026-11-17 13:00") == local("2026-11-17 14:00")
    assert noon("2026-11-17 11:59") is None
    assert noon("2026-11-17 14:00") is None


@pytest.mark.parametrize(
    ("evening", "hours", "ends"),
    [
        ("2026-03-07 22:00", 8, "2026-03-08 07:00"),  # the night that is an hour short
        ("2026-10-31 22:00", 10, "2026-11-01 07:00"),  # the night that is an hour long
        ("2026-11-17 22:00", 9, "2026-11-18 07:00"),
    ],
)
def test_a_night_ends_by_the_clock_on_the_wall_when_clocks_change(
    evening: str, hours: int, ends: str
) -> None:
    now = local(evening).astimezone(UTC)
    found = end_of_quiet(now, zone=NEW_YORK, begin=TEN, end=SEVEN)
    assert found == local(ends)
    assert found == now + timedelta(hours=hours)


def test_an_end_that_the_clocks_skip_keeps_the_nights_length() -> None:
    # On 8 March, 02:30 does not exist: it is 03:30 then, four and a half hours after ten.
    now = local("2026-03-07 22:00").astimezone(UTC)
    found = end_of_quiet(now, zone=NEW_YORK, begin=TEN, end=time(2, 30))
    assert found == now + timedelta(hours=4, minutes=30)
    assert found == local("2026-03-08 03:30")


def test_an_end_that_comes_twice_counts_the_first_time() -> None:
    now = local("2026-10-31 22:00").astimezone(UTC)
    found = end_of_quiet(now, zone=NEW_YORK, begin=TEN, end=time(1, 30))
    assert found == now + timedelta(hours=3, minutes=30)
    again = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)  # 01:00 for the second time
    assert end_of_quiet(again, zone=NEW_YORK, begin=TEN, end=time(1, 30)) is None


times = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


@given(
    now=st.timedeltas(timedelta(0), timedelta(days=365)).map(NEW_YEAR.__add__),
    span=st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]),
    zone=st.sampled_from([NEW_YORK, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")]),
)
def test_what_waits_is_let_go_within_a_day_and_not_held_again_at_once(
    now: datetime, span: tuple[time, time], zone: ZoneInfo
) -> None:
    begin, end = span
    found = end_of_quiet(now, zone=zone, begin=begin, end=end)
    if found is not None:
        assert now < found <= now + timedelta(hours=25)
        # At the end it is over, unless the clocks' change makes one night reach the next.
        assert end_of_quiet(found, zone=zone, begin=begin, end=end) is None or (
            _minutes(begin, end) >= 23 * 60
        )


def _minutes(begin: time, end: time) -> int:
    return ((end.hour * 60 + end.minute) - (begin.hour * 60 + begin.minute)) % (24 * 60)
