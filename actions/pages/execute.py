"""Executing a rule by hand: what it would do, and doing it once."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.http import SignedIn, page_or_part, told
from actions.execute_now import GateRefused, InvalidKey, KeyReused, execute_now, try_execution
from actions.models import Action, ActionExecution
from actions.parts import InvalidRule
from actions.selectors import owned_action
from actions.services import RuleChanged


@dataclass(frozen=True, slots=True)
class Trade:
    """One of the trades that would be made."""

    verb: str
    symbol: str
    quantity: Decimal
    price: Decimal
    amount: Decimal


@login_required
@require_http_methods(["GET", "POST"])
def execute(request: SignedIn, action_id: UUID) -> HttpResponseBase:
    """Says what would be done, in a page or a dialog; posted, does it, once a `key`."""
    try:
        action = owned_action(user=request.user, action_id=action_id)
    except Action.DoesNotExist:
        raise Http404("There is no such rule.") from None
    return _do(request, action) if request.method == "POST" else _ask(request, action)


def _ask(request: SignedIn, action: Action) -> HttpResponseBase:
    now = timezone.now()
    context: dict[str, Any] = {
        "action": action,
        "sentence": action.sentence(request.user.zone),
        "key": uuid4(),
    }
    try:
        tried = try_execution(user=request.user, action_id=action.pk, now=now)
    except (GateRefused, InvalidRule) as refused:
        context["refused"] = str(refused)
    else:
        context |= _told(tried)
    return page_or_part(request, "actions/execute.html", "dialog", context)


def _do(request: SignedIn, action: Action) -> HttpResponse:
    key = request.POST.get("key", "")
    try:
        execution = execute_now(
            user=request.user,
            action_id=action.pk,
            key=key,
            now=timezone.now(),
            as_rehearsal="rehearsal" in request.POST,
        )
    except (GateRefused, InvalidKey, KeyReused, InvalidRule, RuleChanged) as refused:
        messages.error(request, f"Nothing was done. {refused}")
    else:
        summary = execution.details["summary"]
        if execution.error:
            messages.error(request, summary)
        else:
            told(request, summary)
    return redirect("action", action.pk)


def _told(tried: ActionExecution) -> dict[str, Any]:
    details = tried.details
    cash = details.get("cash_after")
    return {
        "refused": tried.error or "",
        "trades": [
            _trade(trade) for trade in details.get("trades") or details.get("would_trade") or []
        ],
        "message": details.get("message", ""),
        "cash_after": Decimal(cash) if cash is not None else None,
        "summary": details["summary"],
    }


def _trade(trade: dict[str, str]) -> Trade:
    return Trade(
        "Buy" if trade["side"] == "buy" else "Sell",
        trade["symbol"],
        abs(Decimal(trade["quantity"])),
        Decimal(trade["price"]),
        abs(Decimal(trade["amount"])),
    )
