"""The page of the chat: what was said, the cards, and a line to write in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_POST
from django_htmx.http import push_url

from accounts.http import SignedIn
from accounts.models import User
from chat.models import Conversation, Message, Proposal
from chat.proposals import (
    REFUSALS,
    ProposalClosed,
    ProposalOutdated,
    confirm,
    dismiss,
    owned_proposal,
    take_to_wizard,
)
from chat.selectors import Entry, conversations_of, entries, owned_conversation
from chat.services import LONGEST, InvalidText, TooManyMessages, say, show_executions

CONVERSATIONS_SHOWN = 30
EXAMPLES = (
    "Sell 10 AAPL if it drops below 150 by Friday",
    "Tell me when SPY falls 2 % in a day",
    "Show my active rules",
    "What do I hold?",
    "Is the market open?",
)


@login_required
def chat(request: SignedIn) -> HttpResponseBase:
    """A conversation that begins with its first message."""
    return _said(request, None) if request.method == "POST" else _shown(request, None)


@login_required
def conversation(request: SignedIn, conversation_id: UUID) -> HttpResponseBase:
    """A conversation, and the next message in it."""
    found = _owned(request.user, conversation_id)
    return _said(request, found) if request.method == "POST" else _shown(request, found)


@login_required
@require_POST
def executions(request: SignedIn, conversation_id: UUID) -> HttpResponseBase:
    """Shows what rules do among the messages, or no longer: `shown` is "on" or absent."""
    found = _owned(request.user, conversation_id)
    show_executions(
        user=request.user,
        conversation_id=found.pk,
        shown=request.POST.get("shown") == "on",
        now=timezone.now(),
    )
    return redirect("conversation", found.pk)


@login_required
@require_POST
def confirm_proposal(request: SignedIn, proposal_id: UUID) -> HttpResponseBase:
    return _decided(request, proposal_id, confirm)


@login_required
@require_POST
def dismiss_proposal(request: SignedIn, proposal_id: UUID) -> HttpResponseBase:
    return _decided(request, proposal_id, dismiss)


@login_required
@require_POST
def edit_proposal(request: SignedIn, proposal_id: UUID) -> HttpResponseBase:
    """Takes the rule that is proposed to the wizard, filled in."""
    try:
        draft = take_to_wizard(user=request.user, proposal_id=proposal_id, now=timezone.now())
    except Proposal.DoesNotExist:
        raise Http404("There is no such proposal.") from None
    except ProposalClosed as closed:
        messages.error(request, str(closed))
        proposal = owned_proposal(user=request.user, proposal_id=proposal_id)
        return redirect("conversation", proposal.message.conversation_id)
    return redirect(f"{reverse('action-new')}?draft={draft.pk}")


def _said(request: SignedIn, found: Conversation | None) -> HttpResponseBase:
    text = request.POST.get("text", "")
    try:
        message = say(
            user=request.user,
            text=text,
            conversation_id=found.pk if found else None,
            now=timezone.now(),
        )
    except (InvalidText, TooManyMessages) as refused:
        return _shown(request, found, text=text, wrong=str(refused))
    address = reverse("conversation", args=[message.conversation_id])
    if not request.htmx:
        return redirect(f"{address}#newest")
    response = _shown(request, message.conversation)
    return push_url(response, address)


def _decided(
    request: SignedIn, proposal_id: UUID, decide: Callable[..., Proposal]
) -> HttpResponseBase:
    now = timezone.now()
    wrong = ""
    try:
        decide(user=request.user, proposal_id=proposal_id, now=now)
    except Proposal.DoesNotExist:
        raise Http404("There is no such proposal.") from None
    except (ProposalClosed, ProposalOutdated, *REFUSALS) as refused:
        wrong = str(refused)
    proposal = owned_proposal(user=request.user, proposal_id=proposal_id)
    if request.htmx:
        card = _card(proposal, now, wrong=wrong)
        return render(request, "chat/card.html", {"card": card, "zone": request.user.zone})
    if wrong:
        messages.error(request, wrong)
    address = reverse("conversation", args=[proposal.message.conversation_id])
    return redirect(f"{address}#proposal-{proposal.pk}")


def _owned(user: User, conversation_id: UUID) -> Conversation:
    try:
        return owned_conversation(user=user, conversation_id=conversation_id)
    except Conversation.DoesNotExist:
        raise Http404("There is no such conversation.") from None


def _shown(
    request: SignedIn,
    found: Conversation | None,
    *,
    text: str = "",
    wrong: str = "",
) -> HttpResponse:
    now = timezone.now()
    lines = entries(conversation=found) if found else ()
    context = {
        "now": now,
        "zone": request.user.zone,
        "conversation": found,
        "conversations": conversations_of(user=request.user)[:CONVERSATIONS_SHOWN],
        "entries": [_line(entry, now) for entry in lines],
        "examples": EXAMPLES,
        "longest": LONGEST,
        "text": text,
        "wrong": wrong,
        "by_model": bool(settings.OPENAI_API_KEY),
    }
    part = "chat/index.html#talk" if request.htmx else "chat/index.html"
    response = render(request, part, context)
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _line(entry: Entry, now: datetime) -> dict[str, Any]:
    message = entry.message
    if message is None:
        return {"at": entry.at, "execution": entry.execution}
    mine = message.role == Message.Roles.USER
    cards = [_card(each, now) for each in message.proposals.all()]
    return {"at": entry.at, "mine": mine, "text": message.text, "cards": cards}


def _card(proposal: Proposal, now: datetime, *, wrong: str = "") -> dict[str, Any]:
    """What the card of a proposal shows."""
    return {
        "proposal": proposal,
        "state": proposal.state(now),
        "verb": Proposal.Intents(proposal.intent).label,
        "can_be_edited": proposal.intent == Proposal.Intents.CREATE,
        "wrong": wrong,
    }
