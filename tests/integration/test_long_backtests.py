"""Long backtests: queued, played in slices under a lease, cancelled, taken up, given up."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from accounts.models import User
from actions import tasks
from actions.backtesting import playing, runs
from actions.models import Backtest
from actions.tasks import play_backtest, take_up_backtests
from tests.api import Api
from tests.backtests import hold_bars, wish
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("feed")]


@pytest.fixture(autouse=True)
def _a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 120.0)
    monkeypatch.setattr("actions.tasks.BACKTEST_SLICE_SECONDS", 120.0)


@pytest.fixture
def owner(instruments: None) -> User:
    hold_bars("AAPL")
    return UserFactory.create()


@pytest.fixture
def api(owner: User) -> Api:
    return Api(owner)


class Late:
    """A clock that goes on by so many seconds whenever it is read."""

    def __init__(self, seconds: float = 0) -> None:
        self.now, self.step = timezone.now(), timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


LONG = wish(
    holdings={"AAPL": 1000},
    sweep={"parameter": "percent", "from": 1, "to": 50, "steps": 50},
)


def queued(api: Api) -> Backtest:
    answer = api.post("/backtests", LONG)
    assert answer.status_code == 202, answer.content
    return Backtest.objects.get(pk=answer.json()["id"])


def test_a_long_one_is_queued_and_played_in_slices(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = queued(api)
    assert (asked.status, asked.cells, OrmQ.objects.count()) == ("queued", 253 * 51, 1)
    monkeypatch.setattr("actions.tasks.BACKTEST_SLICE_SECONDS", 0.0)
    assert play_backtest(str(asked.pk)) == "goes on"
    half = api.get(f"/backtests/{asked.pk}").json()
    assert (half["status"], half["progress"], half["settings"]) == ("running", 1, [])
    assert half["result"]["fires_count"] > 0
    assert play_backtest(str(asked.pk)) == "goes on"
    assert len(api.get(f"/backtests/{asked.pk}").json()["settings"]) == 1
    assert OrmQ.objects.count() == 3
    monkeypatch.setattr("actions.tasks.BACKTEST_SLICE_SECONDS", 120.0)
    assert play_backtest(str(asked.pk)) == "has ended"
    done = api.get(f"/backtests/{asked.pk}").json()
    assert (done["status"], done["progress"], len(done["settings"])) == ("done", 100, 50)
    assert play_backtest(str(asked.pk)) == "has ended", "once more does nothing"
    assert api.get(f"/backtests/{asked.pk}").json() == done


def test_what_only_looked_short_is_left_to_the_cluster(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", -1.0)
    answer = Api(owner).post("/backtests", wish())
    assert (answer.status_code, answer.json()["result"]) == (202, None)
    assert OrmQ.objects.count() == 1
    assert play_backtest(answer.json()["id"]) == "has ended"


def test_one_that_is_cancelled_while_it_is_played_stops(api: Api) -> None:
    asked = queued(api)

    def clock() -> datetime:  # somebody cancels it after the first play
        if Backtest.objects.filter(pk=asked.pk, found__isnull=False, status="running").exists():
            assert api.post(f"/backtests/{asked.pk}/cancel").status_code == 200
        return timezone.now()

    assert not runs.go_on_with(backtest_id=asked.pk, clock=clock, slice_seconds=60)
    told = api.get(f"/backtests/{asked.pk}").json()
    assert (told["status"], told["settings"]) == ("cancelled", [])
    assert told["result"] is not None
    assert api.post(f"/backtests/{asked.pk}/cancel").json() == told, "once more changes nothing"
    assert play_backtest(str(asked.pk)) == "has ended"
    assert api.get(f"/backtests/{asked.pk}").json() == told


def test_one_play_that_is_cancelled_stops_amid_its_bars(api: Api) -> None:
    asked = queued(api)
    looks = 0

    def clock() -> datetime:
        nonlocal looks
        looks += 1
        if looks == 5:
            api.post(f"/backtests/{asked.pk}/cancel")
        return timezone.now() + timedelta(seconds=looks)  # so that each look renews the lease

    assert not runs.go_on_with(backtest_id=asked.pk, clock=clock, slice_seconds=60)
    asked.refresh_from_db()
    assert (asked.status, asked.found) == ("cancelled", None)


def test_one_that_is_deleted_while_it_is_played_is_gone(api: Api) -> None:
    asked = queued(api)

    def clock() -> datetime:
        if Backtest.objects.filter(pk=asked.pk, found__isnull=False).exists():
            assert api.delete(f"/backtests/{asked.pk}").status_code == 204
        return timezone.now()

    assert not runs.go_on_with(backtest_id=asked.pk, clock=clock, slice_seconds=60)
    assert api.get(f"/backtests/{asked.pk}").status_code == 404


def test_two_workers_do_not_play_the_same(api: Api) -> None:
    asked = queued(api)
    now = timezone.now()
    lease = playing.Lease.take(asked.pk, now)
    assert lease is not None
    assert playing.Lease.take(asked.pk, now) is None
    late = now + playing.LEASE + timedelta(seconds=1)
    other = playing.Lease.take(asked.pk, late)
    assert other is not None
    with pytest.raises(playing.LeaseLost):
        lease.write(late, progress=99)
    lease.end("failed", late)
    asked.refresh_from_db()
    assert (asked.status, asked.progress) == ("running", 0)


def test_one_whose_worker_died_is_taken_up_where_it_was_and_given_up_in_the_end(api: Api) -> None:
    asked = queued(api)
    OrmQ.objects.all().delete()
    assert take_up_backtests() == "0 taken up", "its turn may come still"
    Backtest.objects.update(updated_at=timezone.now() - 2 * runs.SILENCE)
    assert take_up_backtests() == "1 taken up"
    for attempt in range(runs.MOST_ATTEMPTS):
        long_ago = timezone.now() - timedelta(minutes=5 - attempt)
        assert playing.Lease.take(asked.pk, long_ago), attempt  # and dies
        taken = "0 taken up" if attempt == runs.MOST_ATTEMPTS - 1 else "1 taken up"
        assert take_up_backtests() == taken
    told = api.get(f"/backtests/{asked.pk}").json()
    assert told["status"] == "failed"
    assert "Its worker ended 3 times" in told["error"]
    assert OrmQ.objects.count() == 3


def test_the_schedule_that_takes_them_up_is_made_by_the_migration_once() -> None:
    Schedule.objects.all().delete()
    migration = import_module("actions.migrations.0020_schedule_backtests")
    for _ in range(2):
        migration.create_schedule(apps, None)
    (schedule,) = Schedule.objects.all()
    assert (schedule.func, schedule.minutes) == ("actions.tasks.take_up_backtests", 1)
    assert getattr(tasks, schedule.func.rpartition(".")[2]) is take_up_backtests


def test_a_slice_that_ends_well_is_no_attempt(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = queued(api)
    monkeypatch.setattr("actions.tasks.BACKTEST_SLICE_SECONDS", 0.0)
    for _ in range(runs.MOST_ATTEMPTS + 1):
        play_backtest(str(asked.pk))
    asked.refresh_from_db()
    assert (asked.attempts, asked.status, len(asked.swept)) == (0, "running", 3)


def test_a_setting_that_takes_too_long_fails_in_words(api: Api) -> None:
    asked = queued(api)
    clock = Late(seconds=4)
    assert not runs.go_on_with(backtest_id=asked.pk, clock=clock, slice_seconds=5)
    told = api.get(f"/backtests/{asked.pk}").json()
    assert told["status"] == "failed"
    assert "One setting alone took more than 10 s" in told["error"]


def test_a_fault_of_ours_is_said_and_recorded(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(playing, "backtest", broken)
    told = api.post("/backtests", wish()).json()
    assert (told["status"], told["error"]) == (
        "failed",
        "It failed by a fault of ours, which has been recorded.",
    )
    assert "ZeroDivisionError" in caplog.text


def test_so_many_wait_for_a_user_and_so_many_are_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(runs.MOST_OPEN):
        queued(api)
    before = stored()
    answer = api.post("/backtests", wish())
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_backtests")
    assert stored() == before
    newest = api.get("/backtests").json()["results"][0]["id"]
    assert api.post(f"/backtests/{newest}/cancel").status_code == 200
    monkeypatch.setattr(runs, "KEPT", 3)
    for _ in range(4):
        assert api.post("/backtests", wish()).status_code == 201
    assert Backtest.objects.filter(status="done").count() == 3
    assert not Backtest.objects.filter(pk=newest).exists(), "the oldest that ended goes first"
    assert Backtest.objects.filter(status="queued").count() == runs.MOST_OPEN - 1


def test_the_list_is_ones_own_in_pages_without_results(
    api: Api, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    ids = [api.post("/backtests", wish()).json()["id"] for _ in range(3)]
    with django_assert_max_num_queries(3):
        first = api.get("/backtests?page_size=2").json()
    assert [each["id"] for each in first["results"]] == ids[:0:-1]
    assert "result" not in first["results"][0]
    assert first["next"] is not None
    assert Api(UserFactory.create()).get("/backtests").json()["results"] == []


def test_what_has_ended_is_not_cancelled_but_deleted(api: Api) -> None:
    done = api.post("/backtests", wish()).json()["id"]
    answer = api.post(f"/backtests/{done}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "backtest_has_ended")
    assert api.delete(f"/backtests/{done}").status_code == 204
    assert api.delete(f"/backtests/{done}").status_code == 404
