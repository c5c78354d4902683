"""Proof of watch: what a rule's owner is told of when it was watched."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from actions.coverage import Kind
from actions.engine import run_tick
from actions.models import Action, ActionExecution, ActionHistory
from actions.proof import proof_of_watch
from actions.services import Draft, create_action
from market.hours import Exchange
from market.models import DailyBar, QuoteGap
from portfolios.models import PortfolioPause
from portfolios.services import (
    deposit,
    pause_every_portfolio,
    pause_portfolio,
    unpause_portfolio,
)
from tests.api import Api, wrong_fields
from tests.conftest import Feed
from tests.factories import PortfolioFactory
from tests.integration.test_tick_record import ticked

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
BUY_LOW = Draft(
    action_type="BUY",
    symbol="AAPL",
    quantity=Decimal(1),
    trigger_type="price_below",
    trigger_params={"threshold": "150"},
)


@pytest.fixture
def rule(instruments: None, feed: Feed, now: datetime) -> Action:
    """Buys AAPL at $150; the exchange's session is half an hour old."""
    feed.calendar = Exchange()
    feed.says("AAPL", "160", now)
    user = PortfolioFactory.create(deposit=10_000).user
    return create_action(user=user, draft=BUY_LOW, now=now)


def tick(feed: Feed, at: datetime, price: str = "160") -> None:
    """A tick at which the feed says this price, of that very moment."""
    feed.says("AAPL", price, at)
    run_tick(now=at)


def kinds(action: Action, since: datetime, until: datetime) -> list[tuple[Kind, int]]:
    """Each span's kind, and its length in seconds."""
    spans = proof_of_watch(action=action, since=since, until=until).spans
    return [(span.kind, round(span.length.total_seconds())) for span in spans]


def bar(day: datetime, low: str) -> None:
    DailyBar.objects.create(
        instrument_id="AAPL",
        session=day.date(),
        at=day.replace(hour=21, minute=0),
        open=Decimal(160),
        high=Decimal(161),
        low=Decimal(low),
        close=Decimal(160),
        volume=1,
    )


def outage(feed: Feed, now: datetime, length: timedelta) -> datetime:
    """Ticks until `now`, nothing for so long while the price crosses and returns, ticks again."""
    tick(feed, now)
    tick(feed, now + 10 * SECOND)
    feed.says("AAPL", "149", now + length / 2)
    back = now + length
    for seconds in (0, 10, 20):
        tick(feed, back + seconds * SECOND)
    return back + 20 * SECOND


def test_after_an_outage_nothing_fires_and_the_span_is_told(
    rule: Action, feed: Feed, now: datetime
) -> None:
    until = outage(feed, now, 20 * MINUTE)
    assert not ActionExecution.objects.exists()
    told = kinds(rule, now, until)
    assert told == [(Kind.WATCHED, 10), (Kind.NO_TICK, 1190), (Kind.WATCHED, 20)]


@pytest.mark.parametrize(
    ("low", "reached", "words"),
    [
        ("151", False, "The price did not reach $150.00 in that session."),
        ("149", None, "whether it did while nobody looked is not known."),
    ],
)
def test_a_bar_tells_of_a_gap_within_its_session_only_what_it_can(
    rule: Action, feed: Feed, now: datetime, low: str, reached: bool | None, words: str
) -> None:
    until = outage(feed, now, 20 * MINUTE)
    assert proof_of_watch(action=rule, since=now, until=until).missed == {}
    bar(now, low)
    (missed,) = proof_of_watch(action=rule, since=now, until=until).missed.values()
    assert missed.reached is reached
    assert missed.words.endswith(words)


def test_a_bar_of_a_session_that_was_missed_as_a_whole_tells_that_the_price_was_there(
    rule: Action, feed: Feed, now: datetime
) -> None:
    until = outage(feed, now, timedelta(days=2))
    for day, low in ((0, "151"), (1, "149"), (2, "151")):
        bar(now + timedelta(days=day), low)
    proof = proof_of_watch(action=rule, since=now, until=until)
    assert [missed.reached for missed in proof.missed.values()] == [False, True, False]
    (told,) = (missed.words for missed in proof.missed.values() if missed.reached)
    assert told == "The price reached $150.00 (lowest $149.00) while nobody looked."
    assert [span.kind for span in proof.spans] == [
        Kind.WATCHED,
        Kind.NO_TICK,
        Kind.CLOSED,
        Kind.NO_TICK,
        Kind.CLOSED,
        Kind.NO_TICK,
        Kind.WATCHED,
    ]


