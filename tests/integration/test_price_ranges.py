"""How far a price went is known from what was seen, session by session, and from daily bars."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from market.hours import NEW_YORK
from market.models import DailyBar, Quote, SessionRange
from market.quotes import Sample
from market.ranges import PriceRange, price_ranges, prune_ranges
from market.services import accept_quotes, follow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _followed(instruments: None) -> None:
    follow(symbols=["AAPL", "IBM"])


def say(at: datetime, price: str, symbol: str = "AAPL", late: timedelta = timedelta(0)) -> None:
    sample = Sample(symbol, Decimal(price), at)
    accept_quotes(samples=[sample], now=at + late, max_age=MINUTE)


def known(since: datetime, now: datetime, symbol: str = "AAPL") -> tuple[str, str] | None:
    (found,) = price_ranges(spans=[(symbol, since)], now=now)
    return (f"{found.low:f}", f"{found.high:f}") if found else None


def bar(day: date, low: str, high: str) -> None:
    close = datetime(day.year, day.month, day.day, 16, tzinfo=NEW_YORK)
    prices = {"open": low, "close": high, "low": low, "high": high}
    DailyBar.objects.create(instrument_id="AAPL", session=day, at=close, volume=1, **prices)


def test_a_session_keeps_the_lowest_and_the_highest_price_seen(now: datetime) -> None:
    for minute, price in enumerate(["150", "152", "149", "151"]):
        say(now + minute * MINUTE, price)
    quote = Quote.objects.get(instrument="AAPL")
    assert (quote.session_opened, quote.session_low, quote.session_high) == (
        now,
        Decimal(149),
        Decimal(152),
    )
    assert not SessionRange.objects.exists()


def test_the_first_price_after_the_close_begins_a_session_and_the_one_before_is_kept(
    now: datetime,
) -> None:
    close = datetime(2026, 11, 17, 21, 0, tzinfo=UTC)
    say(now, "150")
    say(close, "140")  # the close itself belongs to the session that it ends
    say(close + MINUTE, "145")
    quote = Quote.objects.get(instrument="AAPL")
    assert (quote.session_opened, quote.session_low, quote.session_high) == (
        close + MINUTE,
        Decimal(145),
        Decimal(145),
    )
    (past,) = SessionRange.objects.all()
    assert (past.instrument_id, past.opened, past.low, past.high) == (
        "AAPL",
        now,
        Decimal(140),
        Decimal(150),
    )


def test_a_late_quote_of_the_session_before_counts_for_that_one(now: datetime) -> None:
    close = datetime(2026, 11, 17, 21, 0, tzinfo=UTC)
    say(now, "150")
    say(close - MINUTE, "155", late=2 * MINUTE)
    assert not SessionRange.objects.exists()
    assert Quote.objects.get(instrument="AAPL").session_high == 155


def test_a_symbol_without_quotes_for_days_is_put_down_once(now: datetime) -> None:
    say(now, "150")
    for day in range(1, 4):
        say(now + day * DAY, "30", "IBM")
    assert SessionRange.objects.filter(instrument="AAPL").count() == 1
    say(now + 3 * DAY, "151")
    assert SessionRange.objects.filter(instrument="AAPL").count() == 1
    assert SessionRange.objects.filter(instrument="IBM").count() == 2


def test_a_late_quote_counts_also_when_its_session_was_put_down_already(now: datetime) -> None:
    close = datetime(2026, 11, 17, 21, 0, tzinfo=UTC)
    say(now, "150")
    say(close + MINUTE, "30", "IBM")  # a session has begun, and the one before is put down
    assert SessionRange.objects.get(instrument="AAPL").low == 150
    say(close - MINUTE, "145", late=3 * MINUTE)
    say(close + 5 * MINUTE, "151")
    assert SessionRange.objects.get(instrument="AAPL").low == 145
    assert known(now, close + 5 * MINUTE) == ("145.000000", "151.000000")


def test_a_quote_that_comes_days_late_counts_for_its_own_session(now: datetime) -> None:
    say(now, "150")
    say(now + DAY, "140", late=2 * DAY)  # of a session that is long over, and not of the first
    quote = Quote.objects.get(instrument="AAPL")
    assert (quote.session_opened, quote.session_high) == (now + DAY, Decimal(140))
    assert known(now + HOUR, now + 3 * DAY) == ("140.000000", "140.000000")
    say(now + 3 * DAY, "155")
    ranges = SessionRange.objects.order_by("opened").values_list("opened", "low", "high")
    assert list(ranges) == [
        (now, Decimal(150), Decimal(150)),
        (now + DAY, Decimal(140), Decimal(140)),
    ]


def test_the_first_quote_ever_begins_its_own_session_however_old_it_is(now: datetime) -> None:
    say(now - 3 * DAY, "150", late=3 * DAY)
    assert Quote.objects.get(instrument="AAPL").session_opened == now - 3 * DAY
    say(now, "140")
    assert known(now, now) == ("140.000000", "140.000000")
    assert known(now - 3 * DAY, now) == ("140.000000", "150.000000")


def test_a_range_spans_the_sessions_since_and_the_present_one(now: datetime) -> None:
    for day, price in enumerate(["150", "160", "140", "155"]):
        say(now + day * DAY, price)
    later = now + 4 * DAY
    assert known(now, later) == ("140.000000", "160.000000")
    assert known(now + 2 * DAY, later) == ("140.000000", "155.000000")
    assert known(now + 3 * DAY, later) == ("155.000000", "155.000000")
    assert known(now + 3 * DAY + MINUTE, later) is None


def test_of_a_session_that_had_begun_before_only_the_present_price_counts(now: datetime) -> None:
    say(now, "100")
    say(now + 2 * HOUR, "150")
    assert known(now + HOUR, now + 2 * HOUR) == ("150.000000", "150.000000")


def test_daily_bars_count_where_all_of_their_session_is_inside(now: datetime) -> None:
    for day, low in ((16, "10"), (17, "20"), (18, "30"), (19, "5")):
        bar(date(2026, 11, day), low, "90")
    during_the_17th = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
    before_it_opened = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
    during_the_19th = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
    assert known(during_the_17th, during_the_19th) == ("30.000000", "90.000000")
    assert known(before_it_opened, during_the_19th) == ("20.000000", "90.000000")


def test_many_spans_are_one_statement_in_their_order(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    say(now, "150")
    say(now, "30", "IBM")
    with django_assert_num_queries(1):
        found = price_ranges(
            spans=[("IBM", now), ("NONE", now), ("AAPL", now), ("IBM", now)] * 50, now=now
        )
    ibm, apple = (PriceRange(Decimal(price), Decimal(price)) for price in (30, 150))
    assert found == [ibm, None, apple, ibm] * 50


def test_old_ranges_are_forgotten(now: datetime) -> None:
    for day in range(3):
        say(now + day * DAY, "150")
    assert prune_ranges(now=now + 3 * DAY, keep=2 * DAY + HOUR) == 1
    assert SessionRange.objects.get().opened == now + DAY
