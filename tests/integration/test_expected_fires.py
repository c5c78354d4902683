"""Rules over real bars fire at the bar at which they must, or stay silent."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from market.bars import read_bars
from market.quotes import Bar
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
    params: dict[str, str]
    start: datetime
    fires_at: datetime | None
    price: Decimal | None = None


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# Read off the shipped bars with four independent tools (decimal arithmetic, pandas, SQLite,
# vectorbt), comparing inclusively.
OURS = [
    Case(name, symbol, kind, params, utc(start), utc(at) if at else None, Decimal(price) if price else None)
    for name, symbol, kind, params, start, at, price in [
        ("to the cent", "MSFT", "price_above", {"threshold": "30"}, "2009-03-09T15:00Z", "2009-11-17T21:00Z", None),
        ("already true", "IBM", "price_above", {"threshold": "100"}, "2008-07-01T14:00Z", "2008-07-01T20:00Z", "119.27"),
        ("crossing", "IBM", "price_above", {"threshold": "100", "on": "cross"}, "2008-07-01T14:00Z", "2009-04-02T20:00Z", None),
        ("crash", "IBM", "price_below", {"threshold": "80"}, "2008-07-01T14:00Z", "2008-10-27T20:00Z", "79.66"),
        ("never", "MSFT", "price_below", {"threshold": "15"}, "2009-03-10T14:00Z", None, None),
        ("second low", "AAPL", "price_below", {"threshold": "85"}, "2008-12-01T15:00Z", "2009-01-15T21:00Z", "83.38"),
    ]
]  # fmt: skip


def test_price_rules_fire_at_their_bar_through_the_engine(feed: Feed) -> None:
    assert_fires(OURS, {s: b for s, b in read_bars(BARS).items() if s != "FB"}, feed)


def test_price_rules_of_the_shared_table_fire_at_their_bar(feed: Feed) -> None:
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    by_file: dict[str, list[Case]] = {}
    for row in csv.DictReader(table.open()):
        if row["trigger_type"] in LEVEL_TRIGGERS:
            by_file.setdefault(row["data_file"], []).extend(cases_of(row))
    assert sum(map(len, by_file.values())) >= 14
    for file, cases in by_file.items():
        assert_fires(cases, read_bars(SHARED / file), feed)


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


def assert_fires(cases: list[Case], bars: dict[str, tuple[Bar, ...]], feed: Feed) -> None:
    """Plays every bar to the engine, creating each rule at its start, and compares the fires."""
    list_instruments(bars)
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(1_000_000), at=cases[0].start)
    waiting = sorted(cases, key=lambda case: case.start)
    rules: dict[str, Action] = {}
    last = max(case.fires_at or case.start + timedelta(days=400) for case in cases)
    for at, samples in timeline(bars, until=last):
        while waiting and waiting[0].start <= at:
            case = waiting.pop(0)
            rules[case.name] = create_action(user=user, draft=draft(case), now=case.start)
        for bar in samples:
            feed.says(bar.symbol, bar.close, at, volume=bar.volume)
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
    for case in cases:
        one = found[case.name]
        if one is not None and case.price is not None:
            assert Decimal(one.details["trades"][0]["price"]) == case.price
    assert discrepancies() == []


def timeline(
    bars: dict[str, tuple[Bar, ...]], *, until: datetime
) -> Iterator[tuple[datetime, list[Bar]]]:
    by_instant: dict[datetime, list[Bar]] = {}
    for series in bars.values():
        for bar in series:
            if bar.at <= until:
                by_instant.setdefault(bar.at, []).append(bar)
    return iter(sorted(by_instant.items(), key=lambda item: item[0]))


def draft(case: Case) -> Draft:
    return Draft(
        action_type="BUY",
        symbol=case.symbol,
        quantity=Decimal(1),
        trigger_type=case.trigger_type,
        trigger_params=case.params,
        valid_from=case.start,
    )
