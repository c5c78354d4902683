"""What support may do: with a permission, with a reason, through the services, and kept."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.admin import ActionLocation
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from actions.history import history_of
from actions.models import Action, Delivery, Watch
from actions.notify.deliver import GIVE_UP_AFTER, RetryRefused, deliver_due, retry_delivery
from actions.notify.dispatch import dispatch
from actions.notify.outbox import Notice, tell
from actions.receipts import Message
from actions.services import Draft, cancel_action, create_action
from market.models import FeedIncident
from support import interventions
from tests.conftest import Feed
from tests.factories import PortfolioFactory, UserFactory
from tests.support import change_page, client_of, intervene, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

MAY = {
    "support": {"pause", "resume"},
    "operations": {"pause", "resume", "cancel", "rebuild"},
    "nobody": set[str](),
}


@pytest.fixture
def owner(feed: Feed) -> User:
    user: User = UserFactory.create(username="ada", email="ada@example.org")
    PortfolioFactory.create(user=user, deposit=10_000)
    return user


@pytest.fixture
def action(owner: User) -> Action:
    return rule(owner)


@pytest.fixture
def operator() -> Client:
    return client_of(staff("operations"))


@pytest.fixture(autouse=True)
def _nobody_else() -> Iterator[None]:
    """What a context has set holds until its transaction ends, which in a test is all of it."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pghistory.context_metadata', '', false)")


def rule(owner: User, threshold: str = "150") -> Action:
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": threshold},
    )
    return create_action(user=owner, draft=draft, now=timezone.now())


def status(action: Action) -> str:
    action.refresh_from_db()
    return action.status


def said(client: Client) -> str:
    """What the next page says of what was done."""
    page = client.get(reverse("admin:index"))
    return " ".join(str(message) for message in page.context["messages"])


def test_it_asks_for_the_reason_first_and_says_what_will_come_of_it(
    operator: Client, action: Action
) -> None:
    page = intervene(operator, "pause", action, reason=None)
    asked = page.content.decode()
    assert action.sentence(action.user.zone) in asked
    assert "until they are resumed" in asked
    for reason in ("", "  ", "no", "x" * 201, "nul\0"):
        again = intervene(operator, "pause", action, reason=reason)
        assert b'class="errornote"' in again.content, reason
    assert status(action) == "active"
    assert not LogEntry.objects.exists()


def test_what_was_done_is_kept_with_who_and_why_and_the_owner_reads_why(
    operator: Client, action: Action, client: Client
) -> None:
    answer = intervene(operator, "pause", action)
    assert answer["Location"] == change_page(action)
    assert status(action) == "paused"
    assert action.status_reason == "Paused by support: You asked us to."
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (
        str(action.pk),
        "Pause: You asked us to.",
    )
    assert entry.user.get_username() == "helper"
    change = history_of(action=action, zone=action.user.zone, for_staff=True)[0]
    assert (change.who, change.why) == ("helper", "Paused by support: You asked us to.")
    client.force_login(action.user)
    page = client.get(reverse("action", args=[action.pk])).content.decode()
    assert "Paused by support: You asked us to." in page
    assert "By support." in page
    assert "helper" not in page, "who it was is not the owner's to know"


def test_a_rule_is_resumed_and_ended_with_a_reason(operator: Client, action: Action) -> None:
    intervene(operator, "pause", action, reason="Wait")
    intervene(operator, "resume", action, reason="All is well again")
    assert status(action) == "active"
    words = "Resumed by support: All is well again."
    assert action.status_reason == f"{words} Its trigger has started anew."
    intervene(operator, "cancel", action, reason="Closed on request.")
    assert status(action) == "cancelled"
    assert not Watch.objects.filter(action=action).exists()
    whys = [change.why for change in history_of(action=action, zone=action.user.zone)[:3]]
    assert whys == [
        "Cancelled by support: Closed on request.",
        words,
        "Paused by support: Wait.",
    ]


