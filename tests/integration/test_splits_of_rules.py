"""A split goes through rules, what they remember and what the market knows: all of it, once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import User
from actions import splits
from actions.engine import run_tick
from actions.history import history_of
from actions.models import Action, Notification, WaterMark
from actions.rebuild import rebuild_watches
from actions.services import Draft, create_action, pause_action
from actions.splits import Recorded, record_split
from market.history import recent_samples
from market.models import AnnouncedSplit, DailyBar, Quote, SessionRange
from market.quotes import Bar
from market.services import SplitRefused
from portfolios.ledger import Side
from portfolios.models import Portfolio
from portfolios.selectors import discrepancies, holdings_of
from portfolios.services import record_split as split_holdings
from portfolios.services import trade
from tests.conftest import Feed
from tests.factories import PortfolioFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

D = Decimal
SEVEN = Fraction(7)
TICK = timedelta(seconds=10)
DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)  # in New York
NIGHT = datetime(2026, 11, 18, 5, 30, tzinfo=UTC)
TODAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.fixture
def portfolio(settings: Settings, feed: Feed, now: datetime) -> Portfolio:
    settings.MARKET_PROVIDER = "twelvedata"  # prices are doubted, as those of a live feed
    return PortfolioFactory.create(deposit=100_000)


@pytest.fixture
def owner(portfolio: Portfolio) -> User:
    return portfolio.user


def rule(owner: User, now: datetime, trigger_type: str = "price_below", **more: Any) -> Action:
    params = more.pop("params", {"threshold": "600"})
    draft = {"action_type": "NOTIFY", "symbol": "AAPL", "max_executions": None} | more
    return create_action(
        user=owner,
        draft=Draft(trigger_type=trigger_type, trigger_params=params, **draft),
        now=now,
    )


def tick(feed: Feed, at: datetime, price: str | None = None, symbol: str = "AAPL") -> int:
    """How many rules fired."""
    if price is not None:
        feed.says(symbol, price, at)
    report = run_tick(now=at)
    assert report.errors == []
    return report.fired


def record(at: datetime = NIGHT, factor: Fraction = SEVEN, on: date = TODAY) -> Recorded:
    return record_split(symbol="AAPL", factor=factor, on=on, now=at, source="test")


# --- What it does ---


def test_a_rule_is_rescaled_with_what_it_remembers(feed: Feed, owner: User, now: datetime) -> None:
    stop = rule(owner, now, "trailing_stop", params={"percent": "5"})
    dollars = rule(owner, now, "trailing_stop", params={"amount": "10", "activation_price": "700"})
    level = rule(owner, now, action_type="SELL", quantity=D(10))
    amount = rule(owner, now, action_type="SELL", amount_usd=D(500))
    volume = rule(owner, now, "volume_above", params={"threshold": 1_000})
    tick(feed, now, "645.57")
    tick(feed, now + TICK, "651.26")
    tick(feed, now + 2 * TICK, "645.57")
    assert record() is Recorded.APPLIED
    for action in (stop, dollars, level, amount, volume):
        action.refresh_from_db()
    assert stop.runtime_state == {"peak": "93.037142"}  # cut: the stop is no nearer than it was
    assert stop.trigger_params == {"percent": "5"}
    assert dollars.trigger_params == {"amount": "1.428572", "activation_price": "100"}
    assert (level.trigger_params, level.quantity) == ({"threshold": "85.714285"}, D(70))
    assert (amount.quantity, amount.amount_usd) == (None, D(500))
    assert volume.trigger_params == {"threshold": 7_000}
    assert Quote.objects.get(instrument="AAPL").price == D("92.224286")
    # What they wait for is derived from that.
    assert tick(feed, MORNING, "92.70") == 0
    assert rebuild_watches(now=MORNING).differing == 0
    assert list(WaterMark.objects.values_list("price", flat=True)) == [D("93.037142")]
    assert tick(feed, MORNING + TICK, "88.50") == 0
    assert tick(feed, MORNING + 2 * TICK, "88.38") == 1  # 5 % below 93.04


def test_a_rule_on_another_symbol_is_rescaled_in_its_trigger_only(
    feed: Feed, owner: User, now: datetime
) -> None:
    params = {"threshold": "600", "symbol": "AAPL"}
    watcher = rule(owner, now, symbol="IBM", action_type="SELL", quantity=D(10), params=params)
    traded = rule(
        owner,
        now,
        action_type="SELL",
        quantity=D(10),
        params={"threshold": "140", "symbol": "IBM"},
    )
    weights = {"AAPL": "0.5", "IBM": "0.5"}
    balance = rule(
        owner,
        now,
        "drift",
        symbol=None,
        action_type="REBALANCE",
        action_params={"targets": weights},
        params={"tolerance_pct": "5"},
    )
    stranger = rule(owner, now, symbol="MSFT")
    record()
    for action in (watcher, traded, balance, stranger):
        action.refresh_from_db()
    assert (watcher.quantity, watcher.trigger_params["threshold"]) == (D(10), "85.714285")
    assert (traded.quantity, traded.trigger_params["threshold"]) == (D(70), "140")
    assert balance.action_params == {"targets": weights}
    assert balance.trigger_params == {"tolerance_pct": "5"}
    assert stranger.trigger_params == {"threshold": "600"}
    assert [watch.at for watch in balance.watches.filter(symbol="AAPL")] == [NIGHT]


def test_what_the_market_knows_is_rescaled(feed: Feed, owner: User, now: datetime) -> None:
    rule(owner, now, "change_pct", params={"change": "5", "window": "1h"})
    at = now - DAY
    DailyBar.objects.bulk_create(
        [DailyBar.of(Bar("AAPL", at, D(630), D(651), D(623), D(644), 1_000))]
    )
    SessionRange.objects.create(instrument_id="AAPL", opened=at, low=D(623), high=D(651))
    feed.says("AAPL", "644", now, volume=700, previous_close=D(651))
    run_tick(now=now)
    record()
    quote = Quote.objects.get(instrument="AAPL")
    assert (quote.price, quote.previous_close, quote.volume) == (D(92), D(93), 4_900)
    assert (quote.session_low, quote.session_high, quote.as_of) == (D(92), D(92), now)
    bar = DailyBar.objects.get()
    assert (bar.open, bar.high, bar.low, bar.close) == (D(90), D(93), D(89), D(92))
    assert bar.volume == 7_000
    seen = SessionRange.objects.get(opened=at)
    assert (seen.low, seen.high) == (D(89), D(93))
    past = recent_samples(symbols=["AAPL"], since=now)["AAPL"]
    assert [sample.price for sample in past] == [D(92)]


def test_bars_that_the_feed_has_adjusted_already_stay_as_they_are(
    feed: Feed, owner: User, now: datetime
) -> None:
    tick(feed, now, "644")
    rule(owner, now)
    tick(feed, now + TICK, "644")
    DailyBar.objects.bulk_create(
        [DailyBar.of(Bar("AAPL", now - DAY, D(90), D(93), D(89), D("92.5"), 7_000))]
    )
    record()
    assert DailyBar.objects.get().close == D("92.5")


def test_holdings_follow_and_their_owner_is_told_once(
    feed: Feed, portfolio: Portfolio, owner: User, now: datetime
) -> None:
    trade(portfolio=portfolio, side=Side.BUY, symbol="AAPL", quantity=D(3), price=D(600), at=now)
    rule(owner, now)
    rule(owner, now, params={"threshold": "500"})
    record()
    assert list(holdings_of(portfolio=portfolio).values_list("quantity", flat=True)) == [D(21)]
    told = Notification.objects.get(user=owner)
    assert (told.kind, told.subject) == ("split", "AAPL was split: 7-for-1")
    assert "when the price is at or below $85.714285" in told.body
    assert "when the price is at or below $71.428571" in told.body
    assert discrepancies() == []


def test_the_same_split_twice_changes_nothing(feed: Feed, owner: User, now: datetime) -> None:
    action = rule(owner, now)
    tick(feed, now, "645.57")
    assert record() is Recorded.APPLIED
    assert record(NIGHT + TICK) is Recorded.KNOWN
    assert splits.apply_due_splits(now=NIGHT + TICK) == []
    split = AnnouncedSplit.objects.get()
    assert splits.apply_split(split=split, now=NIGHT + TICK) is False
    action.refresh_from_db()
    assert action.trigger_params == {"threshold": "85.714285"}
    assert Notification.objects.count() == 1
    for factor, on in ((Fraction(2), TODAY), (SEVEN, TODAY + DAY), (SEVEN, TODAY - DAY)):
        with pytest.raises(SplitRefused, match="recorded already"):
            record(factor=factor, on=on)


def test_a_split_to_come_waits_for_its_day_in_new_york(
    feed: Feed, owner: User, now: datetime
) -> None:
    action = rule(owner, now)
    assert record(now) is Recorded.WAITS
    tick(feed, now, "645.57")
    tick(feed, MIDNIGHT - TICK)
    action.refresh_from_db()
    assert action.trigger_params == {"threshold": "600"}
    tick(feed, MIDNIGHT)
    action.refresh_from_db()
    assert action.trigger_params == {"threshold": "85.714285"}
    assert AnnouncedSplit.objects.get().applied_at == MIDNIGHT


def test_what_was_set_after_the_split_took_effect_is_meant_in_new_shares(
    feed: Feed, owner: User, now: datetime
) -> None:
    old = rule(owner, now)
    tick(feed, now, "645.57")
    young = rule(owner, MORNING, params={"threshold": "90"})
    edited = rule(owner, now, params={"threshold": "620"})
    Action.objects.filter(pk=edited.pk).update(
        trigger_params={"threshold": "88"}, updated_at=MORNING
    )
    paused = rule(owner, now)
    pause_action(user=owner, action_id=paused.pk, now=MORNING)
    record(MORNING + TICK)
    found = dict(Action.objects.values_list("pk", "trigger_params__threshold"))
    assert found == {
        old.pk: "85.714285",
        young.pk: "90",
        edited.pk: "88",
        paused.pk: "85.714285",
    }


def test_recorded_when_prices_are_in_new_shares_already_what_rules_remember_starts_anew(
    feed: Feed, owner: User, now: datetime
) -> None:
    stop = rule(owner, now, "trailing_stop", params={"percent": "5"})
    tick(feed, now, "100")
    tick(feed, MORNING, "91")  # 11-for-10: too small a step to be doubted
    record(MORNING + TICK, factor=Fraction(11, 10))
    stop.refresh_from_db()
    assert stop.runtime_state == {}
    assert Quote.objects.get(instrument="AAPL").price == D(91)
    assert tick(feed, MORNING + 2 * TICK, "90") == 0
    assert tick(feed, MORNING + 3 * TICK, "85.5") == 1


def test_a_rule_that_cannot_be_in_new_shares_is_paused_and_says_why(
    feed: Feed, owner: User, now: datetime
) -> None:
    tiny = rule(owner, now, params={"threshold": "0.000001"})
    fine = rule(owner, now)
    record()
    tiny.refresh_from_db()
    fine.refresh_from_db()
    assert (tiny.status, fine.status) == ("paused", "active")
    assert tiny.status_reason.startswith("Paused by the split 7-for-1 of AAPL on 2026-11-18")
    assert "Paused by the split" in Notification.objects.get().body
    assert not tiny.watches.exists()


def test_what_nobody_can_hold_leaves_nothing_done(feed: Feed, owner: User, now: datetime) -> None:
    action = rule(owner, now)
    huge = PortfolioFactory.create(deposit=D("900000000000000000"))
    trade(
        portfolio=huge,
        side=Side.BUY,
        symbol="AAPL",
        quantity=D("50000000000000000000"),
        price=D("0.01"),
        at=now,
    )
    with pytest.raises(SplitRefused, match="would exceed"):
        record()
    action.refresh_from_db()
    assert action.trigger_params == {"threshold": "600"}
    assert not AnnouncedSplit.objects.exists()
    assert not Notification.objects.exists()


def test_a_split_that_cannot_be_applied_never_stops_a_tick(
    feed: Feed, owner: User, now: datetime
) -> None:
    rule(owner, now, symbol="IBM", params={"threshold": "150"})
    record(now)
    split_holdings(symbol="AAPL", factor=Fraction(2), at=now, on=TODAY)  # by somebody else
    feed.says("IBM", "140", NIGHT)
    report = run_tick(now=NIGHT)
    (error,) = report.errors
    assert error.startswith("AAPL 7-for-1 on 2026-11-18 could not be applied: SplitRefused: AAPL")
    assert report.fired == 1
    assert AnnouncedSplit.objects.get().applied_at is None


# --- By hand ---


def test_the_command_records_a_split(feed: Feed, owner: User, now: datetime) -> None:
    out = StringIO()
    call_command("record_split", "aapl", "7:1", "--on", "2099-06-09", stdout=out)
    assert out.getvalue() == "AAPL 7-for-1 on 2099-06-09: waits for its day.\n"
    split = AnnouncedSplit.objects.get()
    assert (split.on, split.factor, split.applied_at) == (date(2099, 6, 9), SEVEN, None)
    for arguments in (
        ["AAPL", "7"],
        ["AAPL", "7:0"],
        ["AAPL", "7:7"],
        ["NONE", "7:1"],
        ["AAPL", "7:1", "--on", "soon"],
        ["AAPL", "7:1", "--on", "2014-06-09"],
    ):
        with pytest.raises(CommandError):
            call_command("record_split", *arguments, stdout=out)
    assert AnnouncedSplit.objects.count() == 1


# --- In the rule's history ---


def test_the_history_of_a_rule_tells_of_the_split(feed: Feed, owner: User, now: datetime) -> None:
    level = rule(owner, now, action_type="SELL", quantity=D(10))
    stop = rule(owner, now, "trailing_stop", params={"percent": "5"})
    tick(feed, now, "645.57")
    record()
    for action in (level, stop):
        action.refresh_from_db()
    change, made = history_of(action=level, zone=owner.zone)
    assert (change.who, change.why) == ("Trading Rules", "Split 7-for-1 of AAPL on 2026-11-18.")
    assert change.what == (
        "What it does: Sell 10 AAPL → Sell 70 AAPL",
        "When: when the price is at or below $600.00 → when the price is at or below $85.714285",
    )
    assert made.what == ("Made: Sell 10 AAPL when the price is at or below $600.00.",)
    change, _ = history_of(action=stop, zone=owner.zone)
    assert change.what == ("Only what the rule remembers of the market was changed.",)
    assert change.why == "Split 7-for-1 of AAPL on 2026-11-18."
