"""Promoting a rehearsal: what it does from then on, and doing it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.http import SignedIn, page_or_part, told
from actions.drafting import Draft
from actions.lifecycle import TransitionRefused
from actions.models import Action
from actions.rows import version_of
from actions.rules import InvalidRule
from actions.selectors import owned_action, symbols_of
from actions.services import RuleChanged, promote_action
from actions.wizard.drafts import asker_for
from actions.wizard.forecast import forecast
from actions.wizard.trial import trial
from market.selectors import latest_quotes
from market.services import one_feed

_REFUSALS = (TransitionRefused, InvalidRule, RuleChanged)


@login_required
@require_http_methods(["GET", "POST"])
@one_feed()
def promote(request: SignedIn, action_id: UUID) -> HttpResponseBase:
    """Says what would come of it, in a page or a dialog; posted, does it, to the rule that was
    shown: one of its `version`."""
    try:
        action = owned_action(user=request.user, action_id=action_id)
    except Action.DoesNotExist:
        raise Http404("There is no such rule.") from None
    return _do(request, action) if request.method == "POST" else _ask(request, action)


def _ask(request: SignedIn, action: Action) -> HttpResponseBase:
    user, now = request.user, timezone.now()
    if not action.rehearsal:
        messages.info(request, "The rule trades already.")
        return redirect("action", action.pk)
    context: dict[str, Any] = {"action": action, "version": version_of(action=action)}
    try:
        with transaction.atomic():
            promoted = promote_action(user=user, action_id=action.pk, now=now)
            transaction.set_rollback(True)
        draft = replace(Draft.of(action), rehearsal=False)
        quotes = latest_quotes(symbols=symbols_of(action))
        tried = trial(user=user, draft=draft, asker=asker_for(user=user), quotes=quotes, now=now)
    except _REFUSALS as refused:
        context |= {"sentence": action.sentence(user.zone), "refused": _in_words(refused)}
    else:
        context |= {"sentence": promoted.sentence(user.zone), "forecast": forecast(tried)}
    return page_or_part(request, "actions/promote.html", "dialog", context)


def _do(request: SignedIn, action: Action) -> HttpResponse:
    version = request.POST.get("version", "")
    try:
        promoted = promote_action(
            user=request.user, action_id=action.pk, now=timezone.now(), version=version
        )
    except _REFUSALS as refused:
        messages.error(request, f"Nothing was changed. {_in_words(refused)}")
    else:
        told(request, f"It trades from now on: {promoted.sentence(request.user.zone)}")
    return redirect("action", action.pk)


def _in_words(refused: Exception) -> str:
    return " ".join(refused.errors.values()) if isinstance(refused, InvalidRule) else str(refused)
