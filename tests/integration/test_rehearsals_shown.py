"""That a rule is a rehearsal is said wherever it is shown, and it is promoted from there."""

import csv
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, Delivery, Notification, Preferences
from actions.notify.deliver import deliver_due
from actions.notify.dispatch import dispatch
from actions.notify.payload import webhook_call
from actions.services import cancel_action, pause_action, promote_action
from tests.api import PRICE_BELOW, Api, wrong_fields
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_rehearsals import books, holder, rule_of, tick

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

WOULD_HAVE_SOLD = "Rehearsal: would have sold 10 AAPL at $80.00 for $800.00."


@pytest.fixture
def ada(feed: Feed) -> User:
    return holder(timezone.now())


@pytest.fixture
def api(ada: User) -> Api:
    return Api(ada)


@pytest.fixture
def client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def rehearsed(ada: User, feed: Feed) -> Action:
    """Would have sold 10 AAPL, once of any number of times, an hour apart."""
    action = rule_of(ada, timezone.now(), max_executions=None, cooldown_seconds=3600)
    tick(feed, "80", timezone.now())
    return action


@pytest.fixture
def real(ada: User) -> Action:
    return rule_of(ada, timezone.now(), rehearsal=False, trigger_params={"threshold": "10"})


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


# --- The API ---


def test_a_rehearsal_is_made_listed_and_promoted_over_http(api: Api, ada: User) -> None:
    sent = api.post("/actions", {**PRICE_BELOW, "rehearsal": True})
    rule = sent.json()
    assert (rule["rehearsal"], rule["promoted_at"]) == (True, None)
    assert rule["description"].startswith("Rehearsal: Sell 10 AAPL")
    api.post("/actions", PRICE_BELOW)
    for asked, found in (("true", [rule["id"]]), ("false", [])):
        rows = api.get(f"/actions?rehearsal={asked}").json()["results"]
        assert all(row["rehearsal"] == (asked == "true") for row in rows)
        assert [row["id"] for row in rows if row["id"] == rule["id"]] == found
    assert api.get("/actions?rehearsal=perhaps").status_code == 400

    path = f"/actions/{rule['id']}/promote"
    promoted = api.post(path, {}, if_match=sent["ETag"])
    assert promoted.status_code == 200
    assert promoted.json()["rehearsal"] is False
    assert promoted.json()["promoted_at"]
    assert promoted["ETag"] != sent["ETag"]
    assert api.post(path).json() == promoted.json(), "asked again, nothing more happens"


def test_what_cannot_be_promoted_says_why(api: Api, ada: User) -> None:
    now = timezone.now()
    action = rule_of(ada, now)
    path = f"/actions/{action.pk}/promote"
    assert api.post(path, {}, if_match='"older"').status_code == 412
    assert wrong_fields(api.post(path, {"now": True})) == ["now"]
    cancel_action(user=ada, action_id=action.pk, now=now)
    refused = api.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "transition_refused")
    ended = rule_of(ada, now, valid_until=now + timedelta(hours=1))
    Action.objects.filter(pk=ended.pk).update(
        valid_from=now - timedelta(hours=2), valid_until=now - timedelta(hours=1)
    )
    assert wrong_fields(api.post(f"/actions/{ended.pk}/promote")) == ["valid_until"]
    assert Api(UserFactory.create()).post(path).status_code == 404
    assert Api().post(path).status_code == 401


def test_a_patch_does_not_promote(api: Api, ada: User) -> None:
    action = rule_of(ada, timezone.now())
    refused = api.patch(f"/actions/{action.pk}", {"rehearsal": False})
    assert (refused.status_code, wrong_fields(refused)) == (400, ["rehearsal"])
    assert "Promote it" in refused.json()["detail"]