def test_a_row_that_cannot_be_stays_as_it_was_and_the_others_are_done(
    operator: Client, owner: User, action: Action
) -> None:
    ended = rule(owner, "140")
    cancel_action(user=owner, action_id=ended.pk, now=timezone.now())
    intervene(operator, "pause", action, ended)
    assert (status(action), status(ended)) == ("paused", "cancelled")
    words = said(operator)
    assert "Pause: done, to 1 action." in words
    assert "A rule that is cancelled cannot become paused." in words
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(action.pk)]


def test_an_expired_rule_is_not_resumed_and_says_why(
    operator: Client, owner: User, action: Action
) -> None:
    intervene(operator, "pause", action)
    begun, over = timezone.now() - timedelta(days=2), timezone.now() - timedelta(days=1)
    Action.objects.filter(pk=action.pk).update(valid_from=begun, valid_until=over)
    intervene(operator, "resume", action)
    assert status(action) == "paused"
    assert "The rule has expired. Give it a later end first." in said(operator)


@pytest.mark.parametrize("group", MAY)
@pytest.mark.parametrize("name", ["pause", "resume", "cancel", "rebuild"])
def test_who_may_not_is_not_offered_it_and_gets_403(group: str, name: str, action: Action) -> None:
    helper = staff(group)
    if group == "nobody":
        helper.user_permissions.set(
            staff("support", username="x").groups.get().permissions.filter(codename="view_action")
        )
    client = client_of(helper)
    listed = client.get(reverse("admin:actions_action_changelist")).content.decode()
    page = client.get(change_page(action)).content.decode()
    may = name in MAY[group]
    for offered in (listed, page):
        assert (f'<option value="{name}"' in offered) == may
    choice = f"{ActionLocation.CHANGE_FORM.value}-action"
    forged = {choice: name, "_selected_action": str(action.pk), "reason": "Because."}
    if may:
        assert intervene(client, name, action, reason=None).status_code == 200
        return
    assert intervene(client, name, action).status_code == 403
    assert client.post(change_page(action), forged).status_code == 403
    assert status(action) == "active"
    assert not LogEntry.objects.exists()


def test_it_is_offered_on_the_rules_own_page_too(operator: Client, action: Action) -> None:
    choice = f"{ActionLocation.CHANGE_FORM.value}-action"
    form = {choice: "pause", "_selected_action": str(action.pk)}
    assert b"Reason" in operator.post(change_page(action), form).content
    assert status(action) == "active"


def test_no_more_than_a_page_of_rows_at_once(
    operator: Client, owner: User, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interventions, "MOST_AT_ONCE", 1)
    path = reverse("admin:actions_action_changelist")
    chosen = {"action": "pause", "_selected_action": [str(action.pk)], "select_across": "1"}
    rule(owner, "140")
    operator.post(path, chosen | {"reason": "All of them."})
    assert "more than 1 at once. Nothing was done" in said(operator)
    assert status(action) == "active"


def test_watches_that_were_lost_are_rebuilt_and_the_rule_stays_as_it_is(
    operator: Client, action: Action, feed: Feed
) -> None:
    Watch.objects.filter(action=action).delete()
    intervene(operator, "rebuild", action)
    assert Watch.objects.filter(action=action, symbol="AAPL").exists()
    assert LogEntry.objects.get().get_change_message() == "Rebuild watches: You asked us to."
    Action.objects.filter(pk=action.pk).update(status="paused")
    intervene(operator, "rebuild", action)
    assert "It stays as it was: it is awake, or not active" in said(operator)


# --- Deliveries ---


def given_up(owner: User, now: datetime) -> Delivery:
    tell(notices=[Notice(owner.pk, None, Message("Sold", "Your rule ..."))], now=now)
    dispatch(now=now)
    delivery = Delivery.objects.get(user=owner)
    Delivery.objects.filter(pk=delivery.pk).update(
        state="failed", attempts=11, next_attempt_at=None, last_error="Refused."
    )
    return delivery


def test_what_was_given_up_is_sent_again(
    operator: Client, owner: User, mailoutbox: list[object]
) -> None:
    delivery = given_up(owner, timezone.now() - timedelta(days=2))
    intervene(operator, "retry", delivery, reason="The server is back.")
    assert deliver_due(now=timezone.now()) == 1
    delivery.refresh_from_db()
    assert (delivery.state, len(mailoutbox)) == ("sent", 1)
    assert LogEntry.objects.get().get_change_message() == "Send again: The server is back."
    intervene(operator, "retry", delivery)
    assert "this one is 'sent'" in said(operator)


