"""Bands and alert levels: never wider than what the rules ask for."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from actions.engine import run_tick, take_in
from actions.lease import lease_actions_for_evaluation
from actions.models import Action, Watch
from actions.rules import Band, Wake
from actions.services import Draft, cancel_action, create_action, pause_action
from actions.watches import first_look, set_watches, sleep_for_good, wake, watchlist, widen_alerts
from market.models import Quote
from market.quotes import Sample
from market.services import follow
from portfolios.ledger import Side
from portfolios.services import deposit, primary_portfolio, trade
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.locks import somebody_waits_for

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(db: None, instruments: None, now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


def rule(owner: User, now: datetime, threshold: str, symbol: str = "AAPL") -> Action:
    draft = Draft(
        action_type="NOTIFY",
        symbol=symbol,
        trigger_type="price_below",
        trigger_params={"threshold": threshold},
    )
    return create_action(user=owner, draft=draft, now=now)


def levels(symbol: str = "AAPL") -> tuple[Decimal | None, Decimal | None]:
    quote = Quote.objects.get(pk=symbol)
    return quote.alert_below, quote.alert_above


def test_only_rules_whose_band_broke_are_woken(owner: User, feed: Feed, now: datetime) -> None:
    for threshold in ("150", "140", "130"):
        rule(owner, now, threshold)
    rule(owner, now, "50", symbol="MSFT")
    feed.says("AAPL", "160", now)
    feed.says("MSFT", "60", now)
    run_tick(now=now)
    assert levels() == (Decimal(150), None)

    feed.says("AAPL", "139", now + SECOND)
    feed.says("MSFT", "55", now + SECOND)
    report = run_tick(now=now + SECOND)
    assert (report.woken, report.fired) == (2, 2)
    assert levels() == (Decimal(130), None), "widened to what is still asked for"


def test_the_watchlist_is_what_sleeping_rules_need(owner: User, feed: Feed, now: datetime) -> None:
    rule(owner, now, "150")
    rule(owner, now, "50", symbol="MSFT")
    assert watchlist() == ["AAPL", "MSFT"]
    feed.says("MSFT", "50", now)
    run_tick(now=now)
    assert watchlist() == ["AAPL"]


def test_a_symbol_is_on_the_watchlist_also_without_a_price_to_wait_for(
    owner: User, now: datetime
) -> None:
    rule(owner, now, "150")  # waits for its first look
    assert levels() == (None, None)
    assert watchlist() == ["AAPL"]

    follow(symbols=["IBM", "MSFT"])
    trade(
        portfolio=primary_portfolio(user=owner),
        side=Side.BUY,
        symbol="IBM",
        quantity=Decimal(1),
        price=Decimal(50),
        at=now,
    )
    assert watchlist() == ["AAPL", "IBM"], "what is held is quoted, what is only followed is not"


def test_a_symbol_whose_last_rule_is_cancelled_is_let_go(
    owner: User, feed: Feed, now: datetime
) -> None:
    first, second = rule(owner, now, "150"), rule(owner, now, "140")
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    cancel_action(user=owner, action_id=first.pk, now=now)
    assert levels() == (Decimal(140), None)
    assert watchlist() == ["AAPL"]
    pause_action(user=owner, action_id=second.pk, now=now)
    assert levels() == (None, None)
    assert watchlist() == []


def test_the_cost_of_a_quiet_tick_does_not_follow_the_rules(
    owner: User, feed: Feed, now: datetime
) -> None:
    def quiet_tick(at: datetime) -> int:
        feed.says("AAPL", "160", at)
        with CaptureQueriesContext(connection) as queries:
            assert run_tick(now=at).woken == 0
        return len(queries)

    rule(owner, now, "150")
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    with_one = quiet_tick(now + SECOND)
    for number in range(20):
        rule(owner, now + 2 * SECOND, str(100 + number))
    feed.says("AAPL", "160", now + 2 * SECOND)
    run_tick(now=now + 2 * SECOND)
    assert quiet_tick(now + 3 * SECOND) == with_one


def test_a_tick_leases_only_where_somebody_is_awake_whoever_woke_them(
    owner: User, feed: Feed, now: datetime
) -> None:
    def tick(price: str, at: datetime) -> tuple[int, int, bool]:
        feed.says("AAPL", price, at)
        with CaptureQueriesContext(connection) as queries:
            report = run_tick(now=at)
        leased = any("pg_advisory_xact_lock" in query["sql"] for query in queries)
        return report.woken, report.fired, leased

    rule(owner, now, "150")
    assert tick("160", now) == (1, 0, True), "its first look"
    assert tick("160", now + SECOND) == (0, 0, False)
    take_in([Sample("AAPL", Decimal(149), now + 2 * SECOND)], now + 2 * SECOND)
    assert tick("149", now + 3 * SECOND) == (0, 1, True), "woken by a price that came by itself"


def test_those_longest_not_looked_at_are_leased_first(
    owner: User, feed: Feed, now: datetime
) -> None:
    first, second, third = (rule(UserFactory.create(), now, "150") for _ in range(3))
    Action.objects.filter(pk=first.pk).update(last_evaluated_at=now)
    Action.objects.filter(pk=second.pk).update(last_evaluated_at=now - SECOND)
    wake(symbols=[], now=now)
    order = [
        lease_actions_for_evaluation(now=now, limit=1, lease_seconds=30)[0].id for _ in range(3)
    ]
    assert order == [third.pk, second.pk, first.pk]
    assert lease_actions_for_evaluation(now=now, limit=1, lease_seconds=30) == []


def test_of_a_portfolio_that_is_more_than_a_batch_the_oldest_rules_are_leased_first(
    owner: User, feed: Feed, now: datetime
) -> None:
    rules = [rule(owner, now + number * SECOND, "150") for number in range(3)]
    Action.objects.filter(pk=rules[0].pk).update(last_evaluated_at=now + 3 * SECOND)
    later = now + 5 * SECOND
    wake(symbols=[], now=later)
    leased = [lease_actions_for_evaluation(now=later, limit=1, lease_seconds=30) for _ in rules]
    assert [one.id for batch in leased for one in batch] == [each.pk for each in rules]


def test_with_a_rule_those_of_its_portfolio_are_leased(
    owner: User, feed: Feed, now: datetime
) -> None:
    other = UserFactory.create()
    mine, theirs, mine_too, theirs_too = (
        rule(whose, now + number * SECOND, "150")
        for number, whose in enumerate([owner, other, owner, other])
    )
    Action.objects.update(last_evaluated_at=now)
    Action.objects.filter(pk=theirs_too.pk).update(last_evaluated_at=now - SECOND)
    later = now + 5 * SECOND
    wake(symbols=[], now=later)
    leased = [
        {one.id for one in lease_actions_for_evaluation(now=later, limit=2, lease_seconds=30)}
        for _ in range(3)
    ]
    assert leased == [{theirs.pk, theirs_too.pk}, {mine.pk, mine_too.pk}, set()]


def test_a_rule_that_asks_for_no_level_does_not_touch_the_quotes_row(
    owner: User, feed: Feed, now: datetime
) -> None:
    action = rule(owner, now, "150")
    with CaptureQueriesContext(connection) as queries:
        first_look(action_id=action.pk, symbols=frozenset({"AAPL"}), at=now)
    assert not [query for query in queries if "market_quote" in query["sql"]]


prices = st.decimals(min_value="1", max_value="9", places=1)
bands = st.builds(Band, below=st.none() | prices, above=st.none() | prices)


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=st.lists(bands, min_size=3, max_size=3), then=st.lists(bands, min_size=3, max_size=3))
def test_levels_are_never_wider_than_the_watches_under_concurrent_changes(
    now: datetime, first: list[Band], then: list[Band]
) -> None:
    ids = three_rules(now)
    set_bands(ids, first)

    # Two rules change their bands, each in a connection of its own, while a third process widens.
    def changed(index: int) -> None:
        set_bands([ids[index]], [then[index]])

    def removed() -> None:
        with transaction.atomic():
            sleep_for_good(action_ids=[ids[2]])

    def widened() -> None:
        with transaction.atomic():
            widen_alerts(symbols=["AAPL"])

    at_once(lambda: changed(0), lambda: changed(1), removed, widened)
    below, above = levels()
    for watch in Watch.objects.all():
        assert watch.below is None or (below is not None and below >= watch.below)
        assert watch.above is None or (above is not None and above <= watch.above)
    widened()
    left = Watch.objects.all()
    assert levels() == (
        max((w.below for w in left if w.below is not None), default=None),
        min((w.above for w in left if w.above is not None), default=None),
    )


def three_rules(now: datetime) -> list[UUID]:
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    Watch.objects.all().delete()
    Quote.objects.update(alert_below=None, alert_above=None)
    ids = list(Action.objects.values_list("pk", flat=True)[:3])
    if len(ids) == 3:
        return ids
    user = UserFactory.create()
    return [rule(user, now, "150").pk for _ in range(3)]


def set_bands(ids: list[UUID], wanted: list[Band]) -> None:
    with transaction.atomic():
        set_watches(
            {
                id: (frozenset({"AAPL"}), Wake(bands={"AAPL": band}))
                for id, band in zip(ids, wanted, strict=True)
            }
        )


def at_once(*jobs: Callable[[], None]) -> None:
    barrier = threading.Barrier(len(jobs))
    errors: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            barrier.wait(10)
            job()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


@pytest.mark.django_db(transaction=True)
def test_a_tick_and_a_firing_of_a_rule_that_follows_its_portfolio_never_wait_in_a_circle(
    feed: Feed, now: datetime
) -> None:
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    owner = UserFactory.create()
    portfolio = primary_portfolio(user=owner)
    action = rule(owner, now, "150")
    Action.objects.update(portfolio=portfolio)
    wakes = {action.pk: (frozenset({"AAPL"}), Wake({"AAPL": Band(below=Decimal(150))}))}
    with transaction.atomic():
        set_watches({action.pk: (frozenset({"AAPL"}), Wake(portfolio=True))})
    deposit(portfolio=portfolio, amount=Decimal(100), at=now)
    written = threading.Event()

    def fires() -> None:
        with transaction.atomic():
            Watch.objects.filter(action=action).delete()
            written.set()
            until_somebody_waits()
            set_watches(wakes)

    def ticks() -> None:
        assert written.wait(60)
        take_in([Sample("AAPL", Decimal(160), now)], now)

    at_once(fires, ticks)
    assert levels() == (Decimal(150), None)
    assert Quote.objects.get(pk="AAPL").price == 160


def until_somebody_waits() -> None:
    deadline = time.monotonic() + 60
    while not somebody_waits_for(connection.connection.info.backend_pid):
        assert time.monotonic() < deadline, "nobody waits for the watch"
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_refers_to_a_rule_does_not_keep_it_from_being_woken(
    feed: Feed, now: datetime
) -> None:
    list_instruments(["AAPL"])
    rule(UserFactory.create(), now, "150")
    feed.says("AAPL", "151", now)
    run_tick(now=now)
    written, ticked = threading.Event(), threading.Event()

    def tell_of_it() -> None:
        """As whoever commits a message, or an execution, about the rule: its foreign key's lock."""
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT FROM actions FOR KEY SHARE")
                written.set()
                ticked.wait(timeout=120)
        finally:
            connection.close()

    other = threading.Thread(target=tell_of_it)
    other.start()
    assert written.wait(timeout=120)
    feed.says("AAPL", "149", now + SECOND)
    woken = run_tick(now=now + SECOND).woken
    ticked.set()
    other.join(timeout=120)
    assert woken == 1, "a price that crosses for one tick would be lost"
