"""Backtests that people ask for, over the API: they find what the engine of backtests does."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from accounts.models import User
from actions import tasks
from actions.backtest.books import Costs
from actions.backtest.run import backtest
from actions.backtest.sweep import at_setting, sweep
from actions.backtesting import playing, runs
from actions.backtesting.terms import MOST_SETTINGS, Sessions, series_for
from actions.drafting import Draft, parse
from actions.models import Action, Backtest
from actions.rules import Rule
from actions.services import create_action
from actions.tasks import play_backtest, take_up_backtests
from market.bars import BadBars
from portfolios.ledger import Position, Side, Snapshot
from portfolios.limits import Limits
from portfolios.models import Portfolio
from portfolios.services import deposit, primary_portfolio, set_limits, trade
from tests.api import Api, wrong_fields
from tests.backtests import (
    BEGINS,
    END,
    ENDS,
    START,
    STOP,
    YEAR,
    as_csv,
    bars_of,
    hold_bars,
    series_of,
)
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("feed")]
CASH = Decimal(10_000)


@pytest.fixture
def owner(instruments: None) -> User:
    hold_bars("AAPL")
    user = UserFactory.create()
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=CASH + 1000, at=timezone.now())
    trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(100),
        price=Decimal(10),
        at=timezone.now(),
    )
    return user


@pytest.fixture
def api(owner: User) -> Api:
    return Api(owner)


def wish(**more: Any) -> dict[str, Any]:
    return {"rule": STOP, **YEAR, **more}


def ours(**changes: Any) -> Rule:
    """The rule of the wish, as the engine has it."""
    fields = {**STOP, "quantity": Decimal(10), **changes}
    return parse(Draft(**fields), BEGINS)


HELD = Snapshot(CASH, {"AAPL": Position(Decimal(100), Decimal(1000))})


def fires_of(result: dict[str, Any]) -> list[tuple[datetime, Decimal, str]]:
    return [
        (datetime.fromisoformat(fire["at"]), Decimal(fire["price"]), fire["reason"])
        for fire in result["fires"]
    ]


def test_a_short_one_is_answered_at_once_and_equals_the_engine_of_backtests(api: Api) -> None:
    costs = Costs(Decimal(1), Decimal("0.1"), Decimal("0.05"))
    answer = api.post(
        "/backtests",
        wish(commission_usd="1", commission_percent="0.1", slippage_percent="0.05"),
    )
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert answer["Location"].endswith(f"/api/backtests/{told['id']}")
    assert api.get(f"/backtests/{told['id']}").json() == told
    found = told["result"]
    expected = backtest(
        ours(), series_of("AAPL"), start=BEGINS, end=ENDS, portfolio=HELD, costs=costs
    )
    assert len(expected.fires) > 5
    assert fires_of(found) == [(fire.at, fire.price, fire.reason) for fire in expected.fires]
    assert found["fires_count"] == len(expected.fires)
    assert [
        (each["side"], Decimal(each["quantity"]), Decimal(each["price"]), Decimal(each["amount"]))
        for each in found["trades"]
    ] == [(t.side.lower(), t.quantity, t.price, t.amount) for t in expected.trades]
    assert [Decimal(each["commission"]) for each in found["trades"]] == [
        trade.commission for trade in expected.trades
    ]
    assert [(each["why"], each["reason"]) for each in found["blocked"]] == [
        (str(blocked.why), blocked.reason) for blocked in expected.blocked
    ]
    curve = expected.equity.curve(500)
    assert [(Decimal(each["portfolio"]), Decimal(each["held"])) for each in found["equity"]] == [
        (worth.portfolio, worth.held) for worth in curve
    ]
    assert (found["status"], found["reason"]) == (str(expected.after.status), expected.reason)
    assert Decimal(found["portfolio"]["cash"]) == expected.portfolio.cash
    assert (told["status"], told["progress"], told["error"]) == ("done", 100, "")
    assert told["description"].startswith("Sell 10 AAPL when the price falls 10% from its peak")


def test_a_sweep_equals_a_backtest_of_each_setting(api: Api) -> None:
    asked = wish(sweep={"parameter": "percent", "from": 5, "to": "20", "steps": 4})
    told = api.post("/backtests", asked).json()
    values = [Decimal(5), Decimal(10), Decimal(15), Decimal(20)]
    assert [Decimal(value) for value in told["values"]] == values
    series = series_of("AAPL")
    first = sweep(ours(), "percent", values, series, start=BEGINS, end=ENDS)
    for value, fire, row in zip(values, first, told["settings"], strict=True):
        expected = backtest(
            at_setting(ours(), "percent", value), series, start=BEGINS, end=ENDS, portfolio=HELD
        )
        assert (Decimal(row["value"]), row["fires"]) == (value, len(expected.fires))
        assert Decimal(row["worth"]) == expected.equity.curve(2)[-1].portfolio
        assert fire is not None
        assert datetime.fromisoformat(row["first_at"]) == fire.at
    assert told["settings"][1]["fires"] == told["result"]["fires_count"]


def test_a_sweep_of_whole_numbers_tries_each_once(api: Api) -> None:
    rule = {
        "action_type": "NOTIFY",
        "symbol": "AAPL",
        "trigger_type": "ma_cross",
        "trigger_params": {"short": 5, "long": 20},
        "max_executions": None,
    }
    asked = wish(rule=rule, sweep={"parameter": "short", "from": 2, "to": 5, "steps": 9})
    told = api.post("/backtests", asked).json()
    assert told["values"] == ["2", "3", "4", "5"]
    assert [row["worth"] for row in told["settings"]] == [None] * 4
    assert told["result"]["equity"] == []


def test_a_stored_rule_begins_with_the_backtest_and_stays_as_it_is(api: Api, owner: User) -> None:
    now = timezone.now()
    draft = Draft(**{**STOP, "quantity": Decimal(10)}, valid_until=now + timedelta(days=3))
    rule = create_action(user=owner, draft=draft, now=now)
    before = Action.objects.values().get(pk=rule.pk)
    told = api.post("/backtests", {"action_id": str(rule.pk), **YEAR}).json()
    assert told["action_id"] == str(rule.pk)
    expected = backtest(ours(), series_of("AAPL"), start=BEGINS, end=ENDS, portfolio=HELD)
    assert told["result"]["fires_count"] == len(expected.fires)
    assert Action.objects.values().get(pk=rule.pk) == before
    other = Api(UserFactory.create())
    assert other.post("/backtests", {"action_id": str(rule.pk), **YEAR}).status_code == 404


def test_the_start_is_the_portfolio_unless_it_is_said(api: Api, owner: User) -> None:
    told = api.post("/backtests", wish(cash="500", holdings={"aapl": 3})).json()
    assert told["cash"] == "500"
    assert told["result"]["blocked"][0]["why"] == "insufficient_shares"
    assert told["result"]["portfolio"] == {"cash": "500.00", "holdings": {"AAPL": "3"}}
    cost = bars_of("AAPL", last=START)[-2].close * 3
    kept = Backtest.objects.get(pk=told["id"]).terms["portfolio"]["positions"]["AAPL"]
    assert Decimal(kept["cost_basis"]) == round(cost, 2)
    set_limits(portfolio_id=primary_portfolio(user=owner).pk, limits=Limits(order_most=Decimal(1)))
    limited = api.post("/backtests", wish()).json()["result"]
    assert (limited["trades"], limited["blocked"][0]["why"]) == ([], "above_maximum")


def test_nothing_is_opened_for_who_has_no_portfolio() -> None:
    hold_bars("AAPL")
    newcomer = UserFactory.create()
    told = Api(newcomer).post("/backtests", wish()).json()
    assert (told["cash"], told["result"]["trades_count"]) == ("0", 0)
    assert not Portfolio.objects.filter(user=newcomer).exists()


def test_a_file_of_bars_goes_before_those_that_are_held(api: Api) -> None:
    bars = bars_of("IBM", START, END)
    told = api.post(
        "/backtests", wish(rule={**STOP, "symbol": "IBM"}, bars=as_csv(bars), holdings={"IBM": 99})
    ).json()
    assert told["status"] == "done"
    assert len(told["result"]["prices"]) == len(bars)
    assert Backtest.objects.get(pk=told["id"]).bars is None, "they are not kept"
    unknown = as_csv(bars).replace("IBM", "MINE.X")
    assert (
        api.post("/backtests", wish(rule={**STOP, "symbol": "MINE.X"}, bars=unknown)).status_code
        == 201
    )


def test_a_rule_that_only_looks_at_the_clock_needs_no_bars(api: Api) -> None:
    rule = {
        "action_type": "NOTIFY",
        "trigger_type": "time_of_day",
        "trigger_params": {"time": "10:00", "days": "trading_days"},
        "max_executions": None,
    }
    told = api.post("/backtests", wish(rule=rule)).json()
    assert told["result"]["fires_count"] == 253
    assert (told["result"]["symbol"], told["result"]["prices"]) == (None, [])


# --- What is refused ---

FILE = as_csv(bars_of("AAPL", START, END))
LINES = FILE.splitlines()


def lines(*numbers: int | str) -> str:
    """A file of these lines of FILE, from 1, and of others as they are."""
    return "\n".join(LINES[n - 1] if isinstance(n, int) else n for n in numbers)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"bars": lines(1, 2, 3, 5, 6)}, "bars", "bars line 4: .* is missing"),
    ({"bars": lines(1, 2, 3, 3)}, "bars", "bars line 4: timestamp .* is there twice"),
    ({"bars": lines(1, 3, 2)}, "bars", "bars line 3: timestamp .* comes after"),
    ({"bars": lines(1, "AAPL,2008-01-02T21:00:00Z,0,0,0,0,1")}, "bars", "bars line 2: .*above 0"),
    ({"bars": lines(1, 2).replace("close,", "shut,")}, "bars", "line 1: .* no column close"),
    ({"bars": as_csv(bars_of("IBM", START, END))}, "bars", "The file has no bars of AAPL"),
    ({"bars": ""}, "bars", "bars: is empty"),
    ({"bars": lines(1)}, "bars", "has a header and no bars"),
    ({"bars": "x" * (8 * 2**20 + 1)}, "bars", "at most"),
    ({"rule": {**STOP, "symbol": "MSFT"}}, "bars", "No bars of MSFT are held here"),
    ({"rule": {**STOP, "symbol": "NOSUCH"}}, "rule.symbol", "is not a symbol that is known here"),
    ({"rule": {**STOP, "quantity": "-1"}}, "rule.quantity", "greater than 0"),
    ({"rule": {**STOP, "trigger_params": {}}}, "rule.trigger_params.amount", "none is set"),
    ({"rule": {**STOP, "portfolio_id": str(uuid4())}}, "rule.portfolio_id", "no such portfolio"),
    ({"rule": None}, "", "exactly one of action_id and rule"),
    ({"start": "2009-01-02", "end": "2008-01-02"}, "end", "must not be before the start"),
    ({"start": "2009-06-02", "end": None}, "start", "those of AAPL are from 2007-11-01"),
    ({"start": "1800-01-02"}, "start", "from 1900 to 2099"),
    ({"end": "9999-12-31"}, "end", "beyond the calendar"),
    ({"start": "soon"}, "start", "Write an instant"),
    ({"commission_usd": "-1"}, "commission_usd", "greater than or equal to 0"),
    ({"commission_percent": "100"}, "commission_percent", "less than 100"),
    ({"slippage_percent": "NaN"}, "slippage_percent", "plain number"),
    ({"cash": "-5"}, "cash", "greater than or equal to 0"),
    ({"holdings": {"IBM": 1}}, "holdings.IBM", "neither watches nor trades it"),
    ({"sweep": {"parameter": "colour", "values": [1]}}, "sweep.parameter", "It has percent"),
    ({"sweep": {"parameter": "percent", "values": [5, 500]}}, "sweep.values.1", "500 cannot be"),
    ({"sweep": {"parameter": "percent", "values": [5, "5.0"]}}, "sweep.values", "each value once"),
    ({"sweep": {"parameter": "percent", "values": []}}, "sweep.values", "at least 1"),
    (
        {"sweep": {"parameter": "percent", "values": [*range(1, MOST_SETTINGS + 2)]}},
        "sweep.values",
        "at most 100",
    ),
    (
        {"sweep": {"parameter": "percent", "from": 1, "to": 50, "steps": 1_000_000}},
        "sweep.steps",
        "less than or equal to 100",
    ),
    ({"sweep": {"parameter": "percent", "from": 1, "to": 500, "steps": 9}}, "sweep.from", "cannot"),
    ({"sweep": {"parameter": "percent", "from": 1}}, "sweep", "from, to and steps"),
    ({"sweep": {"parameter": "percent", "values": [1], "steps": 2}}, "sweep", "either values"),
    ({"sessions": "never"}, "sessions", "exchange"),
    ({"colour": "red"}, "colour", "not among the fields"),
]


@pytest.mark.parametrize(("changes", "field", "words"), BAD)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    api: Api, changes: dict[str, Any], field: str, words: str
) -> None:
    before = stored()
    answer = api.post("/backtests", wish(**changes))
    assert answer.status_code == 400, answer.content
    assert wrong_fields(answer) == [field]
    (error,) = answer.json()["errors"]
    assert re.search(words, error["message"]), error["message"]
    assert (stored(), OrmQ.objects.count()) == (before, 0)


def test_more_bars_times_settings_than_can_be_played_are_refused(api: Api) -> None:
    minute = datetime(2008, 1, 2, 14, 30, tzinfo=UTC)
    rows = (
        f"AAPL,{minute + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},5,5,5,5,1" for n in range(11_000)
    )
    file = "\n".join([LINES[0], *rows])
    asked = wish(bars=file, sweep={"parameter": "percent", "from": 1, "to": 90, "steps": 100})
    answer = api.post("/backtests", asked)
    assert (answer.status_code, wrong_fields(answer)) == (400, ["sweep"])
    assert "11,000 bars times 101 settings, at most 500,000" in answer.json()["detail"]


def test_a_body_beyond_any_file_is_too_large(api: Api) -> None:
    answer = api.post("/backtests", wish(bars="x" * (10 * 2**20)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.usefixtures("instruments")
def test_a_file_in_another_encoding_is_named_by_its_line() -> None:
    with pytest.raises(BadBars, match="byte 47 in line 2 is not UTF-8 text"):
        series_for(ours(), Sessions.EXCHANGE, LINES[0].encode() + b"\nAAP\xe9", BEGINS)


# --- Long ones ---


class Late:
    """A clock that goes on by so many seconds whenever it is read."""

    def __init__(self, seconds: float = 0) -> None:
        self.now, self.step = timezone.now(), timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


LONG = wish(sweep={"parameter": "percent", "from": 1, "to": 50, "steps": 50})


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
    monkeypatch.undo()
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
    migration = import_module("actions.migrations.0101_schedule_backtests")
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
    assert "One setting alone took more than 45 s" in told["error"]


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
