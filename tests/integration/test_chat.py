"""The chat without a model, and its cards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, RuleDraft
from actions.services import Draft, create_action, pause_action, update_action
from chat.models import Conversation, Message, Proposal
from chat.proposals import (
    VALID,
    ProposalClosed,
    ProposalOutdated,
    confirm,
    dismiss,
    take_to_wizard,
)
from chat.services import LONGEST, InvalidText, TooManyMessages, say, show_executions
from portfolios.ledger import Side
from portfolios.services import deposit, primary_portfolio, trade, withdraw
from tests.api import Api
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def ada(now: datetime, feed: Feed) -> User:
    return rich("ada", now, feed)


def rich(name: str, now: datetime, feed: Feed) -> User:
    user = UserFactory.create(username=name, time_zone="America/New_York")
    portfolio = primary_portfolio(user=user)
    deposit(portfolio=portfolio, amount=Decimal(10_000), at=now)
    feed.says("AAPL", "160", now, previous_close=Decimal(155))
    trade(
        portfolio=portfolio,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(20),
        price=Decimal(100),
        at=now,
    )
    return user


def rule(user: User, now: datetime, **changes: Any) -> Action:
    draft: dict[str, Any] = {
        "action_type": "SELL",
        "symbol": "AAPL",
        "quantity": Decimal(5),
        "trigger_type": "price_below",
        "trigger_params": {"threshold": "150"},
    }
    return create_action(user=user, draft=Draft(**{**draft, **changes}), now=now)


def carded(user: User, text: str, now: datetime) -> Proposal:
    message = say(user=user, text=text, now=now)
    assert message.proposals.count() == 1, message.text
    return message.proposals.get()


# --- What is said ---


def test_a_rule_in_plain_words_is_a_card_with_what_it_costs(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL if it drops below 150 by Friday", now)
    assert card.sentence == (
        "Sell 10 AAPL when the price is at or below $150.00, once, until Fri 20 Nov 2026 16:00 "
        "New York."
    )
    assert card.facts["fires_now"] is False
    assert card.facts["cost"] == (
        "It would sell 10 AAPL at $150.00 for $1,500.00; cash after that: $9,500.00."
    )
    assert card.expires_at == now + timedelta(minutes=15)
    assert Action.objects.count() == 0
    done = confirm(user=ada, proposal_id=card.pk, now=now)
    made = Action.objects.get()
    assert done.outcome == {"text": f"Created: {card.sentence}", "action_ids": [str(made.pk)]}
    assert made.user == ada


def test_a_rule_that_is_true_already_says_so(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 170", now)
    assert card.facts["fires_now"] is True
    assert card.facts["state"].startswith("It is already true, and fires at the next check")
    assert "at $160.00 for $1,600.00" in card.facts["cost"]


def test_what_cannot_be_paid_is_said_on_the_card(ada: User, now: datetime) -> None:
    card = carded(ada, "buy 1000 AAPL below 150", now)
    assert "would be refused" in card.facts["cost"]


ASKED = {
    "sell AAPL below 150": "How much AAPL shall it sell?",
    "What do I hold?": "- 20 AAPL, paid $2,000.00, worth $3,200.00",
    "Is the market open?": "The market is open until",
    "price of AAPL": "AAPL: $160.00, +3.2 % on the day",
    "what's the ticker of MSFT?": "- MSFT: MSFT",
    "show my active rules": "- Sell 5 AAPL when the price is at or below $150.00, once. (active)",
    "why hasn't my AAPL rule fired?": "$10.00 to go",
    "simulate my AAPL rule at 140": "It would fire: AAPL at $140.00 is at or below $150.00.",
    "which rules fired this week?": "None of your rules has fired",
    "should I buy AAPL?": "I give no advice",
    "pause my TSLA rule": "You have no such rule.",
    "buy 5 options on AAPL": "are not possible here",
}


@pytest.mark.parametrize("text", ASKED)
def test_questions_are_answered_without_a_card(text: str, ada: User, now: datetime) -> None:
    rule(ada, now)
    run_tick(now=now)
    message = say(user=ada, text=text, now=now)
    assert ASKED[text] in message.text
    assert Proposal.objects.count() == 0


def test_what_was_asked_for_may_be_added(ada: User, now: datetime) -> None:
    asked = say(user=ada, text="sell AAPL below 150", now=now)
    more = {"now": now, "conversation_id": asked.conversation_id}
    unclear = say(user=ada, text="fnord", **more)  # type: ignore[arg-type]
    assert unclear.proposals.count() == 0
    say(user=ada, text="sell AAPL below 150", **more)  # type: ignore[arg-type]
    answered = say(user=ada, text="10 shares", **more)  # type: ignore[arg-type]
    assert answered.proposals.get().sentence.startswith(
        "Sell 10 AAPL when the price is at or below"
    )
    fresh = say(user=ada, text="10 shares", now=now)
    assert fresh.proposals.count() == 0, "another conversation knows nothing of it"


def test_rules_are_paused_and_let_go_on_at_once(ada: User, now: datetime) -> None:
    mine = rule(ada, now)
    assert "Paused: Sell 5 AAPL" in say(user=ada, text="pause my apple rule", now=now).text
    mine.refresh_from_db()
    assert mine.status == "paused"
    assert "Active again" in say(user=ada, text="resume my AAPL rule", now=now).text
    mine.refresh_from_db()
    assert mine.status == "active"


def test_a_change_and_an_end_wait_for_their_cards(ada: User, now: datetime) -> None:
    mine = rule(ada, now, trigger_params={"threshold": "150", "on": "cross"})
    card = carded(ada, "change my AAPL rule to 145", now)
    mine.refresh_from_db()
    assert mine.trigger_params["threshold"] == "150"
    confirm(user=ada, proposal_id=card.pk, now=now)
    mine.refresh_from_db()
    assert mine.trigger_params == {"threshold": "145", "on": "cross"}
    card = carded(ada, "cancel my AAPL rule", now)
    assert card.sentence.startswith("End for good: Sell 5 AAPL")
    mine.refresh_from_db()
    assert mine.status == "active"
    confirm(user=ada, proposal_id=card.pk, now=now)
    mine.refresh_from_db()
    assert mine.status == "cancelled"


def test_executing_by_hand_waits_for_its_card_and_happens_once(ada: User, now: datetime) -> None:
    mine = rule(ada, now, max_executions=None)
    card = carded(ada, "execute my AAPL rule now", now)
    for _ in range(2):
        done = confirm(user=ada, proposal_id=card.pk, now=now)
    assert done.outcome is not None
    assert "Sold 5 AAPL at $160.00" in done.outcome["text"]
    assert mine.executions.count() == 1


def test_a_text_that_is_empty_or_too_long_is_refused_and_not_stored(
    ada: User, now: datetime
) -> None:
    for text in ("", "  \0 ", "x" * (LONGEST + 1)):
        with pytest.raises(InvalidText):
            say(user=ada, text=text, now=now)
    assert Conversation.objects.count() == 0


def test_a_day_has_so_many_messages_and_the_next_has_more(
    ada: User, now: datetime, settings: Settings
) -> None:
    settings.CHAT_MESSAGES_PER_DAY = 2
    for _ in range(2):
        say(user=ada, text="hello", now=now)
    with pytest.raises(TooManyMessages, match="You have sent 2 messages in 24 hours"):
        say(user=ada, text="hello", now=now + timedelta(hours=23))
    say(user=ada, text="hello", now=now + timedelta(hours=24))


# --- Cards ---


def test_a_card_expires(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    with pytest.raises(ProposalClosed, match="expired, and nothing was done"):
        confirm(user=ada, proposal_id=card.pk, now=now + VALID)
    assert Action.objects.count() == 0
    confirm(user=ada, proposal_id=card.pk, now=now + VALID - timedelta(seconds=1))


def test_a_card_that_was_dismissed_stays_so(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    for _ in range(2):
        assert dismiss(user=ada, proposal_id=card.pk, now=now).status == "dismissed"
    with pytest.raises(ProposalClosed, match="was dismissed"):
        confirm(user=ada, proposal_id=card.pk, now=now)
    assert Action.objects.count() == 0


def test_a_card_that_was_confirmed_cannot_be_dismissed(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    confirm(user=ada, proposal_id=card.pk, now=now)
    with pytest.raises(ProposalClosed, match="was done"):
        dismiss(user=ada, proposal_id=card.pk, now=now)


def test_a_card_is_edited_in_the_wizard_and_makes_no_second_rule(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    client = Client()
    client.force_login(ada)
    opened = client.post(f"/chat/proposals/{card.pk}/edit")
    assert opened["Location"].startswith("/actions/new?draft=")
    wizard = client.get(opened["Location"], follow=True).content.decode()
    assert "Sell 10 AAPL when the price is at or below $150.00, once." in unescape(wizard)
    with pytest.raises(ProposalClosed, match="was dismissed"):
        confirm(user=ada, proposal_id=card.pk, now=now)
    assert Action.objects.count() == 0


def test_a_card_that_was_confirmed_is_not_edited(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    confirm(user=ada, proposal_id=card.pk, now=now)
    client = Client()
    client.force_login(ada)
    answer = client.post(f"/chat/proposals/{card.pk}/edit", follow=True)
    assert "was done" in answer.content.decode()
    assert not RuleDraft.objects.exists()


def test_anothers_card_is_not_there(ada: User, now: datetime) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    bob = UserFactory.create()
    for decide in (confirm, dismiss, take_to_wizard):
        with pytest.raises(Proposal.DoesNotExist):
            decide(user=bob, proposal_id=card.pk, now=now)
    card.refresh_from_db()
    assert card.status == "open"


def test_a_portfolio_that_has_changed_is_shown_before_it_counts(ada: User, now: datetime) -> None:
    card = carded(ada, "buy 50 AAPL below 150", now)
    assert "would be refused" not in card.facts["cost"]
    withdraw(portfolio=primary_portfolio(user=ada), amount=Decimal(7_000), at=now)
    with pytest.raises(ProposalOutdated, match="Look at what it says now"):
        confirm(user=ada, proposal_id=card.pk, now=now)
    assert Action.objects.count() == 0
    card.refresh_from_db()
    assert "would be refused" in card.facts["cost"]
    confirm(user=ada, proposal_id=card.pk, now=now)
    assert Action.objects.count() == 1


def test_a_price_that_has_come_meanwhile_is_shown_before_it_counts(
    ada: User, now: datetime, feed: Feed
) -> None:
    card = carded(ada, "sell 10 AAPL below 150", now)
    rule(ada, now)  # so that somebody waits for the price
    later = now + timedelta(minutes=1)
    feed.says("AAPL", "149", later)
    run_tick(now=later)
    with pytest.raises(ProposalOutdated):
        confirm(user=ada, proposal_id=card.pk, now=later)
    card.refresh_from_db()
    assert card.facts["fires_now"] is True


def test_a_rule_that_somebody_else_has_changed_meanwhile_stays(ada: User, now: datetime) -> None:
    mine = rule(ada, now)
    change = carded(ada, "change my AAPL rule to 145", now)
    update_action(user=ada, action_id=mine.pk, changes={"quantity": Decimal(7)}, now=now)
    Proposal.objects.update(expires_at=timezone.now() + VALID)
    answer = Api(ada).post(f"/chat/proposals/{change.pk}/confirm")
    assert (answer.status_code, answer.json()["code"]) in {
        (409, "proposal_closed"),
        (412, "changed"),
    }
    mine.refresh_from_db()
    assert (mine.quantity, mine.trigger_params["threshold"]) == (Decimal(7), "150")


@pytest.mark.django_db(transaction=True)
def test_two_that_confirm_at_once_make_one_rule(now: datetime, feed: Feed) -> None:
    list_instruments(["AAPL"])
    ada = rich("ada", now, feed)
    card = carded(ada, "sell 10 AAPL below 150", now)

    def confirmed(_: int) -> Any:
        try:
            return confirm(user=ada, proposal_id=card.pk, now=now).outcome
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(confirmed, range(4)))
    assert Action.objects.count() == 1
    assert all(each == outcomes[0] for each in outcomes)


# --- What rules do, among the messages ---


def test_what_rules_do_is_shown_among_the_messages_when_it_is_asked_for(
    ada: User, now: datetime, feed: Feed
) -> None:
    message = say(user=ada, text="hello", now=now)
    conversation = message.conversation
    rule(ada, now)
    client = Client()
    client.force_login(ada)
    address = f"/chat/{conversation.pk}"
    show_executions(user=ada, conversation_id=conversation.pk, shown=True, now=now)
    later = now + timedelta(minutes=1)
    feed.says("AAPL", "149", later)
    run_tick(now=later)
    assert "Sold 5 AAPL at $149.00" in client.get(address).content.decode()
    assert Message.objects.count() == 2, "nothing is copied"
    client.post(f"{address}/executions")
    assert "Sold 5 AAPL" not in client.get(address).content.decode()


def test_what_is_said_is_written_as_text(ada: User, now: datetime) -> None:
    message = say(user=ada, text="<script>alert(1)</script>", now=now)
    client = Client()
    client.force_login(ada)
    page = client.get(f"/chat/{message.conversation_id}").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_what_a_rule_has_become_meanwhile_is_said_by_its_card(ada: User, now: datetime) -> None:
    mine = rule(ada, now)
    card = carded(ada, "execute my AAPL rule now", now)
    pause_action(user=ada, action_id=mine.pk, now=now)
    client = Client()
    client.force_login(ada)
    Proposal.objects.update(expires_at=timezone.now() + VALID)
    answer = client.post(f"/chat/proposals/{card.pk}/confirm", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    mine.refresh_from_db()
    assert mine.executions_count == 0
