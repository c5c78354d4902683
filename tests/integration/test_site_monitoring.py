"""How the whole site does: for staff who may see it, for Prometheus, and for nobody else."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product
from django.contrib.auth.models import Permission
from django.db import OperationalError, connection
from django.test import Client
from django_q.models import OrmQ
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.evaluator import evaluator_lock
from actions.models import Action, Census, Tick, Trouble
from actions.rules import Status
from actions.services import Draft, create_action, pause_action
from actions.site_status import queue_status, rules_status, site_status
from actions.tick_record import roll_up_ticks
from tests.api import Api
from tests.conftest import Feed, list_instruments
from tests.factories import PortfolioFactory, UserFactory
from tests.feed_server import FeedServer, quote, quotes
from tests.pages import text_of
from tests.plans import plans, read_whole

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
BUY = Draft(
    action_type="BUY",
    symbol="AAPL",
    quantity=Decimal(1),
    trigger_type="price_below",
    trigger_params={"threshold": "150"},
)


@pytest.fixture
def staff() -> User:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="monitor"))
    return user


@pytest.fixture
def owner(live: FeedServer, now: datetime, monkeypatch: pytest.MonkeyPatch) -> User:
    """Of a rule that has fired, one that waits and one that is paused, at an instant after it."""
    list_instruments(["AAPL", "MSFT"])
    user = PortfolioFactory.create(deposit=10_000).user
    for _ in range(2):
        create_action(user=user, draft=BUY, now=now)
    paused = create_action(user=user, draft=BUY, now=now)
    pause_action(user=user, action_id=paused.pk, now=now)
    create_action(user=user, draft=replace(BUY, symbol="MSFT"), now=now)
    live.says(quotes({"AAPL": quote("AAPL", now, "149"), "MSFT": quote("MSFT", now, "0")}))
    run_tick(now=now)
    Trouble.objects.create(kind="deliveries", bad_since=now, words="They fail.", is_told=True)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + 8 * SECOND)
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_staff_with_the_permission_see_it_and_nobody_else(staff: User, feed: Feed) -> None:
    for user, page, api in (
        (UserFactory.create(), 403, 403),
        (UserFactory.create(is_staff=True), 403, 403),
        (staff, 200, 200),
        (UserFactory.create(is_staff=True, is_superuser=True), 200, 200),
    ):
        client = signed_in(user)
        assert client.get("/monitoring", secure=True).status_code == page
        assert client.get("/api/monitoring/site", secure=True).status_code == api
    assert Client().get("/monitoring", secure=True).status_code == 302
    assert Api().get("/monitoring/site").status_code == 401


def test_the_api_tells_all_of_it(staff: User, owner: User, now: datetime) -> None:
    with evaluator_lock():
        site = Api(staff).get("/monitoring/site").json()
    evaluator = site["evaluator"]
    assert evaluator["active"] is True
    assert evaluator["leader"]["program"].startswith("trading-rules")
    assert evaluator["leader"]["pid"] == connection.connection.info.backend_pid
    assert (evaluator["interval_seconds"], evaluator["lag_seconds"]) == (10, 0)
    assert evaluator["last_tick_at"] == "2026-11-17T15:00:00Z"
    assert evaluator["pauses"] == 1, "before the first tick there was none"
    assert site["rules"]["counts"] == {
        "active": 1,
        "paused": 1,
        "completed": 2,
        "cancelled": 0,
        "failed": 0,
    }
    assert site["rules"]["counted_at"] == "2026-11-17T15:00:08Z"
    assert (site["rules"]["woken_a_minute"], site["rules"]["fired_a_minute"]) == (0.6, 0.4)
    assert site["quotes"] == {"symbols": 2, "stale": 1, "newest_at": "2026-11-17T15:00:00Z"}
    assert site["feed"]["credits"]["this_minute"] == 98
    (incident,) = site["feed"]["incidents"]
    assert (incident["symbol"], incident["verdict"]) == ("MSFT", "refused")
    assert site["outbox"]["undispatched"] == 2
    assert site["outbox"]["oldest_at"] == "2026-11-17T15:00:00Z"
    assert site["errors"][0]["message"].startswith("MSFT:")
    assert site["troubles"] == [
        {
            "kind": "deliveries",
            "since": "2026-11-17T15:00:00Z",
            "words": "They fail.",
            "is_told": True,
        }
    ]


def test_the_page_says_it_in_words_and_its_part_is_304_while_nothing_changes(
    staff: User, owner: User
) -> None:
    client = signed_in(staff)
    said = text_of(client, "/monitoring")
    for words in (
        "Deliveries: wrong since",
        "They fail.",
        "State Active",
        "Leader nobody holds the lock",
        "Active 1",
        "Completed 2",
        "Symbols followed 2 Too old for rules 1",
        "Credits left this minute 98",
        "Not dispatched 2",
        "MSFT: refused.",
        "Interval 10 s, market open",
    ):
        assert words in said, words
    part = client.get("/monitoring", secure=True, headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    again = {"HX-Request": "true", "If-None-Match": part["ETag"]}
    assert client.get("/monitoring", secure=True, headers=again).status_code == 304


def test_it_says_that_nobody_ticks_and_how_late_the_next_tick_is(
    staff: User, owner: User, now: datetime
) -> None:
    evaluator = site_status(now=now + 100 * SECOND).evaluator
    assert (evaluator.active, evaluator.leader) == (False, None)
    assert evaluator.lag_seconds == 90
    assert evaluator.pauses == 2
    assert site_status(now=now + 40 * SECOND).evaluator.active is False
    assert site_status(now=now + 30 * SECOND).evaluator.active is True


def test_rules_are_counted_once_a_minute_and_not_while_another_counts(
    owner: User, now: datetime
) -> None:
    assert rules_status(now=now).counts[Status.ACTIVE] == 1
    Action.objects.filter(status="active").update(status="cancelled")
    assert rules_status(now=now + 59 * SECOND).counts[Status.ACTIVE] == 1
    assert rules_status(now=now + 60 * SECOND).counts[Status.ACTIVE] == 0
    assert Census.objects.get().counts["cancelled"] == 1


def test_no_look_but_the_count_reads_a_table_of_rules_quotes_pasts_or_ticks(
    owner: User, now: datetime
) -> None:
    site_status(now=now)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan TO off")  # small tables are read whole otherwise
    with plans() as seen:
        site_status(now=now + SECOND)
    assert len(seen) > 10
    large = {"actions", "notifications", "deliveries", "ticks", "watches"}
    for sql, plan in seen.items():
        assert not read_whole(plan) & large, sql


def test_jobs_that_wait_are_told_from_those_at_work(now: datetime) -> None:
    for seconds in (-30, -20, 900):
        OrmQ.objects.create(key="tradingrules", payload="", lock=now + seconds * SECOND)
    queue = queue_status(now=now)
    assert (queue.waiting, queue.at_work, queue.oldest_at) == (2, 1, now - 30 * SECOND)


# --- For Prometheus ---


def scrape(**more: Any) -> Any:
    extra = {"HTTP_HOST": "127.0.0.1:8000", "REMOTE_ADDR": "127.0.0.1"} | more
    return Client().get("/metrics", **extra)


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families(text)
        for sample in family.samples
    }


def test_metrics_are_what_the_database_says(owner: User, now: datetime) -> None:
    found = values(scrape().content.decode())
    assert {name: found[f"tradingrules_{name}"] for name in (
        "evaluator_active", "tick_lag_seconds", "ticks_total", "rules_woken_total",
        "rules_fired_total", "tick_faults_total", "rules{active}", "rules{completed}",
        "quotes", "quotes_stale", "feed_incidents", "feed_credits_left{minute}",
        "outbox_messages{undispatched}", "outbox_oldest_age_seconds", "troubles{deliveries}",
        "troubles{ticks}", "market_open", "last_tick_timestamp_seconds",
    )} == {
        "evaluator_active": 1, "tick_lag_seconds": 0, "ticks_total": 1, "rules_woken_total": 3,
        "rules_fired_total": 2, "tick_faults_total": 1, "rules{active}": 1, "rules{completed}": 2,
        "quotes": 2, "quotes_stale": 1, "feed_incidents": 1, "feed_credits_left{minute}": 98,
        "outbox_messages{undispatched}": 2, "outbox_oldest_age_seconds": 8,
        "troubles{deliveries}": 1, "troubles{ticks}": 0, "market_open": 1,
        "last_tick_timestamp_seconds": now.timestamp(),
    }  # fmt: skip
    assert "tradingrules_feed_credits_left{day}" not in found, "the plan has no limit a day"


def test_counters_never_fall_when_ticks_are_put_together(feed: Feed, now: datetime) -> None:
    def count() -> float:
        return values(scrape().content.decode())["tradingrules_ticks_total"]

    for hours in range(5):
        run_tick(now=now + hours * HOUR)
    assert count() == 5
    for days in (0, 1, 5):
        for _ in range(2):
            roll_up_ticks(now=now + 4 * HOUR + timedelta(days=days))
            assert count() == 5
    assert Tick.objects.count() == 1


def test_metrics_keep_the_conventions_and_are_documented(owner: User) -> None:
    text = scrape().content.decode()
    table = (Path(product.BASE_DIR) / "docs" / "operations.md").read_text()
    documented = dict(re.findall(r"^\| `(tradingrules_\w+)[^|]*\| (\w+) \|", table, re.M))
    seen = {}
    for family in families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        seen[name] = family.type
        assert re.fullmatch(r"tradingrules_[a-z]+(_[a-z]+)*", name)
        assert family.documentation.endswith("."), f"{name} says nothing of itself"
        assert family.type in {"counter", "gauge"}
        assert not re.search(r"_(ms|milliseconds|minutes|hours|percent|gauge|counter)\b", name)
        assert (family.type == "counter") == name.endswith("_total")
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels <= {"status", "state", "kind", "window"}, "few values each"
    assert seen == {name: kind for name, kind in documented.items() if name in seen}
    assert set(documented) - set(seen) <= {"tradingrules_stream_connected"}


def test_both_of_its_formats_are_spoken() -> None:
    plain = scrape()
    assert plain["Content-Type"].startswith("text/plain; version=0.0.4")
    asked = scrape(HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    assert asked["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert list(openmetrics(asked.content.decode()))


@pytest.mark.parametrize(
    "more",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "203.0.113.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_HOST": "testserver"},
    ],
)
def test_without_a_token_only_this_machine_may_scrape_and_not_through_a_proxy(
    more: dict[str, str],
) -> None:
    refused = scrape(**more)
    assert (refused.status_code, refused.content) == (404, b"Not found.\n")


def test_where_there_is_a_token_it_is_asked_of_everybody(settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-token-of-some-length"
    away = {"REMOTE_ADDR": "203.0.113.7", "HTTP_HOST": "testserver"}
    assert scrape().status_code == 404
    for shown, status in (
        ("Bearer a-token-of-some-length", 200),
        ("Bearer a-token-of-some-lengtH", 404),
        ("a-token-of-some-length", 404),
        ("Bearer \xe9", 404),
    ):
        assert scrape(HTTP_AUTHORIZATION=shown, **away).status_code == status


def test_a_database_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(now: datetime) -> None:
        raise OperationalError

    monkeypatch.setattr("tradingrules.metrics.site_status", gone)
    assert (scrape().status_code, scrape().content) == (503, b"The database does not answer.\n")
