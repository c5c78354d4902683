"""The chat over the API."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from actions.models import Action
from chat.models import Conversation
from tests.api import Api, wrong_fields
from tests.conftest import Feed
from tests.factories import UserFactory
from tests.integration.test_chat import rich

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def caller(feed: Feed) -> User:
    return rich("cleo", timezone.now(), feed)


def test_the_api_answers_with_a_proposal_that_is_confirmed_once(caller: User) -> None:
    api = Api(caller)
    answer = api.post("/chat", {"text": "sell 10 AAPL below 150"})
    assert answer.status_code == 200
    told = answer.json()
    proposal = told["proposal"]
    assert told["proposals"] == [proposal]
    assert (proposal["status"], proposal["fires_now"]) == ("open", False)
    assert proposal["payload"]["action"]["trigger_params"] == {"threshold": 150}
    first, second = (api.post(f"/chat/proposals/{proposal['id']}/confirm") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["outcome"]["action_ids"] == [str(Action.objects.get().pk)]
    more = {"text": "show my rules", "conversation_id": told["conversation_id"]}
    again = api.post("/chat", more).json()
    assert (again["conversation_id"], again["proposal"]) == (told["conversation_id"], None)
    assert "Sell 10 AAPL" in again["text"]


def test_the_api_refuses_in_words(caller: User, settings: Settings) -> None:
    api = Api(caller)
    assert wrong_fields(api.post("/chat", {"text": ""})) == ["text"]
    assert wrong_fields(api.post("/chat", {"text": 5, "user": "bob"})) == ["text", "user"]
    theirs = Conversation.objects.create(
        user=UserFactory.create(), title="", created_at=timezone.now(), updated_at=timezone.now()
    )
    foreign = {"text": "hello", "conversation_id": str(theirs.pk)}
    assert api.post("/chat", foreign).status_code == 404
    told = api.post("/chat", {"text": "sell 10 AAPL below 150"}).json()["proposal"]
    address = f"/chat/proposals/{told['id']}"
    assert api.post(f"{address}/dismiss").json()["status"] == "dismissed"
    refused = api.post(f"{address}/confirm")
    assert (refused.status_code, refused.json()["code"]) == (409, "proposal_closed")
    assert api.get(address).json()["status"] == "dismissed"
    assert Api().post("/chat", {"text": "hello"}).status_code == 401
    settings.CHAT_MESSAGES_PER_DAY = 1
    limited = api.post("/chat", {"text": "hello"})
    assert (limited.status_code, limited.json()["code"]) == (429, "too_many_messages")
