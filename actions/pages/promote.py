"""Promoting a rehearsal: what it does from then on, and doing it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.http import SignedIn, page_or_part, told
from accounts.models import User
from actions.drafting import Draft
from actions.lifecycle import TransitionRefused
from actions.models import Action
from actions.pages.controls import in_words
from actions.parts import InvalidRule
from actions.rows import version_of
from actions.selectors import owned_action, symbols_of
from actions.services import RuleChanged, make_real, promote_action
from actions.wizard.drafts import asker_for
from actions.wizard.forecast import Forecast, forecast
from actions.wizard.trial import trial
from market.selectors import latest_quotes
from market.services import one_feed


@login_required
@require_http_methods(["GET", "POST"])
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
        make_real(action=action, now=now)
    except (TransitionRefused, InvalidRule) as refused:
        context["refused"] = in_words(refused)
    else:
        context["forecast"] = _forecast(user, action, now)
    context["sentence"] = action.sentence(user.zone)
    return page_or_part(request, "actions/promote.html", "dialog", context)


@one_feed()
def _forecast(user: User, action: Action, now: datetime) -> Forecast | None:
    """What would come of it if it began now, where that can be said."""
    try:
        draft, asker = Draft.of(action), asker_for(user=user)
        quotes = latest_quotes(symbols=symbols_of(action))
        return forecast(trial(user=user, draft=draft, asker=asker, quotes=quotes, now=now))
    except InvalidRule:
        return None


def _do(request: SignedIn, action: Action) -> HttpResponse:
    version = request.POST.get("version", "")
    try:
        promoted = promote_action(
            user=request.user, action_id=action.pk, now=timezone.now(), version=version
        )
    except (TransitionRefused, InvalidRule, RuleChanged) as refused:
        messages.error(request, f"Nothing was changed. {in_words(refused)}")
    else:
        told(request, f"It trades from now on: {promoted.sentence(request.user.zone)}")
    return redirect("action", action.pk)
