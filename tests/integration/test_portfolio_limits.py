"""Rules trade within their portfolio's limits, and not at all while it is paused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.execute_now import GateRefused, execute_now
from actions.models import Action, ActionExecution, Notification, Watch
from actions.selectors import explain
from actions.services import Draft, create_action
from actions.simulate import MadeUp, simulate_action
from portfolios.limits import Limits
from portfolios.models import Portfolio
from portfolios.selectors import discrepancies
from portfolios.services import (
    deposit,
    pause_portfolio,
    primary_portfolio,
    set_limits,
    unpause_portfolio,
)
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.fixture
def portfolio(owner: User) -> Portfolio:
    return primary_portfolio(user=owner)


def buy(owner: User, now: datetime, quantity: int | None = 1, **changes: Any) -> Action:
    fields: dict[str, Any] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": None if quantity is None else Decimal(quantity),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return create_action(user=owner, draft=Draft(**(fields | changes)), now=now)


def finding(action: Action) -> tuple[str, str | None]:
    action.refresh_from_db()
    assert action.last_evaluation is not None
    return action.last_evaluation["finding"], action.last_evaluation["gate"]


@pytest.mark.parametrize("by_staff", [False, True])
def test_no_rule_of_a_paused_portfolio_fires_until_it_goes_on(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime, by_staff: bool
) -> None:
    other = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=other), amount=Decimal(1_000), at=now)
    mine, theirs = buy(owner, now), buy(other, now)
    pause_portfolio(portfolio_id=portfolio.pk, by_staff=by_staff)
    feed.says("AAPL", "149", now)
    assert run_tick(now=now).fired == 1
    assert ActionExecution.objects.get().action_id == theirs.pk
    assert finding(mine) == ("blocked", "portfolio")
    with pytest.raises(GateRefused, match="paused"):
        execute_now(user=owner, action_id=mine.pk, key="k", now=now)
    assert run_tick(now=now + SECOND).woken == 0, "it sleeps"

    unpause_portfolio(portfolio_id=portfolio.pk, by_staff=not by_staff)
    run_tick(now=now + 2 * SECOND)
    assert finding(mine) == ("blocked", "portfolio"), "only who paused it lets it go on"
    unpause_portfolio(portfolio_id=portfolio.pk, by_staff=by_staff)
    assert run_tick(now=now + 3 * SECOND).fired == 1
    assert finding(mine) == ("fired", None)


def test_a_rule_that_names_no_portfolio_goes_on_with_its_owners_primary_one(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    action = buy(owner, now)
    Action.objects.filter(pk=action.pk).update(portfolio=None)
    pause_portfolio(portfolio_id=portfolio.pk)
    feed.says("AAPL", "149", now)
    run_tick(now=now)
    assert finding(action) == ("blocked", "portfolio")
    unpause_portfolio(portfolio_id=portfolio.pk)
    assert run_tick(now=now + SECOND).fired == 1


def test_a_paused_portfolio_is_why_a_rule_has_not_fired(
    owner: User, portfolio: Portfolio, now: datetime
) -> None:
    action = buy(owner, now)
    pause_portfolio(portfolio_id=portfolio.pk)
    why = explain(actions=[Action.objects.get(pk=action.pk)], quotes={}, now=now)[action.pk]
    assert why.blocking is not None
    assert (why.blocking.gate, why.blocking.reason) == ("portfolio", "Its portfolio is paused.")


def test_a_rule_that_only_tells_is_paused_with_its_portfolio(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    action = buy(owner, now, action_type="NOTIFY", quantity=None, portfolio_id=portfolio.pk)
    pause_portfolio(portfolio_id=portfolio.pk)
    feed.says("AAPL", "149", now)
    assert run_tick(now=now).fired == 0
    assert finding(action) == ("blocked", "portfolio")


def test_one_that_only_tells_and_names_no_portfolio_is_paused_with_the_primary_one(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    action = buy(owner, now, action_type="NOTIFY", quantity=None)
    theirs = buy(UserFactory.create(), now, action_type="NOTIFY", quantity=None)
    assert action.portfolio_id is None
    pause_portfolio(portfolio_id=portfolio.pk)
    feed.says("AAPL", "149", now)
    assert run_tick(now=now).fired == 1
    assert ActionExecution.objects.get().action_id == theirs.pk
    assert finding(action) == ("blocked", "portfolio")
    with pytest.raises(GateRefused, match="You have paused this portfolio"):
        execute_now(user=owner, action_id=action.pk, key="k", now=now)
    why = explain(actions=[action], quotes={}, now=now)[action.pk]
    assert why.blocking is not None
    assert (why.blocking.gate, why.blocking.reason) == ("portfolio", "Its portfolio is paused.")
    tried = simulate_action(user=owner, action_id=action.pk, market=MadeUp(at=now))
    assert (tried.would_fire, tried.gates[-1].reason) == (False, "You have paused this portfolio.")
    assert run_tick(now=now + SECOND).woken == 0, "it sleeps"

    unpause_portfolio(portfolio_id=portfolio.pk)
    assert run_tick(now=now + 2 * SECOND).fired == 1


def test_who_has_only_notices_pauses_them_all_the_same(
    feed: Feed, now: datetime, client: Client
) -> None:
    user = UserFactory.create()
    buy(user, now, action_type="NOTIFY", quantity=None)
    client.force_login(user)
    client.post("/portfolio/pause", {"paused": "on"})
    assert "All your rules are paused. None fires" in client.get("/actions").content.decode()
    feed.says("AAPL", "149", now)
    assert run_tick(now=now).fired == 0
    client.post("/portfolio/pause")
    assert run_tick(now=now + SECOND).fired == 1


def test_a_day_that_is_spent_holds_rules_back_until_the_next(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    set_limits(portfolio_id=portfolio.pk, limits=Limits(day_executions=1))
    first, second = buy(owner, now), buy(owner, now + SECOND)
    feed.says("AAPL", "149", now + SECOND)
    assert run_tick(now=now + SECOND).fired == 1
    assert finding(first) == ("fired", None)
    assert finding(second) == ("blocked", "day")
    second.refresh_from_db()
    assert (second.status, second.consecutive_failures) == ("active", 0)
    midnight = datetime(2026, 11, 18, 5, tzinfo=UTC)  # in New York
    assert Watch.objects.get(action=second).at == midnight

    run_tick(now=now + 2 * SECOND)  # the first one's trade has changed the portfolio
    held = Notification.objects.filter(action=second, subject__startswith="Held back: ")
    assert held.values("subject").distinct().count() == 1
    assert "1 executions of this day are used up" in held.first().body  # type: ignore[union-attr]

    feed.says("AAPL", "149", midnight)
    assert run_tick(now=midnight).fired == 1
    portfolio.refresh_from_db()
    assert (portfolio.counted_on, portfolio.executions_counted) == (midnight.date(), 1)
    assert discrepancies() == []


def test_dollars_of_a_day_count_purchases_and_sales_of_rules_alone(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime
) -> None:
    set_limits(portfolio_id=portfolio.pk, limits=Limits(day_usd=Decimal(450)))
    feed.says("AAPL", "100", now)
    bought = buy(owner, now, quantity=3)
    sold = buy(owner, now + SECOND, quantity=1, action_type="SELL")
    waits = buy(owner, now + 2 * SECOND, quantity=1)
    feed.says("AAPL", "100", now + 2 * SECOND)
    assert run_tick(now=now + 2 * SECOND).fired == 2
    assert [finding(each)[0] for each in (bought, sold, waits)] == ["fired", "fired", "blocked"]
    portfolio.refresh_from_db()
    assert portfolio.usd_counted == 400
    set_limits(portfolio_id=portfolio.pk, limits=Limits(day_usd=Decimal(500)))
    assert run_tick(now=now + 3 * SECOND).fired == 1, "a wider limit holds at once"


def test_an_order_of_a_wrong_size_is_a_failed_execution_with_a_code(
    owner: User, portfolio: Portfolio, feed: Feed, now: datetime, settings: Settings
) -> None:
    settings.SITE_LIMITS = Limits(order_most=Decimal(500))
    buy(owner, now, quantity=6)
    feed.says("AAPL", "100", now)
    assert run_tick(now=now).fired == 1
    execution = ActionExecution.objects.get()
    assert execution.execution_status == "failed"
    assert execution.details["code"] == "above_maximum"
    assert execution.error == "The order for AAPL is $600.00, above the maximum order of $500.00."


def test_the_owner_pauses_everything_on_the_page_and_nobody_else_does(
    owner: User, portfolio: Portfolio, client: Client
) -> None:
    assert client.post("/portfolio/pause", {"paused": "on"}).status_code == 302
    portfolio.refresh_from_db()
    assert not portfolio.paused_by_owner
    client.force_login(owner)
    assert client.get("/portfolio/pause").status_code == 405
    client.post("/portfolio/pause", {"paused": "on"})
    assert Portfolio.objects.filter(pk=portfolio.pk, paused_by_owner=True).exists()
    assert "All your rules are paused." in client.get("/actions").content.decode()
    client.post("/portfolio/pause")
    portfolio.refresh_from_db()
    assert not portfolio.paused_by_owner


def test_support_pauses_with_the_permission_to(portfolio: Portfolio, admin_client: Client) -> None:
    page = "/admin/portfolios/portfolio/"
    chosen = {"action": "pause_everything", "_selected_action": [str(portfolio.pk)]}
    assert b"Reason" in admin_client.post(page, chosen).content
    paused = Portfolio.objects.filter(pk=portfolio.pk, paused_by_staff=True)
    assert not paused.exists(), "it asks for the reason first"
    admin_client.post(page, chosen | {"reason": "The owner asked for it."})
    assert paused.exists()
    helper = UserFactory.create(is_staff=True)
    client = Client()
    client.force_login(helper)
    client.post(page, chosen | {"action": "let_go_on", "reason": "None."})
    assert paused.exists()
