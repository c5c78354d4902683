"""The list of rules, a rule's page, and what can be done from them, asked for over HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.engine import run_tick, take_in
from actions.models import Action, ActionExecution
from actions.selectors import explain
from actions.sentence import in_zone
from actions.services import Draft, cancel_action, create_action, pause_action
from market.hours import Exchange
from market.quotes import Sample
from market.selectors import latest_quotes
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12


@pytest.fixture
def ada(feed: Feed, db: None) -> User:
    list_instruments(["AAPL", "IBM", "MSFT"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    now = datetime.now(UTC)
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    follow(symbols=["AAPL"])
    take_in([Sample("AAPL", Decimal("142.10"), now)], now)
    return user


@pytest.fixture
def client(ada: User) -> Client:
    return signed_in(ada)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def rule(user: User, **fields: Any) -> Action:
    asked: dict[str, Any] = {
        "action_type": "BUY",
        "symbol": "AAPL",
        "quantity": Decimal(1),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "120"},
    }
    return create_action(user=user, draft=Draft(**asked | fields), now=datetime.now(UTC))


def shown(client: Client, query: str = "") -> list[Action]:
    return [line.action for line in client.get(f"/actions?{query}").context["lines"]]


def messages(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_list_asks_the_database_as_often_for_many_rules_as_for_few(
    ada: User, client: Client
) -> None:
    counts = []
    for _ in range(2):
        for n in range(12):
            rule(ada, trigger_params={"threshold": str(100 + n)})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/actions?sort=nearest&text=aapl")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= MOST_QUERIES, [q["sql"][:90] for q in queries]


def test_a_rules_page_asks_the_database_a_few_times(ada: User, client: Client) -> None:
    action = rule(ada)
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/actions/{action.pk}")
    assert len(queries) <= MOST_QUERIES, [query["sql"][:120] for query in queries]


def test_rules_are_filtered_by_status_symbol_type_and_text(ada: User, client: Client) -> None:
    buy = rule(ada, notes="before the holidays")
    tell = rule(ada, action_type="NOTIFY", quantity=None, symbol="IBM")
    other = rule(
        ada, symbol="MSFT", trigger_type="trailing_stop", trigger_params={"percent": "7.5"}
    )
    pause_action(user=ada, action_id=other.pk, now=datetime.now(UTC))
    assert shown(client, "status=paused") == [other]
    assert shown(client, "symbol=IBM") == [tell]
    assert shown(client, "type=NOTIFY") == [tell]
    assert shown(client, "type=trailing_stop&status=paused") == [other]
    assert shown(client, "text=HOLIDAYS") == [buy]
    assert shown(client, "text=7.5+msft") == [other]
    assert shown(client, "text=%25") == []
    assert shown(client, "status=nonsense&type=x&sort=y") == [tell, buy, other]
    chips = client.get("/actions?symbol=MSFT").context["chips"]
    assert [(chip["label"], chip["count"]) for chip in chips] == [
        ("All", 1),
        ("Active", 0),
        ("Paused", 1),
    ]


def test_the_nearest_rule_comes_first(ada: User, client: Client, feed: Feed) -> None:
    far = rule(ada, trigger_params={"threshold": "100"})
    near = rule(ada, trigger_params={"threshold": "142"})
    trailing = rule(ada, trigger_type="trailing_stop", trigger_params={"percent": "5"})
    now = datetime.now(UTC)
    feed.says("AAPL", "142.10", now)
    run_tick(now=now)
    assert shown(client, "sort=nearest") == [near, trailing, far]
    assert shown(client, "sort=oldest") == [far, near, trailing]


def test_pages_stand_in_the_address_and_one_that_is_not_there_is_told(
    ada: User, client: Client
) -> None:
    rules = [rule(ada, trigger_params={"threshold": str(n)}) for n in range(1, 28)]
    assert shown(client, "page=2") == [rules[1], rules[0]]
    assert shown(client, "page=2&sort=nearest") == [rules[1], rules[0]]
    for page, words in (
        ("3", "There is no page 3"),
        ("0", "There is no page 0"),
        ("x", "no number"),
    ):
        answer = client.get(f"/actions?page={page}")
        assert answer.status_code == 404
        assert words in answer.content.decode()
    assert client.get("/actions?page=3", headers={"HX-Request": "true"}).status_code == 200


def test_a_part_that_has_not_changed_is_not_sent_again(
    ada: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = rule(ada)
    now = datetime.now(UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)  # so that nothing grows older
    htmx = {"HX-Request": "true"}
    for path in ("/actions", f"/actions/{action.pk}"):
        first = client.get(path, headers=htmx)
        again = client.get(path, headers={**htmx, "If-None-Match": first["ETag"]})
        assert again.status_code == 304, path
    pause_action(user=ada, action_id=action.pk, now=datetime.now(UTC))
    changed = client.get("/actions", headers={**htmx, "If-None-Match": first["ETag"]})
    assert changed.status_code == 200


def test_who_has_no_rules_gets_three_examples(ada: User, client: Client) -> None:
    page = client.get("/actions")
    assert len(page.context["examples"]) == 3
    for url, sentence in page.context["examples"]:
        assert "".join(p.words for p in client.get(url).context["pieces"]) == sentence


def test_a_rule_is_paused_and_taken_back_as_it_was(ada: User, client: Client, feed: Feed) -> None:
    action = rule(ada, trigger_type="trailing_stop", trigger_params={"percent": "5"})
    now = datetime.now(UTC)
    for price in ("142.10", "150"):
        feed.says("AAPL", price, now)
        run_tick(now=now)
        now += timedelta(seconds=1)
    page = client.post(f"/actions/{action.pk}/pause", {"next": "/actions?type=BUY"}, follow=True)
    assert page.redirect_chain == [("/actions?type=BUY", 302)]
    assert "Paused: Buy 1 AAPL" in messages(page)
    action.refresh_from_db()
    assert Decimal(action.runtime_state["peak"]) == 150
    (message,) = page.context["messages"]
    undo = message.extra_tags.removeprefix("undo:")
    assert "as before" in messages(client.post(undo, follow=True))
    action.refresh_from_db()
    assert (action.status, Decimal(action.runtime_state["peak"])) == ("active", Decimal(150))
    assert "has been changed since" in messages(client.post(undo, follow=True))
    assert signed_in(UserFactory.create()).post(undo).status_code == 404
    assert client.post("/actions/undo/forged").status_code == 404


def test_what_was_done_more_than_a_minute_ago_stays(ada: User, client: Client) -> None:
    action = rule(ada)
    page = client.post(f"/actions/{action.pk}/cancel", follow=True)
    (message,) = page.context["messages"]
    earlier = datetime.now(UTC) - timedelta(minutes=2)
    assert "more than a minute ago" in str(
        refused_undo(ada, Action.objects.get(pk=action.pk), earlier)
    )
    assert "as before" in messages(
        client.post(message.extra_tags.removeprefix("undo:"), follow=True)
    )
    action.refresh_from_db()
    assert action.status == "active"
    assert action.watches.exists()


def refused_undo(user: User, action: Action, ended_at: datetime) -> Exception:
    from actions.rules import Status  # noqa: PLC0415
    from actions.services import UndoRefused, take_back  # noqa: PLC0415

    Action.objects.filter(pk=action.pk).update(updated_at=ended_at)
    with pytest.raises(UndoRefused) as refused:
        take_back(
            user=user,
            action_id=action.pk,
            was=Status.ACTIVE,
            ended_at=ended_at,
            now=datetime.now(UTC),
        )
    Action.objects.filter(pk=action.pk).update(updated_at=action.updated_at)
    return refused.value


def test_what_cannot_be_done_is_said_and_nothing_changes(ada: User, client: Client) -> None:
    action = rule(ada)
    cancel_action(user=ada, action_id=action.pk, now=datetime.now(UTC))
    page = client.post(f"/actions/{action.pk}/pause", follow=True)
    assert "cannot become paused" in messages(page)
    assert client.post(f"/actions/{action.pk}/steal").status_code == 404
    assert client.post(f"/actions/{uuid4()}/pause").status_code == 404
    assert client.get(f"/actions/{action.pk}/pause").status_code == 405
    away = client.post(f"/actions/{action.pk}/pause", {"next": "https://evil.example"})
    assert away["Location"] == "/actions"


def test_several_are_paused_resumed_and_cancelled_at_once(ada: User, client: Client) -> None:
    one, two = rule(ada), rule(ada)
    ended = rule(ada)
    cancel_action(user=ada, action_id=ended.pk, now=datetime.now(UTC))
    others = rule(UserFactory.create())
    ids = [str(each.pk) for each in (one, two, ended, others)]
    page = client.post("/actions/several", {"rule": [*ids, "x"], "wish": "pause"}, follow=True)
    assert messages(page).startswith("Paused 2 rules. 1 rule stayed as before.")
    assert client.post("/actions/several", {"rule": ids, "wish": "resume"}).status_code == 302
    assert Action.objects.filter(user=ada, status="active").count() == 2
    page = client.post("/actions/several", {"rule": ids, "wish": "cancel"}, follow=True)
    assert Action.objects.filter(user=ada, status="cancelled").count() == 3
    (undo,) = (m.extra_tags[5:] for m in page.context["messages"] if m.extra_tags)
    client.post(undo)
    assert Action.objects.filter(user=ada, status="active").count() == 2
    assert "No rule was selected" in messages(
        client.post("/actions/several", {"wish": "pause"}, follow=True)
    )
    others.refresh_from_db()
    assert others.status == "active"


def test_executing_says_what_it_will_do_and_does_it_once(ada: User, client: Client) -> None:
    action = rule(ada, quantity=Decimal(2), max_executions=None)
    page = client.get(f"/actions/{action.pk}/execute")
    assert "Buy 2 AAPL" in page.content.decode()
    assert "$284.20" in page.content.decode()
    assert not ActionExecution.objects.exists()
    sent = {"key": str(page.context["key"])}
    first = client.post(f"/actions/{action.pk}/execute", sent, follow=True)
    client.post(f"/actions/{action.pk}/execute", sent)
    assert "Bought 2 AAPL at $142.10 for $284.20." in messages(first)
    assert ActionExecution.objects.count() == 1
    reused = client.post(f"/actions/{rule(ada).pk}/execute", sent, follow=True)
    assert "Nothing was done." in messages(reused)


def test_what_cannot_be_executed_is_not_offered(ada: User, client: Client) -> None:
    action = rule(ada, quantity=Decimal(1_000_000))
    page = client.get(f"/actions/{action.pk}/execute").content.decode()
    assert "cannot be executed now" in page
    assert 'name="key"' not in page
    pause_action(user=ada, action_id=action.pk, now=datetime.now(UTC))
    assert "The rule is paused." in client.get(f"/actions/{action.pk}/execute").content.decode()
    assert signed_in(UserFactory.create()).get(f"/actions/{action.pk}/execute").status_code == 404


def test_a_rules_page_says_why_it_waits_and_what_it_did(
    ada: User, client: Client, feed: Feed
) -> None:
    action = rule(ada, max_executions=3, cooldown_seconds=3600, notes="<b>mine</b>")
    now = datetime.now(UTC)
    feed.says("AAPL", "119.00", now)
    run_tick(now=now)
    page = client.get(f"/actions/{action.pk}")
    said = page.content.decode()
    assert "Bought 1 AAPL at $119.00 for $119.00." in said
    assert "&lt;b&gt;mine" in said
    assert page.context["checks"][0].words == "The rule was triggered a short while ago."
    assert page.context["checks"][0].waits
    chart = page.context["chart"]
    assert [level["value"] for level in chart.data["levels"]] == ["120"]
    assert [mark["kind"] for mark in chart.data["marks"]] == ["buy"]
    assert page.context["events"][-1].words.startswith("Made: Buy 1 AAPL")


def test_another_persons_rule_is_not_there(ada: User) -> None:
    action = rule(ada)
    bob = signed_in(UserFactory.create())
    assert bob.get(f"/actions/{action.pk}").status_code == 404
    assert bob.post(f"/actions/{action.pk}/cancel").status_code == 404
    assert Client().get(f"/actions/{action.pk}").status_code == 302


def test_a_rule_whose_price_grew_stale_says_so_and_since_when(
    ada: User, client: Client, feed: Feed
) -> None:
    seen_at = datetime.now(UTC) - timedelta(minutes=20)
    follow(symbols=["MSFT"])
    take_in([Sample("MSFT", Decimal("160"), seen_at)], seen_at)
    asked = Draft(
        action_type="NOTIFY",
        symbol="MSFT",
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    action = create_action(user=ada, draft=asked, now=seen_at)
    run_tick(now=seen_at + timedelta(seconds=10))
    words = f"MSFT&#x27;s price is stale: the last one is of {in_zone(seen_at, ada.zone)}."
    for path in ("/actions", f"/actions/{action.pk}"):
        page = client.get(path).content.decode()
        assert words in page
    assert "Asleep until a new price falls to $150.00." in client.get("/actions").content.decode()
    feed.calendar = Exchange()
    closed = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    (why,) = explain(actions=[action], quotes=latest_quotes(symbols=["MSFT"]), now=closed).values()
    assert not why.stale, "while the market is closed there is no newer price to be had"
