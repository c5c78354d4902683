"""The Actions Log: every execution, filtered, a page at a time, and as a file."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from actions.bulk.cells import neutral
from actions.journal import Place, Wanted, log_page
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action, update_action
from portfolios.services import open_portfolio, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_overview_pages import signed_in, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def ada(feed: Feed) -> User:
    return UserFactory.create(username="ada", time_zone="America/New_York")


@pytest.fixture
def client(ada: User) -> Client:
    return signed_in(ada)


def rule(user: User, **more: Any) -> Action:
    fields: dict[str, Any] = {
        "action_type": "SELL",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "100"},
    }
    return create_action(user=user, draft=Draft(**fields | more), now=NOON)


def did(action: Action, summary: str, at: datetime = NOON, **more: Any) -> ActionExecution:
    details = {"summary": summary, "rule": "Sell 1 AAPL.", "reason": "It fell."}
    fields: dict[str, Any] = {"execution_status": "success", "details": details} | more
    sequence = action.executions.count() + 1
    return ActionExecution.objects.create(
        action=action, sequence=sequence, triggered_at=at, **fields
    )


def test_the_log_says_what_was_done_and_why_it_was_refused(client: Client, ada: User) -> None:
    action = rule(ada)
    did(action, "Sold 1 AAPL at $99.00 for $99.00.")
    did(action, "Refused: Sell 1 AAPL. <b>", execution_status="failed", error="none held")
    page = text(client.get("/log"))
    for words in ("Sold 1 AAPL at $99.00 for $99.00.", "Refused", "It fell.", "Sell 1 AAPL."):
        assert words in page
    assert "<b>" not in page
    assert reverse("one-portfolio", args=[primary_portfolio(user=ada).pk]) in page


def test_the_log_is_filtered_by_the_address(client: Client, ada: User) -> None:
    second = open_portfolio(user=ada, name="Second")
    did(rule(ada), "Apple", NOON)
    did(rule(ada, symbol="MSFT"), "Microsoft", NOON - timedelta(days=2))
    did(rule(ada, portfolio_id=second.pk), "Elsewhere", NOON - timedelta(days=4))
    refused = rule(ada, action_type="BUY")
    did(refused, "No cash", NOON, execution_status="failed", error="no cash")

    def shown(**filters: Any) -> set[str]:
        answer = client.get("/log", filters)
        return {line["done"] for line in answer.context["lines"]}

    assert shown() == {"Apple", "Microsoft", "Elsewhere", "No cash"}
    assert shown(status="failed") == {"No cash"}
    assert shown(symbol="msft ") == {"Microsoft"}
    assert shown(action_type="BUY") == {"No cash"}
    assert shown(portfolio=second.pk) == {"Elsewhere"}
    assert shown(since="2026-11-14", until="2026-11-16") == {"Microsoft"}
    assert shown(since="2026-11-17", symbol="AAPL", status="success") == {"Apple"}


def test_the_log_of_a_symbol_has_what_was_traded_in_it_by_whatever_rule(
    client: Client, ada: User
) -> None:
    def traded(symbol: str, key: str = "trades") -> dict[str, Any]:
        trade = {"side": "sell", "quantity": "-1", "symbol": symbol, "price": "99"}
        return {"details": {"summary": f"{key} {symbol}", key: [trade]}}

    moved = rule(ada)
    did(moved, "", **traded("AAPL"))
    update_action(user=ada, action_id=moved.pk, changes={"symbol": "MSFT"}, now=NOON)
    targets = {"targets": {"AAPL": "0.5", "IBM": "0.5"}}
    balance = rule(
        ada, action_type="REBALANCE", symbol=None, quantity=None, action_params=targets,
        trigger_type="drift", trigger_params={"tolerance_pct": "5"},
    )  # fmt: skip
    did(balance, "", **traded("IBM"))
    did(balance, "", **traded("AAPL", "would_trade"), rehearsal=True)
    did(rule(UserFactory.create()), "", **traded("AAPL"))

    def shown(symbol: str) -> set[str]:
        answer = client.get("/log", {"symbol": symbol})
        return {line["done"] for line in answer.context["lines"]}

    assert shown("AAPL") == {"trades AAPL", "would_trade AAPL"}
    assert shown("MSFT") == {"trades AAPL"}, "the rule is on it now"
    assert shown("IBM") == {"trades IBM"}
    assert shown("GOOG") == set()


def test_a_day_is_one_of_the_users_zone(client: Client, ada: User) -> None:
    did(rule(ada), "Late in the evening", datetime(2026, 11, 17, 3, 0, tzinfo=UTC))
    for day, found in (("2026-11-16", True), ("2026-11-17", False)):
        page = text(client.get("/log", {"since": day, "until": day}))
        assert ("Late in the evening" in page) is found


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"since": "2026-11-17", "until": "2026-11-16"}, "before the first one"),
        ({"since": "0001-01-01"}, "greater than or equal to 1900-01-01"),
        ({"until": "9999-12-31"}, "less than or equal to 2999-12-31"),
        ({"status": "lost"}, "lost is not one of"),
        ({"portfolio": "x"}, "Select a valid choice"),
        ({"symbol": "x" * 40}, "at most 16 characters"),
    ],
)
def test_a_filter_that_is_none_says_so_at_its_field(
    client: Client, filters: dict[str, str], words: str
) -> None:
    assert words in text(client.get("/log", filters))


def test_anothers_portfolio_filters_nothing_and_is_not_known(client: Client, ada: User) -> None:
    bobs = primary_portfolio(user=UserFactory.create())
    did(rule(ada), "Mine")
    page = text(client.get("/log", {"portfolio": str(bobs.pk)}))
    assert "Select a valid choice" in page
    assert "Mine" in page


def test_pages_go_through_all_of_the_log_and_back(client: Client, ada: User) -> None:
    actions = [rule(ada) for _ in range(3)]
    for n in range(40):
        for action in actions:  # three at each instant, so that pages end between them
            did(action, f"{n}", NOON - timedelta(minutes=n))
    seen: list[Any] = []
    page = log_page(user=ada, wanted=Wanted(), size=50)
    assert page.newer is None
    while True:
        seen += [each.pk for each in page.executions]
        if page.older is None:
            break
        page = log_page(user=ada, wanted=Wanted(), size=50, before=page.older)
    assert len(seen) == len(set(seen)) == 120
    back = log_page(user=ada, wanted=Wanted(), size=50, after=page.newer)
    assert [each.pk for each in back.executions] == seen[50:100]
    back = log_page(user=ada, wanted=Wanted(), size=50, after=back.newer)
    assert [each.pk for each in back.executions] == seen[:50]
    assert back.newer is None


def test_a_page_that_is_not_there_is_told_in_words(client: Client, ada: User) -> None:
    done = did(rule(ada), "The only one")
    end = str(Place(done.triggered_at, done.pk))
    assert "Nothing lies beyond this." in text(client.get("/log", {"before": end}))
    for place in ("7", "x_y", "2026-11-17_1", f"2026-11-17T00:00:00_{done.pk}", "\0"):
        page = text(client.get("/log", {"before": place}, follow=True))
        assert "That page of the log does not exist." in page
        assert "The only one" in page


def table(client: Client, **filters: Any) -> list[dict[str, str]]:
    answer = client.get("/log.csv", filters)
    assert answer.streaming
    assert answer["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(StringIO(b"".join(answer).decode())))


def test_the_file_has_all_that_the_filters_leave(client: Client, ada: User) -> None:
    action = rule(ada)
    trades = [{"side": "sell", "symbol": "AAPL", "quantity": "-1", "price": "99"}]
    did(action, "Sold 1", details={"summary": "Sold 1", "trades": trades, "rule": "Sell 1."})
    for _ in range(60):
        did(action, "Refused", execution_status="failed", error="x")
    rows = table(client)
    assert len(rows) == 61
    (sold,) = table(client, status="success")
    assert sold["time"] == "2026-11-17T07:00:00-05:00"
    assert (sold["done"], sold["trades"]) == ("Sold 1", "sell 1 AAPL at $99.00")
    assert sold["portfolio"] == "Main"


def test_no_cell_of_the_file_is_a_formula(client: Client, ada: User) -> None:
    for summary in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"):
        did(rule(ada), summary)
    for row in table(client):
        assert row["done"].startswith("'")
    assert neutral("Sold 1 = one") == "Sold 1 = one"