def changed(rule: Action, at: datetime, **was: object) -> None:
    """The rule was something else until that moment."""
    settings = {
        name: getattr(rule, name)
        for name in ("action_type", "symbol", "quantity", "trigger_type", "trigger_params")
    }
    row = ActionHistory.objects.create(
        pgh_obj=rule,
        pgh_label="status",
        action_params={},
        valid_from=rule.valid_from,
        status_reason="",
        updated_at=rule.updated_at,
        **{"status": "active", "portfolio_id": rule.portfolio_id, **settings, **was},
    )
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE action_history DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE action_history SET pgh_created_at = %s WHERE pgh_id = %s", [at, row.pgh_id]
        )
        cursor.execute("ALTER TABLE action_history ENABLE TRIGGER USER")


def test_a_pause_is_no_gap_even_where_nobody_looked(
    rule: Action, feed: Feed, now: datetime
) -> None:
    outage(feed, now, 20 * MINUTE)
    changed(rule, now + 5 * MINUTE, status="active")
    changed(rule, now + 8 * MINUTE, status="paused")
    assert kinds(rule, now - MINUTE, now + 20 * MINUTE) == [
        (Kind.OFF, 60),
        (Kind.WATCHED, 10),
        (Kind.NO_TICK, 290),
        (Kind.OFF, 180),
        (Kind.NO_TICK, 720),
    ]


