"""Past sessions of a live feed: asked for when they are needed, and as good as the feed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from market.models import DailyBar, FeedBudget, Quote
from market.services import (
    ProviderError,
    completed_sessions,
    fetch_quotes,
)
from tests.feed_server import FeedServer, says

MINUTE = timedelta(seconds=60)


def series(closes: dict[str, str]) -> dict[str, Any]:
    values = [
        {"datetime": day, **dict.fromkeys(("open", "high", "low", "close"), close), "volume": "5"}
        for day, close in sorted(closes.items(), reverse=True)
    ]
    return {"meta": {"symbol": "AAPL"}, "values": values, "status": "ok"}


WEEK = {"2026-11-12": "10", "2026-11-13": "11", "2026-11-16": "12", "2026-11-17": "13"}


def sessions(now: datetime, count: int = 3) -> list[tuple[date, Decimal]]:
    found = completed_sessions(symbols=["AAPL"], now=now, sessions=count)["AAPL"]
    return [(bar.session, bar.close) for bar in found]


@pytest.mark.django_db
def test_past_sessions_are_asked_for_once_a_session_without_the_one_in_progress(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says(series(WEEK)))
    wanted = [
        (date(2026, 11, day), Decimal(close)) for day, close in ((12, 10), (13, 11), (16, 12))
    ]
    assert sessions(now) == wanted
    assert sessions(now + MINUTE) == wanted
    assert sessions(now + MINUTE, count=2) == wanted[1:]
    assert [one.path for one in live.asked] == ["/time_series"]
    assert FeedBudget.objects.get().in_minute == 1
    closed = datetime(2026, 11, 17, 21, 1, tzinfo=UTC)
    assert sessions(closed)[-1] == wanted[-1]  # its bar may still change
    assert sessions(closed + 20 * MINUTE)[-1] == (date(2026, 11, 17), Decimal(13))
    assert len(live.asked) == 2


@pytest.mark.django_db
def test_more_sessions_than_there_were_are_asked_for_anew_and_replace_what_was_there(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says(series(WEEK)), says(series(dict.fromkeys(WEEK, "5"))))
    sessions(now, count=2)
    assert [close for _, close in sessions(now, count=3)] == [5, 5, 5]  # as after a split
    assert DailyBar.objects.count() == 3
    assert len(live.asked) == 2


@pytest.mark.django_db
def test_a_feed_that_fails_leaves_the_past_as_it_was(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says(series(WEEK)), says("<html>", 500))
    sessions(now)
    tomorrow = now + timedelta(days=1)
    with pytest.raises(ProviderError, match="HTTP 500"):
        sessions(tomorrow)
    assert DailyBar.objects.count() == 3
    assert len(sessions(tomorrow)) == 2, "as they were, without the newest"
    assert len(live.asked) == 2
    with pytest.raises(ProviderError, match="HTTP 500"):
        sessions(tomorrow + 5 * MINUTE)


@pytest.mark.django_db
def test_a_series_with_a_bad_session_is_asked_for_again_after_an_hour(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says(series({"2026-11-16": "NaN"})), says(series(WEEK)))
    assert sessions(now) == []
    assert sessions(now + MINUTE) == []
    assert len(live.asked) == 1
    assert len(sessions(now + 60 * MINUTE)) == 3


@pytest.mark.django_db(transaction=True)
def test_no_network_is_waited_for_inside_a_transaction(
    live: FeedServer, instruments: None, now: datetime
) -> None:
    live.says(says(series(WEEK)))
    with transaction.atomic():
        assert sessions(now) == []
    assert live.asked == []
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        fetch_quotes(symbols=["AAPL"], now=now)
    assert len(sessions(now)) == 3
    assert not Quote.objects.filter(price__isnull=False).exists()
