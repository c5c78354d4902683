"""Rules over real bars fire at the bar at which they must, or stay silent."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from market.bars import read_bars
from market.hours import Exchange
from market.quotes import Bar
from market.services import accept_quotes, follow
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
BARS = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
SHARED = ROOT.parent / "shared" / "data"
LEVEL_TRIGGERS = ("price_above", "price_below")


@dataclass(frozen=True)
class Case:
    """A rule from `start` on, and the bar at which it must first fire; None: never."""

    name: str
    symbol: str
    trigger_type: str
    params: dict[str, Any]
    start: datetime
    fires_at: datetime | None


@dataclass(frozen=True)
class Close:
    """A quote known at the close of a session."""

    symbol: str
    at: datetime
    price: Decimal


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def case(
    name: str, symbol: str, side: str, params: dict[str, str], start: str, at: str | None
) -> Case:
    return Case(name, symbol, f"price_{side}", params, utc(start), utc(at) if at else None)


# Read off the shipped bars with four independent tools (decimal arithmetic, pandas, SQLite,
# vectorbt), comparing inclusively.
AT_30, AT_100, AT_80, AT_15, AT_85 = (
    {"threshold": price} for price in ["30", "100", "80", "15", "85"]
)
OURS = [
    case("to the cent", "MSFT", "above", AT_30, "2009-03-09T15:00Z", "2009-11-17T21:00Z"),
    case("already true", "IBM", "above", AT_100, "2008-07-01T14:00Z", "2008-07-01T20:00Z"),
    case(
        "a crossing",
        "IBM",
        "above",
        AT_100 | {"on": "cross"},
        "2008-07-01T14:00Z",
        "2009-04-02T20:00Z",
    ),
    case("a crash", "IBM", "below", AT_80, "2008-07-01T14:00Z", "2008-10-27T20:00Z"),
    case("never", "MSFT", "below", AT_15, "2009-03-10T14:00Z", None),
    case("a second low", "AAPL", "below", AT_85, "2008-12-01T15:00Z", "2009-01-15T21:00Z"),
]


def test_price_rules_fire_at_their_bar_through_the_engine(feed: Feed) -> None:
    bars = read_bars(BARS)
    closes = [Close(bar.symbol, bar.at, bar.close) for series in bars.values() for bar in series]
    assert_fires(OURS, closes, feed)


def test_price_rules_of_the_shared_table_fire_at_their_bar(feed: Feed) -> None:
    by_file: dict[str, list[Case]] = {}
    for row in shared_table():
        if row["trigger_type"] in LEVEL_TRIGGERS:
            by_file.setdefault(row["data_file"], []).extend(cases_of(row))
    assert sum(map(len, by_file.values())) >= 14
    for file, cases in by_file.items():
        assert_fires(cases, closes_in(SHARED / file), feed)


SECOND_KINDS = ("change_pct", "trailing_stop", "ma_cross", "volume_above")


def test_the_other_rules_of_the_shared_table_fire_at_their_bar(feed: Feed) -> None:
    rows = [row for row in shared_table() if row["trigger_type"] in SECOND_KINDS]
    assert len(rows) == 15
    feed.calendar = Exchange()
    for file in sorted({row["data_file"] for row in rows}):
        cases = [case for row in rows if row["data_file"] == file for case in [case_of(row)]]
        assert_notices(cases, read_bars(SHARED / file), feed)


def test_the_windows_of_the_shared_table_open_at_their_minute(feed: Feed) -> None:
    rows = [row for row in shared_table() if row["trigger_type"] == "time_of_day"]
    assert len(rows) == 5
    feed.calendar = Exchange()
    user = UserFactory.create()
    for row in rows:
        case = case_of(row)
        assert case.fires_at is not None
        action = create_action(user=user, draft=notice(case), now=case.start)
        at = case.start.replace(second=0) + timedelta(minutes=1)
        while not ActionExecution.objects.filter(action=action).exists():
            assert at <= case.fires_at, f"{case.name} is late"
            due = action.watches.order_by("at").values_list("at", flat=True).last()
            # Nothing happens before the instant it waits for: that is the contract's business.
            if due is not None and due > at + timedelta(minutes=2):
                at = due - timedelta(minutes=1)
            assert run_tick(now=at).errors == []
            at += timedelta(minutes=1)
        assert ActionExecution.objects.get(action=action).triggered_at == case.fires_at, case.name


def shared_table() -> list[dict[str, str]]:
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    return list(csv.DictReader(table.read_text().splitlines()))


def case_of(row: dict[str, str]) -> Case:
    at = row["first_fire_timestamp"]
    return Case(
        name=row["rule_id"],
        symbol=row["symbol"],
        trigger_type=row["trigger_type"],
        params=json.loads(row["params"]),
        start=utc(row["start"]),
        fires_at=utc(at) if at else None,
    )


def assert_notices(cases: list[Case], bars: Mapping[str, Sequence[Bar]], feed: Feed) -> None:
    """Plays every bar to the engine, its past sessions known, and compares the notices."""
    list_instruments(bars)
    follow(symbols=bars.keys())
    feed.bars = bars
    user = UserFactory.create()
    waiting = sorted(cases, key=lambda case: case.start)
    rules: dict[str, Action] = {}
    last = max(case.fires_at or case.start + timedelta(days=400) for case in cases)
    played = sorted((bar for of in bars.values() for bar in of), key=attrgetter("at"))
    for at, samples in groupby(played, key=attrgetter("at")):
        if at > last:
            break
        while waiting and waiting[0].start <= at:
            case = waiting.pop(0)
            # Somebody has looked at the symbol before: its last quote is known.
            said = list(feed.samples.values())
            accept_quotes(samples=said, now=case.start, max_age=timedelta(minutes=1))
            rules[case.name] = create_action(user=user, draft=notice(case), now=case.start)
        for bar in samples:
            feed.says(bar.symbol, bar.close, at, volume=bar.volume)
        if rules:
            assert run_tick(now=at).errors == []
    fired = {
        execution.action_id: execution.triggered_at
        for execution in ActionExecution.objects.filter(action__user=user)
    }
    assert {name: fired.get(rule.pk) for name, rule in rules.items()} == {
        case.name: case.fires_at for case in cases
    }


def notice(case: Case) -> Draft:
    return Draft(
        action_type="NOTIFY",
        symbol=case.symbol or None,
        trigger_type=case.trigger_type,
        trigger_params=case.params,
        valid_from=case.start,
    )


def cases_of(row: dict[str, str]) -> Iterator[Case]:
    for on in ("level", "cross"):
        at = row[f"{on}_inclusive"]
        yield Case(
            name=f"{row['rule_id']} {on}",
            symbol=row["symbol"],
            trigger_type=row["trigger_type"],
            params=json.loads(row["params"]) | {"on": on},
            start=utc(row["start"]),
            fires_at=utc(at) if at else None,
        )


def closes_in(file: Path) -> list[Close]:
    """Only the closes: some opens of the VIX are misprints, which `read_bars` rightly refuses."""
    return [
        Close(row["symbol"], utc(row["timestamp"]), Decimal(row["close"]))
        for row in csv.DictReader(file.read_text().splitlines())
    ]


def assert_fires(cases: list[Case], closes: list[Close], feed: Feed) -> None:
    """Plays every close to the engine, creating each rule at its start, and compares the fires."""
    list_instruments({close.symbol for close in closes})
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(1_000_000), at=cases[0].start)
    waiting = sorted(cases, key=lambda case: case.start)
    rules: dict[str, Action] = {}
    last = max(case.fires_at or case.start + timedelta(days=400) for case in cases)
    played = sorted((close for close in closes if close.at <= last), key=attrgetter("at"))
    for at, samples in groupby(played, key=attrgetter("at")):
        while waiting and waiting[0].start <= at:
            case = waiting.pop(0)
            rules[case.name] = create_action(user=user, draft=draft(case), now=case.start)
        for close in samples:
            feed.says(close.symbol, close.price, at)
        if rules:
            assert run_tick(now=at).errors == []
    fired = {
        execution.action_id: execution
        for execution in ActionExecution.objects.filter(action__user=user)
    }
    found = {name: fired.get(rule.pk) for name, rule in rules.items()}
    assert {name: one and one.triggered_at for name, one in found.items()} == {
        case.name: case.fires_at for case in cases
    }
    price_at = {(close.symbol, close.at): close.price for close in closes}
    for rule in cases:
        if one := found[rule.name]:
            paid = Decimal(one.details["trades"][0]["price"])
            assert paid == price_at[rule.symbol, one.triggered_at]
    assert discrepancies() == []


def draft(case: Case) -> Draft:
    return Draft(
        action_type="BUY",
        symbol=case.symbol,
        quantity=Decimal(1),
        trigger_type=case.trigger_type,
        trigger_params=case.params,
        valid_from=case.start,
    )