def turned(rule: Action, at: datetime, *, by_owner: bool = False, by_staff: bool = False) -> None:
    """The switches of the rule's portfolio were set so, at that moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portfolios_portfoliopause"
            " (pgh_created_at, pgh_label, pgh_obj_id, paused_by_owner, paused_by_staff)"
            " VALUES (%s, 'turned', %s, %s, %s)",
            [at, rule.portfolio_id, by_owner, by_staff],
        )


def test_what_its_portfolios_pause_held_back_is_told_apart_from_what_nobody_watched(
    rule: Action, feed: Feed, now: datetime
) -> None:
    until = outage(feed, now, 20 * MINUTE)
    turned(rule, now + 5 * SECOND, by_owner=True)
    turned(rule, until - 15 * SECOND, by_owner=True, by_staff=True)
    turned(rule, until - 5 * SECOND)
    proof = proof_of_watch(action=rule, since=now, until=until)
    assert [(span.kind, span.reason, span.length.total_seconds()) for span in proof.spans] == [
        (Kind.WATCHED, "", 5),
        (Kind.HELD, "Its portfolio was paused.", pytest.approx(5, abs=0.5)),
        (Kind.NO_TICK, "No evaluator looked at the market.", pytest.approx(1190, abs=0.5)),
        (Kind.HELD, "Its portfolio was paused.", 5),
        (Kind.HELD, "Support had paused its portfolio.", 10),
        (Kind.WATCHED, "", 5),
    ]
    assert len(proof.missed) == 0, "what was held back was not missed"


def test_a_pause_that_lasts_holds_back_to_this_moment_and_other_portfolios_not_at_all(
    rule: Action, feed: Feed, now: datetime
) -> None:
    ticked((now, now + 10 * MINUTE))
    other = PortfolioFactory.create(user=rule.user, name="Other", is_primary=False)
    changed(rule, now + 4 * MINUTE, portfolio_id=other.pk)
    turned(rule, now + 2 * MINUTE, by_staff=True)
    assert kinds(rule, now, now + 10 * MINUTE) == [(Kind.WATCHED, 240), (Kind.HELD, 360)]
    Action.objects.update(portfolio=None)
    rule.refresh_from_db()
    changed(rule, now + 8 * MINUTE, portfolio_id=None)
    told = kinds(rule, now, now + 10 * MINUTE)
    assert told == [(Kind.WATCHED, 240), (Kind.HELD, 360)], "it trades in the primary one"


def test_the_page_and_the_api_tell_what_was_held_back(
    rule: Action, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    ticked((now, now + 10 * MINUTE))
    turned(rule, now + 2 * MINUTE, by_staff=True)
    turned(rule, now + 5 * MINUTE)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + 10 * MINUTE)
    api = Api()
    for one in (client, api._client):
        one.force_login(rule.user)
    told = api.get(f"/actions/{rule.pk}/coverage?since=2026-11-17T15:00:00Z").json()
    assert [span["kind"] for span in told["spans"]] == ["watched", "held", "watched"]
    assert told["watched_share"] == 1
    page = client.get(f"/actions/{rule.pk}/watched?days=1").content.decode()
    assert "<strong>Held back.</strong> Support had paused its portfolio." in page
    assert 'class="held"' in page
    assert "For 3 min of it its portfolio was paused." in page
    assert "Nothing is fired afterwards for what was missed." not in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("until=0001-01-01T00:00:00Z", "until"),
        ("since=0001-01-01T00:00:00Z", "since"),
        ("until=9999-12-31T23:59:59Z", "until"),
    ],
)
def test_a_time_that_is_not_kept_is_refused_by_name(rule: Action, query: str, field: str) -> None:
    refused = Api(rule.user).get(f"/actions/{rule.pk}/coverage?{query}")
    assert (refused.status_code, wrong_fields(refused)) == (400, [field])


def test_whoever_turns_a_switch_of_a_portfolio_is_put_down_by_the_database(rule: Action) -> None:
    portfolio = rule.portfolio
    assert portfolio
    pause_portfolio(portfolio_id=portfolio.pk)
    pause_portfolio(portfolio_id=portfolio.pk)
    pause_every_portfolio()
    unpause_portfolio(portfolio_id=portfolio.pk, by_staff=True)
    deposit(portfolio=portfolio, amount=Decimal(1), at=timezone.now())
    unpause_portfolio(portfolio_id=portfolio.pk)
    rows = PortfolioPause.objects.values_list("pgh_obj", "paused_by_owner", "paused_by_staff")
    assert [row for row in rows if row[0] == portfolio.pk] == [
        (portfolio.pk, True, False),
        (portfolio.pk, True, True),
        (portfolio.pk, True, False),
        (portfolio.pk, False, False),
    ]
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        PortfolioPause.objects.all().delete()


def test_of_a_gap_before_an_edit_no_bar_tells_whether_todays_threshold_was_reached(
    rule: Action, feed: Feed, now: datetime
) -> None:
    until = outage(feed, now, 20 * MINUTE)
    bar(now, "151")
    assert proof_of_watch(action=rule, since=now, until=until).missed
    changed(rule, until - SECOND, trigger_params={"threshold": "152"})
    assert not proof_of_watch(action=rule, since=now, until=until).missed


def test_before_an_edit_the_symbols_of_then_count(rule: Action, feed: Feed, now: datetime) -> None:
    ticked((now, now + 10 * MINUTE))
    QuoteGap.objects.create(instrument_id="AAPL", since=now, until=now + 4 * MINUTE)
    QuoteGap.objects.create(instrument_id="IBM", since=now, until=now + MINUTE)
    changed(rule, now + 2 * MINUTE, symbol="IBM")
    assert kinds(rule, now, now + 5 * MINUTE) == [
        (Kind.STALE, 60),
        (Kind.WATCHED, 60),
        (Kind.STALE, 120),
        (Kind.WATCHED, 60),
    ]


def test_a_rule_that_needs_no_price_is_watched_while_the_market_is_closed(
    instruments: None, feed: Feed, now: datetime
) -> None:
    feed.calendar = Exchange()
    draft = Draft(
        action_type="NOTIFY",
        trigger_type="time_of_day",
        trigger_params={"time": "20:00", "days": "trading_days"},
    )
    rule = create_action(user=PortfolioFactory.create().user, draft=draft, now=now)
    ticked((now, now + 9 * HOUR))
    assert kinds(rule, now, now + 9 * HOUR) == [(Kind.WATCHED, 9 * 3600)]


def test_its_queries_do_not_grow(
    rule: Action, feed: Feed, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    until = outage(feed, now, timedelta(days=300))
    with django_assert_num_queries(5):
        proof = proof_of_watch(action=rule, since=now, until=until)
    assert len(proof.spans) > 400


def test_the_api_tells_it_to_the_owner(
    rule: Action, feed: Feed, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = outage(feed, now, 20 * MINUTE)
    monkeypatch.setattr("django.utils.timezone.now", lambda: until)
    api = Api()
    api._client.force_login(rule.user)
    path = f"/actions/{rule.pk}/coverage"
    told = api.get(f"{path}?since=2026-11-17T15:00:00Z").json()
    assert [(span["kind"], span["reason"]) for span in told["spans"]] == [
        ("watched", ""),
        ("no_tick", "No evaluator looked at the market."),
        ("watched", ""),
    ]
    assert (told["since"], told["spans"][0]["begin"]) == ("2026-11-17T15:00:00Z",) * 2
    assert told["until"] == told["spans"][-1]["end"]
    assert told["watched_share"] == pytest.approx(30 / 1220, abs=0.001)
    week = api.get(path).json()
    assert (week["since"], week["spans"][0]["kind"]) == ("2026-11-10T15:20:20Z", "off")
    for wrong, field in (
        ("until=2027-01-01T00:00:00Z", "until"),
        ("since=2026-11-17T15:00:00Z&until=2026-11-17T15:00:00Z", "since"),
        ("since=2020-01-01T00:00:00Z", "since"),
        ("since=yesterday", "since"),
    ):
        refused = api.get(f"{path}?{wrong}")
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == [field]
    stranger = Api()
    stranger._client.force_login(PortfolioFactory.create().user)
    assert stranger.get(path).status_code == 404
