"""Real daily closes, played to a trigger one by one, and where each rule must first fire."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from actions.rules import Outcome
from market.bars import read_bars
from market.hours import Exchange
from market.quotes import Bar, Sample
from tests.unit.conftest import a_rule, a_view

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
SHIPPED = ROOT / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"


@cache
def bars_in(file: Path) -> Mapping[str, Sequence[Bar]]:
    return read_bars(file)


def first_fire(
    trigger_type: str,
    params: Mapping[str, Any],
    bars: Sequence[Bar],
    start: datetime,
    *,
    tells_close: bool = False,
) -> datetime | None:
    """The bar at which a rule that is made at `start` fires; each close is a quote."""
    rule = a_rule(trigger_type, params, symbol=bars[0].symbol)
    count = sum(bar.at <= start for bar in bars)
    for index in range(max(count - 1, 0), len(bars)):
        bar = bars[index]
        before = bars[index - 1].close if tells_close and index else None
        quote = Sample(bar.symbol, bar.close, bar.at, bar.volume, before)
        view = replace(
            a_view(bar.at, calendar=Exchange()),
            quotes={bar.symbol: quote},
            bars={bar.symbol: bars[max(0, index - 400) : index + 1]},
        )
        if bar.at <= start:  # the last quote before the rule: it is activated by it
            rule = rule.with_state(rule.trigger.activate(rule, view))
            continue
        evaluation = rule.trigger.evaluate(rule, view)
        if evaluation.outcome is Outcome.FIRED:
            return bar.at
        rule = rule.with_state(evaluation.state)
    return None


def shared_rows(prefix: str) -> Iterator[tuple[str, dict[str, Any], Sequence[Bar], datetime, Any]]:
    """The rows of the shared table whose id starts with `prefix`; skips where there is none."""
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    for row in csv.DictReader(table.read_text().splitlines()):
        if row["rule_id"].startswith(prefix):
            bars = bars_in(SHARED / row["data_file"])[row["symbol"]]
            at = row["first_fire_timestamp"]
            fires_at = datetime.fromisoformat(at) if at else None
            start = datetime.fromisoformat(row["start"])
            yield row["rule_id"], json.loads(row["params"]), bars, start, fires_at
