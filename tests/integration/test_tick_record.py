"""What is kept of ticks: each for two days, then hours and pauses."""

from datetime import datetime, timedelta

import pytest

from actions.models import Tick, TickGap, TickHour
from actions.tick_record import roll_up_ticks, without_tick

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def ticked(*spans: tuple[datetime, datetime]) -> None:
    """Records a tick every 10 s of each span, its end included."""
    Tick.objects.bulk_create(
        Tick(
            started_at=begin + n * 10 * SECOND,
            duration=SECOND / 10,
            next_in=10 * SECOND,
            symbols=1,
            woken=2,
            fired=1,
            errors=["No quotes: test"] if n == 1 else [],
        )
        for begin, end in spans
        for n in range(int((end - begin) / (10 * SECOND)) + 1)
    )


def test_hours_are_put_together_and_pauses_kept(now: datetime) -> None:
    ticked((now, now + 80 * MINUTE), (now + 100 * MINUTE, now + 4 * HOUR))
    TickGap.objects.all().delete()
    before = without_tick(since=now, until=now + 4 * HOUR)
    roll_up_ticks(now=now + 4 * HOUR)
    first, second, *rest = TickHour.objects.order_by("hour")
    assert (first.hour, first.ticks, first.woken, first.fired) == (now, 360, 720, 360)
    assert (first.faults, first.longest) == (1, SECOND / 10)
    assert first.longest_pause == 9.9 * SECOND
    assert second.longest_pause == 20 * MINUTE - SECOND / 10
    assert [each.hour for each in rest] == [now + 2 * HOUR]
    assert before == [(now + 80 * MINUTE + SECOND / 10, now + 100 * MINUTE)]
    assert without_tick(since=now, until=now + 4 * HOUR) == before
    ever, pause = TickGap.objects.order_by("since")
    assert (ever.since.year, ever.until) == (1970, now), "before the first tick there was none"
    assert [(pause.since, pause.until)] == before


def test_to_put_hours_together_twice_changes_nothing_and_what_is_new_is_added(
    now: datetime,
) -> None:
    ticked((now, now + 2 * HOUR + 30 * MINUTE))
    for _ in range(2):
        roll_up_ticks(now=now + 2 * HOUR + 30 * MINUTE)
        assert [each.ticks for each in TickHour.objects.all()] == [360, 360]
    ticked((now + 2 * HOUR + 31 * MINUTE, now + 4 * HOUR))
    roll_up_ticks(now=now + 4 * HOUR)
    assert TickHour.objects.first().ticks == 354 + 1  # type: ignore[union-attr]
    gaps = [gap for gap in TickGap.objects.all() if gap.since > now]
    assert [(gap.since, gap.until) for gap in gaps] == [
        (now + 2 * HOUR + 30 * MINUTE + SECOND / 10, now + 2 * HOUR + 31 * MINUTE)
    ]


def test_old_ticks_go_and_an_outage_of_days_is_still_known(now: datetime) -> None:
    ticked((now, now + 90 * MINUTE))
    back = now + timedelta(days=5)
    assert [roll_up_ticks(now=back), roll_up_ticks(now=back)] == [0, 540]
    went = now + 90 * MINUTE + SECOND / 10
    assert without_tick(since=now, until=back) == [(went, back)]
    ticked((back, back + 2 * HOUR))
    for _ in range(2):
        roll_up_ticks(now=back + timedelta(days=4))
        assert without_tick(since=now, until=back + HOUR) == [(went, back)]
    assert Tick.objects.get().started_at == back + 2 * HOUR, "a pause may begin with it"


def test_ticks_that_are_half_a_minute_late_are_no_pause_and_a_long_tick_is_none(
    now: datetime,
) -> None:
    ticked((now - HOUR, now), (now + 30 * SECOND, now + 30 * SECOND))
    Tick.objects.filter(started_at=now).update(duration=5 * SECOND)
    Tick.objects.filter(started_at=now + 30 * SECOND).update(duration=120 * SECOND)
    ticked((now + 160 * SECOND, now + 160 * SECOND))
    assert without_tick(since=now - MINUTE, until=now + 170 * SECOND) == []
    late = without_tick(since=now - MINUTE, until=now + 300 * SECOND)
    assert late == [(now + 160.1 * SECOND, now + 300 * SECOND)]


def test_without_any_tick_nothing_was_watched(now: datetime) -> None:
    ((_, until),) = without_tick(since=now, until=now + HOUR)
    assert until == now + HOUR