def test_executions_tell_what_would_have_been_traded(
    api: Api, ada: User, rehearsed: Action
) -> None:
    promote_action(user=ada, action_id=rehearsed.pk, now=timezone.now())
    assert run_tick(now=timezone.now()).fired == 1
    for path in ("/executions", f"/actions/{rehearsed.pk}/executions"):
        (execution,) = api.get(f"{path}?rehearsal=true").json()["results"]
        assert (execution["summary"], execution["transaction_id"]) == (WOULD_HAVE_SOLD, None)
        assert execution["details"]["would_trade"][0]["amount"] == "800.00"
        (traded,) = api.get(f"{path}?rehearsal=false").json()["results"]
        assert (traded["rehearsal"], traded["sequence"]) == (False, 2)
        assert len(api.get(path).json()["results"]) == 2


# --- Pages ---


def test_lists_are_filtered_by_it_and_each_page_has_its_badge(
    client: Client, rehearsed: Action, real: Action
) -> None:
    listed = client.get("/actions").context["lines"]
    assert {line.action.pk for line in listed} == {rehearsed.pk, real.pk}
    for asked, expected in (("yes", rehearsed), ("no", real)):
        shown = client.get(f"/actions?rehearsal={asked}")
        assert [line.action.pk for line in shown.context["lines"]] == [expected.pk]
        assert shown.context["chips"][0]["count"] == 1
        assert ("badge rehearsal" in shown.content.decode()) == (asked == "yes")
    assert "No rule is like that" in page(client, "/actions?rehearsal=yes&status=paused")
    for path in (f"/actions/{rehearsed.pk}", "/", "/log", "/stocks/AAPL", "/notifications"):
        assert "badge rehearsal" in page(client, path), path
    assert "badge rehearsal" not in page(client, f"/actions/{real.pk}")


def test_the_log_and_its_file_tell_rehearsals_from_trades(
    client: Client, ada: User, rehearsed: Action
) -> None:
    promote_action(user=ada, action_id=rehearsed.pk, now=timezone.now())
    run_tick(now=timezone.now())
    for asked, summary in (
        ("yes", WOULD_HAVE_SOLD),
        ("no", "Sold 10 AAPL at $80.00 for $800.00."),
    ):
        shown = client.get(f"/log?rehearsal={asked}")
        assert [line["done"] for line in shown.context["lines"]] == [summary]
        assert len(client.get(f"/log?rehearsal={asked}&symbol=AAPL").context["lines"]) == 1
        file = b"".join(client.get(f"/log.csv?rehearsal={asked}"))
        (row,) = csv.DictReader(StringIO(file.decode()))
        assert (row["rehearsal"], row["done"]) == (asked, summary)
        assert bool(row["trades"]) == (asked == "no")
    assert len(client.get("/log").context["lines"]) == 2


def test_support_sees_and_filters_it(client: Client, ada: User, rehearsed: Action) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    for path in ("actions/action", "actions/actionexecution"):
        assert "Rehearsal" in page(client, f"/admin/{path}/?rehearsal__exact=1")


def test_it_is_promoted_from_its_page_once_it_is_confirmed(
    client: Client, rehearsed: Action
) -> None:
    path = f"/actions/{rehearsed.pk}/promote"
    assert path in page(client, f"/actions/{rehearsed.pk}")
    asked = client.get(path)
    words = asked.content.decode()
    assert "Already true:</span> it would fire at the next check." in words
    assert "may be executed any number of times" in words
    sent = {"version": asked.context["version"]}
    done = client.post(path, sent, follow=True)
    assert "It trades from now on: Sell 10 AAPL" in said(done)
    assert "It trades from now on" in said(client.post(path, sent, follow=True)), "a second click"
    rehearsed.refresh_from_db()
    assert rehearsed.rehearsal is False
    assert path not in page(client, f"/actions/{rehearsed.pk}")
    assert "trades already" in said(client.get(path, follow=True))


def test_a_promotion_is_of_the_rule_that_was_shown(client: Client, ada: User) -> None:
    action = rule_of(ada, timezone.now())
    path = f"/actions/{action.pk}/promote"
    version = client.get(path).context["version"]
    Action.objects.filter(pk=action.pk).update(quantity=1000)
    for sent in ({"version": version}, {}):
        assert "Nothing was changed." in said(client.post(path, sent, follow=True))
    assert Action.objects.get().rehearsal


