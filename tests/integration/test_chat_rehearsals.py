"""The chat proposes rehearsals, lists them as such, and fires none that has become a real rule."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from actions.models import Action, ActionExecution
from actions.services import RuleChanged, promote_action
from chat.models import Proposal
from chat.proposals import confirm, store
from chat.services import say
from chat.tools import TOOLS, call
from chat.turn import Asker, Told
from tests.conftest import Feed
from tests.integration.test_chat import rich, rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SENTENCE = "Rehearsal: Sell 5 AAPL when the price is at or below $150.00, once."
ASKED = {
    "effect": {"action_type": "SELL", "quantity": "5"},
    "trigger": {"trigger_type": "price_below", "threshold": "150"},
    "symbol": "AAPL",
}


@pytest.fixture
def ada(now: datetime, feed: Feed) -> User:
    return rich("ada", now, feed)


def proposed(user: User, told: Told, now: datetime) -> Proposal:
    assert told.wanted is not None
    message = say(user=user, text="hello", now=now)
    return store(user=user, message=message, wanted=told.wanted, now=now)


@pytest.mark.parametrize(("sent", "rehearsal"), [({"rehearsal": True}, True), ({}, False)])
def test_a_model_may_ask_for_a_rehearsal(
    ada: User, now: datetime, sent: dict[str, Any], rehearsal: bool
) -> None:
    assert "rehearsal" in TOOLS["create_action"].function()["function"]["parameters"]["required"]
    told = call("create_action", {**ASKED, "rehearsal": None, **sent}, Asker(ada, now))
    card = proposed(ada, told, now)
    assert card.sentence == (SENTENCE if rehearsal else SENTENCE.removeprefix("Rehearsal: "))
    confirm(user=ada, proposal_id=card.pk, now=now)
    assert Action.objects.get().rehearsal is rehearsal


def test_rehearsals_are_listed_as_such(ada: User, now: datetime) -> None:
    rule(ada, now, rehearsal=True)
    rule(ada, now)
    asker = Asker(ada, now)
    assert call("list_actions", {"rehearsal": True}, asker).text == f"- {SENTENCE} (active)"
    found = call("list_actions", {}, asker).data["rules"]
    assert sorted(each["rehearsal"] for each in found) == [False, True]


def test_a_card_that_executes_a_rehearsal_does_not_trade_once_it_is_promoted(
    ada: User, feed: Feed, now: datetime
) -> None:
    action = rule(ada, now, rehearsal=True)
    told = call("execute_now", {"action_id": str(action.pk)}, Asker(ada, now))
    card = proposed(ada, told, now)
    assert SENTENCE in card.sentence
    promote_action(user=ada, action_id=action.pk, now=now)
    with pytest.raises(RuleChanged, match="promoted meanwhile"):
        confirm(user=ada, proposal_id=card.pk, now=now)
    assert not ActionExecution.objects.exists()
