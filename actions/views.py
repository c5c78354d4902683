"""The switch for everything (the pages of rules are in actions/pages)."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.http import SignedIn, told
from portfolios.services import pause_portfolio, primary_portfolio, unpause_portfolio


@login_required
@require_POST
def pause_everything(request: SignedIn) -> HttpResponse:
    """Pauses all rules of the user's portfolio, or lets them go on: `paused` is "on" or absent."""
    portfolio = primary_portfolio(user=request.user)
    if request.POST.get("paused") == "on":
        pause_portfolio(portfolio_id=portfolio.pk)
        told(request, "All your rules are paused.", undo=request.path)
    else:
        unpause_portfolio(portfolio_id=portfolio.pk)
        told(request, "Your rules go on.")
    return redirect("actions")