def test_what_cannot_be_promoted_is_not_offered(client: Client, ada: User) -> None:
    now = timezone.now()
    paused, cancelled = rule_of(ada, now), rule_of(ada, now)
    pause_action(user=ada, action_id=paused.pk, now=now)
    cancel_action(user=ada, action_id=cancelled.pk, now=now)
    assert "It stays paused until you resume it." in page(client, f"/actions/{paused.pk}/promote")
    words = page(client, f"/actions/{cancelled.pk}/promote")
    assert "It cannot be promoted." in words
    assert "<button" not in words.partition("dialog-in")[2].partition("</main>")[0]
    assert "/promote" not in page(client, f"/actions/{cancelled.pk}")
    other = Client()
    other.force_login(UserFactory.create())
    assert other.get(f"/actions/{paused.pk}/promote").status_code == 404
    assert other.post(f"/actions/{paused.pk}/promote").status_code == 404


def test_executing_it_by_hand_says_that_nothing_is_traded(
    client: Client, ada: User, feed: Feed
) -> None:
    action = rule_of(ada, timezone.now(), max_executions=None)
    tick(feed, "100", timezone.now())
    before = books(ada)
    path = f"/actions/{action.pk}/execute"
    asked = client.get(path)
    assert "Nothing is traded" in asked.content.decode()
    assert [trade.symbol for trade in asked.context["trades"]] == ["AAPL"]
    sent = {"key": asked.context["key"], "rehearsal": "on"}
    assert "would have sold 10 AAPL" in said(client.post(path, sent, follow=True))
    promote_action(user=ada, action_id=action.pk, now=timezone.now())
    stale = client.post(path, sent | {"key": "another"}, follow=True)
    assert "was promoted meanwhile" in said(stale)
    assert books(ada) == before


def test_the_wizard_asks_for_it_with_a_new_rule_and_keeps_it_in_an_edit(
    client: Client, ada: User
) -> None:
    page_of = "/actions/new/limits?example=stop"
    assert "Only rehearse it" in page(client, page_of)
    action = rule_of(ada, timezone.now(), notes="before")
    edit = f"/actions/{action.pk}/edit/limits"
    form = page(client, edit)
    assert "Only rehearse it" not in form
    assert '<input type="hidden" name="rehearsal" value="True"' in form
    client.post(edit, {"often": "once", "rehearsal": "True", "notes": "after"})
    draft = ada.rule_drafts.get()
    assert client.post(f"/actions/{action.pk}/edit/review?draft={draft.pk}").status_code == 302
    action.refresh_from_db()
    assert (action.notes, action.rehearsal) == ("after", True)


# --- Letters and calls ---


def test_the_letter_says_that_nothing_was_traded(
    ada: User, rehearsed: Action, mailoutbox: list[mail.EmailMultiAlternatives]
) -> None:
    dispatch(now=timezone.now())
    deliver_due(now=timezone.now())
    (letter,) = mailoutbox
    assert letter.subject == WOULD_HAVE_SOLD
    html = str(letter.alternatives[0][0])
    for text in (str(letter.body), html):
        assert "nothing was traded" in text.lower()
    assert "Would have sold 10 AAPL at $80.00" in html
    assert "Cash now" not in html


def test_a_webhook_is_told_what_would_have_been_traded(ada: User, rehearsed: Action) -> None:
    now = timezone.now()
    notice = Notification.objects.get()
    call = webhook_call(
        Delivery(user=ada, channel="webhook", created_at=now),
        notice,
        Preferences(user=ada, webhook_url="https://example.org", webhook_secret="s"),
        now,
    )
    told = json.loads(call.body)
    assert told["rehearsal"] is True
    assert told["execution"]["trades"] == []
    assert told["execution"]["would_trade"][0]["symbol"] == "AAPL"
    assert told["execution"]["cash_after"] is None