def test_it_is_tried_for_another_day_with_short_waits_at_first(owner: User, now: datetime) -> None:
    delivery = given_up(owner, now - timedelta(days=2))
    retry_delivery(delivery_id=delivery.pk, now=now)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.next_attempt_at) == ("pending", now)
    assert delivery.give_up_at == now + GIVE_UP_AFTER
    with pytest.raises(RetryRefused):
        retry_delivery(delivery_id=delivery.pk, now=now)
    assert dispatch(now=now) == 0, "it is not taken for one that nobody has tried to send"
    assert Delivery.objects.filter(pk=delivery.pk, state="pending").exists()


def test_support_may_not_send_again(owner: User, now: datetime) -> None:
    delivery = given_up(owner, now)
    assert intervene(client_of(staff("support")), "retry", delivery).status_code == 403
    delivery.refresh_from_db()
    assert delivery.state == "failed"


# --- Prices that are held ---


def test_a_price_that_is_held_is_believed_by_who_may_and_no_other(
    operator: Client, instruments: None, now: datetime
) -> None:
    incident = FeedIncident.objects.create(
        provider="test",
        kind="jump",
        verdict="doubted",
        instrument_id="AAPL",
        reason="It halved.",
        price=Decimal(80),
        as_of=now,
        first_at=now,
        last_at=now,
    )
    assert (
        intervene(client_of(staff("support", username="x")), "believe", incident).status_code == 403
    )
    intervene(operator, "believe", incident, reason="The company says so.")
    incident.refresh_from_db()
    assert incident.verdict == "believed"
    assert LogEntry.objects.get().get_change_message() == (
        "Say that it is no split: The company says so."
    )
    intervene(operator, "believe", incident)
    assert "It stays as it was: no price of it is held." in said(operator)


def sign_in(password: str) -> int:
    """The status with which the page that signs in answers, 302 where it does."""
    return Client().post("/sign-in", {"login": "ada", "password": password}).status_code


def test_operations_let_somebody_try_again_who_is_locked_out(operator: Client, owner: User) -> None:
    owner.set_password("correct horse")
    owner.save()
    for _ in range(5):
        sign_in("wrong")
    assert sign_in("correct horse") == 429
    assert b"UTC, if nobody tries before." in operator.get(change_page(owner)).content
    intervene(operator, "unlock", owner, reason="They called, and knew their last trade.")
    assert "Unlock: done, to 1 user." in said(operator)
    entry = LogEntry.objects.get(object_id=str(owner.pk))
    assert entry.get_change_message() == "Unlock: They called, and knew their last trade."
    assert entry.user.get_username() == "helper"
    assert sign_in("correct horse") == 302
    intervene(operator, "unlock", owner)
    assert "It stays as it was: nobody has failed" in said(operator)
    assert LogEntry.objects.count() == 1


def test_an_account_is_unlocked_for_programs_and_for_nobody_else(
    operator: Client, owner: User
) -> None:
    other = UserFactory.create(username="adam")
    api = Client(REMOTE_ADDR="192.0.2.7")
    for name in ("ada", "adam"):
        form = {"username": name, "password": "wrong"}
        answers = [api.post("/api/token", form, "application/json") for _ in range(6)]
        assert answers[-1].status_code == 429
    intervene(operator, "unlock", owner)
    wrong = {"username": "ada", "password": "wrong"}
    assert api.post("/api/token", wrong, "application/json").status_code == 401
    assert b"UTC, if nobody tries before." in operator.get(change_page(other)).content


def test_support_sees_that_somebody_is_locked_out_and_may_not_unlock(owner: User) -> None:
    helper = client_of(staff("support"))
    for _ in range(5):
        sign_in("wrong")
    page = helper.get(change_page(owner)).content
    assert b"UTC, if nobody tries before." in page
    assert b"Unlock" not in page
    assert intervene(helper, "unlock", owner).status_code == 403
    assert sign_in("wrong") == 429
