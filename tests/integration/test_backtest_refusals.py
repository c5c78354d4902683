"""Backtests that cannot be: what is wrong is named, and nothing is stored."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django_q.models import OrmQ

from actions.backtesting.terms import MOST_SETTINGS, Sessions, series_for
from market.bars import BadBars
from tests.api import Api, wrong_fields
from tests.backtests import (
    BEGINS,
    END,
    START,
    STOP,
    as_csv,
    bars_of,
    wish,
)
from tests.integration.test_api_bad_calls import stored
from tests.integration.test_backtests import api, ours, owner

__all__ = ["api", "owner"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("feed")]


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
    ({"start": "2009-06-02", "end": None}, "start", "those of AAPL are from Thu 1 Nov 2007 "),
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
