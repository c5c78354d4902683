"""Backtests that people ask for, over the API: they find what the engine of backtests does."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from actions.backtest.books import Costs
from actions.backtest.run import backtest
from actions.backtest.sweep import at_setting, sweep
from actions.backtesting import runs
from actions.drafting import Draft, parse
from actions.models import Action, Backtest
from actions.rules import Rule
from actions.services import create_action
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
