"""The pages that say how it is doing: the market's data for everybody, all of it for staff."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from actions.engine import followed
from actions.selectors import last_tick, symbols_concerning
from actions.site_status import may_monitor, site_status
from market.services import calendar
from market.status import feed_status


@login_required
def status(request: SignedIn) -> HttpResponse:
    """The feed, the market and the evaluator: staff see all symbols, others those of their own."""
    user = request.user
    now = timezone.now()
    hours = calendar()
    symbols = followed(now=now) if user.is_staff else symbols_concerning(user=user)
    is_open = hours.is_open(now)
    tick = last_tick()
    return render(
        request,
        "status.html",
        {
            "zone": user.zone,
            "now": now,
            "feed": feed_status(symbols=symbols, now=now, calendar=hours, of_all=user.is_staff),
            "is_open": is_open,
            "next_open": hours.next_open(now),
            "next_close": hours.next_close(now),
            "tick": tick,
            "tick_age": now - tick.started_at if tick else None,
            "interval": settings.TICK_SECONDS_OPEN if is_open else settings.TICK_SECONDS_CLOSED,
        },
    )


@login_required
def monitoring(request: SignedIn) -> HttpResponseBase:
    """The whole site, for staff who may see it; the part that moves refreshes itself."""
    if not may_monitor(request.user):
        raise PermissionDenied
    now = timezone.now()
    context = {"zone": request.user.zone, "now": now, "site": site_status(now=now)}
    return page_or_part(request, "monitoring.html", "live", context)
