"""What is kept of quotes that grow too old: from when to when, and what was wrong with the feed."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from actions.coverage import Kind
from actions.engine import run_tick
from actions.models import Action
from actions.proof import proof_of_watch
from market.freshness import prune_gaps, silences
from market.models import FeedIncident, QuoteGap
from tests.conftest import Feed
from tests.integration.test_proof_of_watch import kinds, rule, tick

__all__ = ["rule"]  # a fixture

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_a_quote_that_grows_stale_is_marked_when_it_does_and_when_a_fresh_one_comes(
    rule: Action, feed: Feed, now: datetime
) -> None:
    tick(feed, now)
    for seconds in (30, 60, 61, 90, 200):
        run_tick(now=now + seconds * SECOND)
    assert silences(symbols=["AAPL"], since=now, until=now + HOUR)[0].until is None
    tick(feed, now + 210 * SECOND)
    (gap,) = QuoteGap.objects.all()
    assert (gap.since, gap.until) == (now + MINUTE, now + 210 * SECOND)
    assert gap.reason == ""
    assert kinds(rule, now, now + 220 * SECOND)[0] == (Kind.WATCHED, 60)


def test_a_tick_at_which_nothing_changes_writes_nothing_of_freshness(
    rule: Action, feed: Feed, now: datetime
) -> None:
    tick(feed, now)
    for at in (now + SECOND, now + HOUR):  # fresh, and stale
        run_tick(now=at)
        rows = versions()
        run_tick(now=at + SECOND)
        assert versions() == rows
    assert len(rows) == 1


def versions() -> list[object]:
    """What changes with every write to the table of gaps."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text, cmin::text FROM market_quotegap")
        return list(cursor.fetchall())


def test_while_the_market_is_closed_no_quote_is_missed(
    rule: Action, feed: Feed, now: datetime
) -> None:
    close = now + 6 * HOUR
    tick(feed, close - 10 * SECOND)
    run_tick(now=close + HOUR)
    assert not QuoteGap.objects.exists()


@pytest.mark.parametrize("symbol", [None, "AAPL"])
def test_what_was_wrong_with_the_feed_is_the_reason_and_outlives_the_incident(
    rule: Action, feed: Feed, now: datetime, symbol: str | None
) -> None:
    tick(feed, now)
    FeedIncident.objects.create(
        kind="no answer",
        instrument_id=symbol,
        verdict="failed",
        provider="test",
        reason="Key refused.",
        first_at=now + 10 * SECOND,
        last_at=now + 10 * SECOND,
    )
    for seconds in range(0, 190, 10):
        run_tick(now=now + seconds * SECOND)
    FeedIncident.objects.update(settled_at=now + 190 * SECOND)
    tick(feed, now + 190 * SECOND)
    FeedIncident.objects.all().delete()
    since, until = now, now + 200 * SECOND
    assert kinds(rule, since, until) == [
        (Kind.WATCHED, 60),
        (Kind.REFUSED, 130),
        (Kind.WATCHED, 10),
    ]
    span = proof_of_watch(action=rule, since=since, until=until).spans[1]
    assert span.reason == "No fresh price of AAPL: Key refused."


def test_old_gaps_are_forgotten_and_those_that_last_are_not(
    rule: Action, feed: Feed, now: datetime
) -> None:
    tick(feed, now)
    run_tick(now=now + 5 * MINUTE)
    QuoteGap.objects.create(instrument_id="IBM", since=now, until=now + MINUTE)
    assert prune_gaps(now=now + 30 * HOUR, keep=HOUR) == 1
    assert QuoteGap.objects.get().instrument_id == "AAPL"
