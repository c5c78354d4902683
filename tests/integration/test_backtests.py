"""Backtests that people ask for, over the API: they find what the engine of backtests does."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import User
from actions.backtest.books import Costs
from actions.backtest.run import backtest
from actions.backtest.sweep import at_setting, sweep
from actions.backtesting import runs
from actions.backtesting.terms import MOST_SETTINGS, Sessions, series_for
from actions.drafting import Draft, parse
from actions.models import Action, Backtest
from actions.rules import Rule
from actions.services import create_action
from market.bars import BadBars
from market.models import AnnouncedSplit
from market.quotes import Bar
from market.services import import_bars
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
    wish,
)
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("feed")]
CASH = Decimal(10_000)


@pytest.fixture(autouse=True)
def _a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 120.0)


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
    assert told["description"].startswith("Sell 10 AAPL when the price falls 10 % from its peak")


SPLIT_ON = date(2008, 6, 2)


def as_printed(bars: Sequence[Bar]) -> list[Bar]:
    """These bars as if each share had become seven on SPLIT_ON."""
    prices = ("open", "high", "low", "close")
    return [
        replace(bar, **{name: getattr(bar, name) * 7 for name in prices}, volume=bar.volume // 7)
        if bar.session < SPLIT_ON
        else bar
        for bar in bars
    ]


def test_splits_of_a_file_are_played_as_the_engine_rescales_a_rule(api: Api) -> None:
    printed = as_csv(as_printed(bars_of("AAPL")))
    asked = wish(bars=printed, holdings={"AAPL": 100}, cash=0)
    told = api.post("/backtests", asked | {"splits": {"AAPL": [["2008-06-02", 7]]}}).json()
    plain = api.post("/backtests", wish(holdings={"AAPL": 100}, cash=0)).json()["result"]
    blind = api.post("/backtests", asked).json()["result"]
    found = told["result"]
    assert [fire["at"] for fire in found["fires"]] == [fire["at"] for fire in plain["fires"]]
    assert [fire["at"] for fire in found["fires"]] != [fire["at"] for fire in blind["fires"]]
    before = [trade for trade in found["trades"] if trade["at"] < "2008-06-02"]
    after = found["trades"][len(before) :]
    assert before
    assert after
    assert {trade["quantity"] for trade in before} == {"10"}
    assert {trade["quantity"] for trade in after} == {"70"}  # the rule's ten, in new shares
    prices = {at: Decimal(close) for at, close in found["prices"]}
    assert all(prices[trade["at"]] == Decimal(trade["price"]) for trade in found["trades"])


def test_recorded_splits_are_worked_into_bars_that_are_held_as_they_were_printed(
    api: Api,
) -> None:
    asked = wish(holdings={"AAPL": 100}, cash=0)
    expected = api.post("/backtests", asked).json()["result"]
    import_bars(bars={"AAPL": as_printed(bars_of("AAPL"))}, names={})
    torn = api.post("/backtests", asked).json()["result"]
    AnnouncedSplit.objects.create(
        instrument_id="AAPL",
        on=SPLIT_ON,
        new_shares=7,
        old_shares=1,
        source="the test",
        announced_at=BEGINS,
        applied_at=BEGINS,
    )
    assert api.post("/backtests", asked).json()["result"] == expected != torn


@pytest.mark.parametrize(
    ("splits", "wrong", "words"),
    [
        ({"AAPL": [["2008-06-02", 1]]}, "splits.AAPL.0.1", "not 1"),
        ({"AAPL": [["2008-06-02", "1e999999999"]]}, "splits.AAPL.0.1", "Use a number"),
        ({"AAPL": [["2008-06-02", "1/0"]]}, "splits.AAPL.0.1", "Use a number"),
        ({"AAPL": [["June", 7]]}, "splits.AAPL.0.0", "Write a day"),
        ({"AAPL": [["2008-06-02", 7], ["2008-06-02", 2]]}, "splits.AAPL", "the same day"),
        ({"IBM": [["2008-06-02", 7]]}, "splits.IBM", "neither watches nor trades"),
    ],
)
def test_splits_that_cannot_be_are_refused(
    api: Api, splits: dict[str, Any], wrong: str, words: str
) -> None:
    asked = wish(bars=as_csv(bars_of("AAPL")), splits=splits)
    answer = api.post("/backtests", asked)
    assert answer.status_code == 400
    (told,) = answer.json()["errors"]
    assert told["field"] == wrong
    assert words in str(told)
    assert not Backtest.objects.exists()


def test_splits_go_with_bars_of_ones_own(api: Api) -> None:
    answer = api.post("/backtests", wish(splits={"AAPL": [["2008-06-02", 7]]}))
    assert wrong_fields(answer) == ["splits"]
    assert "Those of the bars that are held are known" in answer.json()["errors"][0]["message"]


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
    ({"rule": {**STOP, "quantity": "-1"}}, "rule.quantity", "Use more than 0."),
    ({"rule": {**STOP, "trigger_params": {}}}, "rule.trigger_params.amount", "none is set"),
    ({"rule": {**STOP, "portfolio_id": str(uuid4())}}, "rule.portfolio_id", "no such portfolio"),
    ({"rule": None}, "", "exactly one of action_id and rule"),
    ({"start": "2009-01-02", "end": "2008-01-02"}, "end", "must not be before the start"),
    ({"start": "2009-06-02", "end": None}, "start", "those of AAPL are from 2007-11-01"),
    ({"start": "1800-01-02"}, "start", "from 1900 to 2099"),
    ({"end": "9999-12-31"}, "end", "beyond the calendar"),
    ({"start": "soon"}, "start", "or an instant such as"),
    ({"commission_usd": "-1"}, "commission_usd", "Use 0 or more."),
    ({"commission_percent": "100"}, "commission_percent", "less than 100"),
    ({"slippage_percent": "NaN"}, "slippage_percent", "plain number"),
    ({"cash": "-5"}, "cash", "Use 0 or more."),
    ({"holdings": {"IBM": 1}}, "holdings.IBM", "neither watches nor trades it"),
    ({"sweep": {"parameter": "colour", "values": [1]}}, "sweep.parameter", "It has percent"),
    ({"sweep": {"parameter": "percent", "values": [5, 500]}}, "sweep.values.1", "500 cannot be"),
    ({"sweep": {"parameter": "percent", "values": [5, "5.0"]}}, "sweep.values", "each value once"),
    ({"sweep": {"parameter": "percent", "values": []}}, "sweep.values", "must not be empty"),
    (
        {"sweep": {"parameter": "percent", "values": [*range(1, MOST_SETTINGS + 2)]}},
        "sweep.values",
        "at most 100",
    ),
    (
        {"sweep": {"parameter": "percent", "from": 1, "to": 50, "steps": 1_000_000}},
        "sweep.steps",
        "Use 100 or less.",
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
