"""How often the pages of one rule ask the database, on a replay, over HTTP."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.engine import run_tick, take_in
from actions.models import ActionExecution
from actions.services import Draft, create_action, pause_action, resume_action
from actions.wizard.drafts import open_draft
from market.history import keep_history
from market.models import DailyBar, ReplayRun
from market.quotes import Sample
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import list_instruments
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12
TRIGGERS: list[tuple[str, dict[str, Any]]] = [
    ("price_below", {"threshold": "120"}),
    ("trailing_stop", {"percent": "5"}),
    ("from_high", {"percent": "10", "lookback": 20}),
    ("from_cost", {"direction": "down", "percent": "5"}),
    ("change_pct", {"window": "4h", "change": "3", "direction": "up"}),
    ("change_pct", {"window": "1d", "change": "3", "direction": "up"}),
    ("drift", {"tolerance_pct": "60"}),
]
PAGES = ["/", "/value", "/portfolio", "/actions", "/log", "/stocks/AAPL", "/chat", "/notifications"]


@pytest.fixture
def ada(settings: Any, db: None) -> User:
    settings.MARKET_PROVIDER = "replay"
    list_instruments(["AAPL"])
    now = datetime.now(UTC)
    for n in range(30):
        at = datetime(2008, 9, 1, 20, tzinfo=UTC) + timedelta(days=n)
        prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(140 + n % 3))
        DailyBar.objects.create(
            instrument_id="AAPL", session=at.date(), at=at, volume=1000, **prices
        )
    started = now - timedelta(hours=1)
    ReplayRun.objects.create(
        started_at=started, first_session=date(2008, 9, 20), session_seconds=600
    )
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    follow(symbols=["AAPL"])
    take_in([Sample("AAPL", Decimal("142.10"), now)], now)
    return user


def visited(user: User, path: str, *, htmx: bool = False) -> Any:
    """The answer, asked for with no more statements than a page may take."""
    client = Client(headers={"HX-Request": "true"} if htmx else {})
    client.force_login(user)
    client.get(path)  # a process reads the bars of a replay once
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    assert answer.status_code == 200
    assert len(queries) <= MOST_QUERIES, [query["sql"][:120] for query in queries]
    return answer


def asked_of(kind: str, params: dict[str, Any], **more: Any) -> Draft:
    """A rule with this trigger, on AAPL or on a portfolio half of it."""
    if kind == "drift":
        what: dict[str, Any] = {
            "action_type": "REBALANCE",
            "action_params": {"targets": {"AAPL": "0.5"}},
        }
    else:
        what = {"action_type": "BUY", "symbol": "AAPL", "quantity": Decimal(1)}
    return Draft(**what, trigger_type=kind, trigger_params=params, **more)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_few_statements_whatever_there_is(ada: User, path: str) -> None:
    for kind, params in TRIGGERS:
        create_action(user=ada, draft=asked_of(kind, params), now=datetime.now(UTC))
    run_tick(now=datetime.now(UTC))
    visited(ada, path)
    visited(ada, path, htmx=True)


@pytest.mark.parametrize(("kind", "params"), TRIGGERS)
def test_a_rules_page_with_an_execution_takes_few_statements(
    ada: User, kind: str, params: dict[str, Any]
) -> None:
    asked = asked_of(kind, params, max_executions=3)
    now = datetime.now(UTC)
    action = create_action(user=ada, draft=asked, now=now)
    ActionExecution.objects.create(
        action=action,
        sequence=1,
        triggered_at=now,
        execution_status="success",
        details={"summary": "Told.", "reason": "So it was.", "rule": "A rule.", "trades": []},
    )
    keep_history(symbols=["AAPL"], span=timedelta(days=1))
    run_tick(now=datetime.now(UTC))
    pause_action(user=ada, action_id=action.pk, now=now)
    resume_action(user=ada, action_id=action.pk, now=now)
    run_tick(now=datetime.now(UTC))
    answer = visited(ada, f"/actions/{action.pk}")
    assert "Told." in answer.content.decode()
    assert answer.context["page"].paginator.count == 1
    assert answer.context["chart"].data["prices"]
    turn = answer.context["line"].why.turn
    assert (turn is not None) == (kind == "trailing_stop")
    lines = answer.context["chart"].data["lines"]
    assert [line["points"][-1][1] for line in lines] == ([str(turn.stop)] if turn else [])
    moved = visited(ada, f"/actions/{action.pk}", htmx=True).context["moved"]
    assert Decimal(moved["price"]) == Decimal(answer.context["chart"].data["prices"][-1][1])
    assert ("levels" in moved) == (kind in {"price_below", "trailing_stop"})
    if turn:
        assert moved["lines"][0]["points"][-1][1] == str(turn.stop)


@pytest.mark.parametrize("page", ["condition", "review"])
@pytest.mark.parametrize(("kind", "params"), TRIGGERS)
def test_a_rule_that_is_written_is_tried_with_few_statements(
    ada: User, page: str, kind: str, params: dict[str, Any]
) -> None:
    asked = asked_of(kind, params, valid_until=datetime.now(UTC).date() + timedelta(days=9))
    draft = open_draft(user=ada, draft=asked, now=datetime.now(UTC))
    answer = visited(ada, f"/actions/new/{page}?draft={draft.pk}")
    assert answer.context["forecast"] is not None
    assert page == "review" or answer.context["chart"].data["prices"]
