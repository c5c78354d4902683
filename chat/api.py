"""The chat over HTTP: a message and its answer, and what becomes of proposals."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.urls import path
from django.utils import timezone
from pydantic import BaseModel, Field, StrictStr
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import REFUSALS, user_of
from chat.models import Proposal
from chat.proposals import ProposalClosed, ProposalOutdated, confirm, dismiss, owned_proposal
from chat.services import LONGEST, InvalidText, TooManyMessages, say
from rest.bodies import Body, read
from rest.problems import Problem, invalid
from rest.schema import described
from rest.scopes import Scope
from rest.views import ApiView

_EXAMPLE = "Such as “sell 10 AAPL if it drops below 150 by Friday”."


class Nothing(Body):
    """An empty object."""


class Said(Body):
    """What somebody says."""

    text: Annotated[StrictStr, Field(description=f"At most {LONGEST} characters. {_EXAMPLE}")]
    conversation_id: UUID | None = Field(None, description="By default a new conversation.")


class ProposalOut(BaseModel):
    """Something that counts only once it is confirmed, before it expires."""

    id: UUID
    intent: str = Field(description="create_action, update_action, cancel_action, execute_now.")
    sentence: str = Field(description="What it will do, in words.")
    payload: dict[str, Any] = Field(description="For a new rule `action`, as POST /actions has it.")
    fires_now: bool | None = Field(description="Whether it would fire at the next check.")
    state: str = Field(description="Whether it is already true, in words.")
    cost: str = Field(description="What it would cost, in words.")
    status: str = Field(description="open, confirmed, dismissed or expired.")
    expires_at: datetime
    outcome: dict[str, Any] | None = Field(description="What came of it: `text`, `action_ids`.")


class Answered(BaseModel):
    """`proposal` is the first of `proposals`, null where nothing is proposed."""

    conversation_id: UUID
    text: str
    proposal: ProposalOut | None
    proposals: list[ProposalOut]


def _conflict(code: str) -> Any:
    return lambda error: Problem(HTTPStatus.CONFLICT, code, str(error))


class ChatView(ApiView):
    refusals = {
        **REFUSALS,
        InvalidText: lambda wrong: invalid({"text": str(wrong)}),
        TooManyMessages: lambda error: Problem(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_messages", str(error)
        ),
        ProposalClosed: _conflict("proposal_closed"),
        ProposalOutdated: _conflict("proposal_outdated"),
    }


class Chat(ChatView):
    @described("say", scope=Scope.RULES, body=Said, answers=Answered, refused=(404,))
    def post(self, request: Request) -> Response:
        """Answers what somebody says about their rules, in plain words.

        What would move money is only proposed: it counts once it has been confirmed.
        """
        said = read(Said, request)
        now = timezone.now()
        message = say(
            user=user_of(request), text=said.text, conversation_id=said.conversation_id, now=now
        )
        proposals = [_told(each, now) for each in message.proposals.all()]
        return Response(
            {
                "conversation_id": message.conversation_id,
                "text": message.text,
                "proposal": proposals[0] if proposals else None,
                "proposals": proposals,
            }
        )


class Confirm(ChatView):
    @described(
        "confirm_proposal",
        scope=Scope.TRADE,
        body=Nothing,
        answers=ProposalOut,
        refused=(404, 409, 412),
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        """Does what is proposed, once. Confirmed again it gives the same answer.

        A 409 `proposal_outdated` means that the proposal says something else by now: look at it,
        and confirm it again.
        """
        user, now = user_of(request), timezone.now()
        owned_proposal(user=user, proposal_id=proposal_id)  # 404 before what is wrong
        read(Nothing, request)
        return Response(_told(confirm(user=user, proposal_id=proposal_id, now=now), now))


class Dismiss(ChatView):
    @described(
        "dismiss_proposal", scope=Scope.RULES, body=Nothing, answers=ProposalOut, refused=(404, 409)
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        """Puts a proposal away; nothing is done."""
        user, now = user_of(request), timezone.now()
        owned_proposal(user=user, proposal_id=proposal_id)
        read(Nothing, request)
        return Response(_told(dismiss(user=user, proposal_id=proposal_id, now=now), now))


class OneProposal(ChatView):
    @described("get_proposal", scope=Scope.READ, answers=ProposalOut, refused=(404,))
    def get(self, request: Request, proposal_id: UUID) -> Response:
        """A proposal as it stands."""
        proposal = owned_proposal(user=user_of(request), proposal_id=proposal_id)
        return Response(_told(proposal, timezone.now()))


def _told(proposal: Proposal, now: datetime) -> dict[str, Any]:
    return {
        "id": proposal.pk,
        "intent": proposal.intent,
        "sentence": proposal.sentence,
        "payload": proposal.payload,
        "fires_now": proposal.facts.get("fires_now"),
        "state": proposal.facts.get("state", ""),
        "cost": proposal.facts.get("cost", ""),
        "status": proposal.state(now),
        "expires_at": proposal.expires_at,
        "outcome": proposal.outcome,
    }


urlpatterns = [
    path("chat", Chat.as_view()),
    path("chat/proposals/<uuid:proposal_id>", OneProposal.as_view()),
    path("chat/proposals/<uuid:proposal_id>/confirm", Confirm.as_view()),
    path("chat/proposals/<uuid:proposal_id>/dismiss", Dismiss.as_view()),
]
