"""A price that may be that of a split which is not recorded: held, until it is known what it is."""

from datetime import datetime

import pytest
from pytest_django import Settings

from accounts.models import User
from actions.models import Notification
from market.models import DailyBar, FeedIncident, Quote
from market.quotes import Bar
from market.services import believe_move
from tests.conftest import Feed
from tests.factories import PortfolioFactory
from tests.integration.test_splits_of_rules import DAY, MORNING, TICK, D, record, rule, tick

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def owner(settings: Settings, feed: Feed, now: datetime) -> User:
    settings.MARKET_PROVIDER = "twelvedata"  # prices are doubted, as those of a live feed
    return PortfolioFactory.create(deposit=100_000).user


def test_a_price_as_after_a_split_is_held_however_often_it_is_confirmed(
    feed: Feed, owner: User, now: datetime
) -> None:
    rule(owner, now)
    rule(owner, now, params={"threshold": "500"})
    tick(feed, now, "645.57")
    for n, price in enumerate(["92.7", "92.9", "98.4", "89", "92.7"]):
        assert tick(feed, MORNING + n * TICK, price) == 0
    assert Quote.objects.get(instrument="AAPL").price == D("645.57")
    held = FeedIncident.objects.get()
    assert (held.verdict, held.times) == ("doubted", 5)
    told = Notification.objects.get(user=owner)
    assert told.subject == "AAPL may have been split: your rules on it are held"

    record(MORNING + 5 * TICK)
    held.refresh_from_db()
    assert held.settled_at == MORNING + 5 * TICK
    assert tick(feed, MORNING + 6 * TICK, "92.7") == 0
    assert tick(feed, MORNING + 7 * TICK, "85.7") == 1


def test_said_to_be_no_split_it_is_accepted_once_it_is_confirmed(
    feed: Feed, owner: User, now: datetime
) -> None:
    rule(owner, now)
    tick(feed, now, "645.57")
    tick(feed, MORNING, "322")
    assert believe_move(symbols=["AAPL"]) == 1
    assert tick(feed, MORNING + TICK, "321") == 1
    assert FeedIncident.objects.get().outcome == "confirmed"


def test_back_where_it_was_the_doubt_has_ended(feed: Feed, owner: User, now: datetime) -> None:
    rule(owner, now)
    tick(feed, now, "645.57")
    tick(feed, MORNING, "322")
    assert tick(feed, MORNING + TICK, "644") == 0
    assert Quote.objects.get(instrument="AAPL").price == D("644")
    assert FeedIncident.objects.get().outcome == "ended"


@pytest.mark.parametrize(
    ("old", "new", "doubted"),
    [
        ("100", "50", True),
        ("100", "52.4", True),
        ("100", "66", True),
        ("100", "75.5", True),
        ("100", "80.5", True),
        ("100", "40", True),
        ("100", "14.1", True),
        ("100", "70", False),
        ("100", "57", False),
        ("100", "133", False),
        ("10", "20", True),
        ("1.16", "22.8", True),
        ("100", "150", False),
    ],
)
def test_what_looks_like_a_split(
    feed: Feed, owner: User, now: datetime, old: str, new: str, doubted: bool
) -> None:
    rule(owner, now, params={"threshold": "0.01"})
    tick(feed, now, old)
    tick(feed, MORNING, new)
    tick(feed, MORNING + TICK, new)
    assert FeedIncident.objects.filter(verdict="doubted").exists() == doubted
    assert (Quote.objects.get(instrument="AAPL").price == D(new)) is not doubted


def test_within_a_day_a_jump_is_no_split(feed: Feed, owner: User, now: datetime) -> None:
    rule(owner, now)
    tick(feed, now, "645.57")
    assert tick(feed, now + TICK, "322") == 0
    assert tick(feed, now + 2 * TICK, "321") == 1


def test_the_first_price_is_compared_with_the_last_close(
    feed: Feed, owner: User, now: datetime
) -> None:
    DailyBar.objects.bulk_create(
        [DailyBar.of(Bar("AAPL", now - DAY, D(640), D(651), D(630), D("645"), 1_000))]
    )
    rule(owner, now)
    assert tick(feed, now, "455") == 0
    assert Quote.objects.get(instrument="AAPL").price is None
    assert FeedIncident.objects.get().reason.startswith("455 is 29.5 % away from 645, the last")
    assert tick(feed, now + TICK, "456") == 1


def test_or_with_what_the_feed_itself_says_was_the_close_before(
    feed: Feed, owner: User, now: datetime
) -> None:
    rule(owner, now)
    feed.says("AAPL", "0.64", now, previous_close=D(640))
    assert tick(feed, now) == 0
    assert Quote.objects.get(instrument="AAPL").price is None
    feed.says("AAPL", "639", now + TICK, previous_close=D(640))
    assert tick(feed, now + TICK) == 0
    assert Quote.objects.get(instrument="AAPL").price == D(639)
