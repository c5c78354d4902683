"""A backtest of real bars says what the real engine does when it ticks with every bar."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actions.backtest.run import backtest
from actions.backtest.series import Series
from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from market.bars import read_bars
from market.hours import AlwaysOpen
from market.quotes import Bar
from market.services import accept_quotes, follow
from portfolios.ledger import Snapshot
from portfolios.models import Transaction
from portfolios.services import deposit, open_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.unit.real_bars import SHIPPED

pytestmark = pytest.mark.django_db

CASH = Decimal("2500.00")
DAY = timedelta(days=1)
BUY = {"action_type": "BUY", "quantity": Decimal(10)}
SOME = {"action_type": "BUY", "amount_usd": Decimal("333.33")}
REBALANCE = {"action_type": "REBALANCE", "action_params": {"targets": {"IBM": "0.5"}}}
TELL = {"action_type": "NOTIFY"}
RULES: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    ("price_below", {"threshold": "120"}, BUY),
    ("price_above", {"threshold": "122", "on": "cross"}, SOME),
    ("trailing_stop", {"percent": "3"}, SOME),
    ("trailing_stop", {"amount": "2", "direction": "up"}, TELL),
    ("change_pct", {"change": "2", "direction": "down"}, SOME),
    ("ma_cross", {"short": 2, "long": 5, "direction": "either"}, SOME),
    ("volume_above", {"multiple": "1.1", "lookback": 3}, TELL),
    ("from_high", {"percent": "4", "lookback": 10}, SOME),
    ("from_cost", {"percent": "1", "direction": "up"}, TELL),
    ("drift", {"tolerance_pct": "2"}, REBALANCE),
]


def a_bar_a_day(bars: Sequence[Bar], first: datetime) -> list[Bar]:
    """The bars, moved to days that follow each other: a market that never closes has no gap."""
    moved = []
    for n, bar in enumerate(bars):
        at = AlwaysOpen().close_of((first + n * DAY).date())
        moved.append(Bar(bar.symbol, at, bar.open, bar.high, bar.low, bar.close, bar.volume))
    return moved


def test_a_backtest_fires_trades_and_ends_as_the_engine_that_ticks_with_every_bar(
    feed: Feed,
) -> None:
    shipped = [bar for bar in read_bars(SHIPPED)["IBM"] if bar.session.year == 2008]
    bars = a_bar_a_day(shipped[100:150], datetime(2026, 3, 2, tzinfo=UTC))
    start = bars[14].at + timedelta(hours=1)
    list_instruments(["IBM"])
    feed.calendar, feed.bars = AlwaysOpen(), {"IBM": bars}
    before = bars[14]
    feed.says("IBM", before.close, before.at, volume=before.volume)
    follow(symbols=["IBM"])  # its last price is known when the rules are made
    quotes = list(feed.samples.values())
    accept_quotes(samples=quotes, now=before.at, max_age=timedelta(minutes=1))
    user = UserFactory.create()
    rules = []
    for n, (kind, params, effect) in enumerate(RULES):
        portfolio = open_portfolio(user=user, name=f"No. {n}")
        deposit(portfolio=portfolio, amount=CASH, at=start)
        draft = Draft(
            trigger_type=kind,
            trigger_params=params,
            symbol=None if kind == "drift" else "IBM",
            portfolio_id=portfolio.pk,
            max_executions=None,
            cooldown_seconds=3 * 86_400,
            **effect,
        )
        rules.append(create_action(user=user, draft=draft, now=start))
    told = [backtested(rule, bars, start) for rule in rules]
    for bar in bars[15:]:
        feed.says("IBM", bar.close, bar.at, volume=bar.volume)
        assert run_tick(now=bar.at).errors == []
    for rule, expected in zip(rules, told, strict=True):
        rule.refresh_from_db()
        assert engine_did(rule) == expected, rule.trigger_type
    assert sum(len(fires) for fires, *_ in told) > 20


type Did = tuple[list[datetime], list[tuple[Decimal, Decimal]], str]


def backtested(action: Action, bars: Sequence[Bar], start: datetime) -> Did:
    rule = action.as_rule()
    series = {"IBM": Series.of("IBM", bars)}
    portfolio, calendar = Snapshot(CASH), AlwaysOpen()
    done = backtest(rule, series, start=start, portfolio=portfolio, calendar=calendar)
    trades = [(trade.amount, trade.cash_after) for trade in done.trades]
    return [fire.at for fire in done.fires], trades, str(done.after.status)


def engine_did(action: Action) -> Did:
    executions = ActionExecution.objects.filter(action=action, execution_status="success")
    lines = Transaction.objects.filter(portfolio=action.portfolio).exclude(kind="deposit")
    return (
        list(executions.order_by("sequence").values_list("triggered_at", flat=True)),
        list(lines.order_by("sequence").values_list("amount", "cash_after")),
        action.status,
    )
