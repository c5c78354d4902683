"""Splits that a feed tells of, over real HTTP from a server on loopback."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from actions.engine import Report, look_at_the_woken, take_in
from actions.models import Action
from actions.services import Draft, create_action
from actions.splits import record_announced
from market.models import AnnouncedSplit, FeedBudget, FeedIncident, Quote
from market.quotes import Sample
from market.services import ask_for_splits
from tests.conftest import list_instruments
from tests.factories import UserFactory
from tests.feed_server import KEY, FeedServer, says

pytestmark = pytest.mark.django_db

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "twelvedata"
NOW = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)


def split(symbol: str, new: object, old: object, on: str, mic: str = "XNAS") -> dict[str, object]:
    return {
        "date": on,
        "symbol": symbol,
        "mic_code": mic,
        "exchange": "NASDAQ",
        "description": f"{new}-for-{old} split",
        "ratio": 1,
        "from_factor": new,
        "to_factor": old,
    }


@pytest.fixture
def rule(live: FeedServer) -> Action:
    list_instruments(["AAPL", "MSFT"])
    draft = Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="price_below",
        trigger_params={"threshold": "210"},
    )
    return create_action(user=UserFactory.create(), draft=draft, now=NOW)


def test_what_the_calendar_tells_of_watched_symbols_is_recorded_once(
    live: FeedServer, rule: Action
) -> None:
    live.says(
        says(
            [
                split("AAPL", 7, 1, "2026-11-17"),
                split("AAPL", 1, 3, "2026-11-17", mic="XMUN"),  # another company's, in Munich
                split("MSFT", 2, 1, "2026-11-20"),  # nobody watches it
                split("AAPL", 0, 1, "2026-11-30"),
                split("AAPL", "NaN", 1, "2026-11-30"),
                split("AAPL", 2, 1, "soon"),
                "no split",
            ]
        )
    )
    assert record_announced(now=NOW) == 1
    recorded = AnnouncedSplit.objects.get()
    assert (recorded.instrument_id, recorded.on, recorded.factor) == (
        "AAPL",
        date(2026, 11, 17),
        Fraction(7),
    )
    assert (recorded.source, recorded.applied_at) == ("twelvedata", NOW)
    rule.refresh_from_db()
    # The rule was made on the day of the split: it is meant in new shares.
    assert rule.trigger_params == {"threshold": "210"}
    (asked,) = live.asked
    assert asked.path == "/splits_calendar"
    assert asked.params == {"start_date": "2026-11-10", "end_date": "2026-12-17"}
    assert FeedBudget.objects.get().in_minute == 40
    assert record_announced(now=NOW) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 403, "message": "/splits_calendar is for pro plans", "status": "error"}, 403),
        ({"code": 403, "message": "/splits_calendar is for pro plans", "status": "error"}, 200),
        ("<html>", 502),
        ("", 200),
    ],
)
def test_a_feed_that_does_not_tell_splits_says_so_until_it_does(
    live: FeedServer, rule: Action, settings: Settings, body: object, status: int
) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 1000
    live.says(says(body, status))
    assert record_announced(now=NOW) == 0
    assert record_announced(now=NOW) == 0
    incident = FeedIncident.objects.get()
    assert (incident.kind, incident.settled_at, incident.times) == ("no splits", None, 2)
    assert "record them by hand" in incident.reason
    assert KEY not in incident.reason
    live.says(says([]))
    assert record_announced(now=NOW) == 0
    incident.refresh_from_db()
    assert incident.settled_at == NOW


def test_without_the_credits_it_is_not_asked(
    live: FeedServer, rule: Action, settings: Settings
) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 8
    assert record_announced(now=NOW) == 0
    assert live.asked == []


def hold(last: str, price: str) -> None:
    """A price of today that looks like that of a split since yesterday."""
    for at, said in ((NOW - timedelta(days=1), last), (NOW, price)):
        take_in([Sample("AAPL", Decimal(said), at)], at)
    assert FeedIncident.objects.get(kind="jump").verdict == "doubted"


def confirm(price: str) -> Decimal | None:
    later = NOW + timedelta(minutes=1)
    take_in([Sample("AAPL", Decimal(price), later)], later)
    return Quote.objects.get(instrument="AAPL").price


def test_a_stop_fires_after_bad_news_once_the_feed_knows_of_no_split(
    live: FeedServer, rule: Action
) -> None:
    hold("250", "200")
    look_at_the_woken(now=NOW, report=Report())
    assert confirm("201") == 250
    live.says(says([split("MSFT", 5, 4, "2026-11-17")]))
    assert record_announced(now=NOW) == 0
    later = NOW + timedelta(minutes=2)
    take_in([Sample("AAPL", Decimal("199"), later)], later)
    report = Report()
    look_at_the_woken(now=later, report=report)
    assert report.fired == 1
    assert FeedIncident.objects.get(kind="jump").outcome == "confirmed"


@pytest.mark.parametrize(
    ("price", "answer"),
    [
        ("125", says([])),  # it may have halved: that is for a person to say
        ("500", says([])),
        ("200", says([split("AAPL", 5, 4, "2026-11-18")])),
        ("200", says("", 502)),
    ],
)
def test_what_may_still_be_a_split_is_held(
    live: FeedServer, rule: Action, price: str, answer: Any
) -> None:
    hold("250", price)
    live.says(answer)
    record_announced(now=NOW)
    assert confirm(price) == 250
    assert FeedIncident.objects.get(kind="jump").verdict == "doubted"


def test_what_is_held_only_after_the_feed_was_asked_is_not_believed_for_its_answer(
    live: FeedServer, rule: Action
) -> None:
    hold("250", "200")
    live.says(says([]))
    record_announced(now=NOW - timedelta(seconds=1))
    assert confirm("200") == 250


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded bodies are not beside this checkout")
def test_the_recorded_calendar_is_read(live: FeedServer) -> None:
    raw = (SHARED / "splits_calendar.json").read_text()
    live.says(says(raw))
    symbols = sorted({member["symbol"] for member in json.loads(raw)})
    told = ask_for_splits(symbols=symbols, now=NOW)
    assert [(one.symbol, one.factor, one.on) for one in told] == [
        ("SMXWW", Fraction(1, 7), date(2025, 8, 7))
    ]


def test_alpaca_tells_both_kinds(live: FeedServer, settings: Settings) -> None:
    settings.MARKET_PROVIDER = "alpaca"
    settings.ALPACA_KEY_ID, settings.ALPACA_SECRET_KEY = "id", KEY
    settings.ALPACA_URL = live.url
    first = {
        "corporate_actions": {
            "forward_splits": [
                {"symbol": "AAPL", "new_rate": 7, "old_rate": 1, "ex_date": "2026-11-18"},
                {"symbol": "ELSE", "new_rate": 7, "old_rate": 1, "ex_date": "2026-11-18"},
            ]
        },
        "next_page_token": "more",
    }
    second = {
        "corporate_actions": {
            "reverse_splits": [
                {"symbol": "MSFT", "new_rate": 1, "old_rate": 20, "ex_date": "2026-11-19"},
                {"symbol": "MSFT", "new_rate": 1, "old_rate": 0, "ex_date": "2026-11-20"},
            ]
        },
        "next_page_token": None,
    }
    live.says(says(first), says(second))
    told = ask_for_splits(symbols=["AAPL", "MSFT"], now=NOW)
    assert [(one.symbol, one.factor, one.on) for one in told] == [
        ("AAPL", Fraction(7), date(2026, 11, 18)),
        ("MSFT", Fraction(1, 20), date(2026, 11, 19)),
    ]
    assert [asked.path for asked in live.asked] == ["/v1/corporate-actions"] * 2
    assert live.asked[1].params["page_token"] == "more"


def test_a_replay_is_not_asked(settings: Settings) -> None:
    list_instruments(["AAPL"])
    assert ask_for_splits(symbols=["AAPL"], now=NOW) == []
