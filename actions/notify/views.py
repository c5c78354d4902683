"""The pages about being told: what one has been told, how one is told, and the end of e-mails.

The last stands behind the link in every e-mail, which itself is the authority: nobody signs in.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.core.signing import BadSignature
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import SignedIn, page_or_part, told
from accounts.models import User
from actions.notify.forms import Telling, Webhook
from actions.notify.inbox import mark_read, notifications_of
from actions.notify.links import read_unsubscribe
from actions.notify.preferences import (
    PreferenceRefused,
    preferences_of,
    set_quiet_hours,
    set_webhook,
    switch_email,
    switch_webhook,
    unsubscribe,
)

NOTIFICATIONS_A_PAGE = 25
_SECRET = "webhook_secret_to_show"  # noqa: S105 - a key of the session


# Mail programs post here by themselves (RFC 8058), without our cookie; whoever could forge the
# request would need the token, and having that needs to forge nothing.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, and with a POST sends the token's user no more e-mail. 404 for a token that is none."""
    try:
        user_id = read_unsubscribe(token)
        if request.method == "POST":
            unsubscribe(user_id=user_id)
    except (BadSignature, User.DoesNotExist):
        raise Http404("This link is not complete. Copy all of it from the e-mail.") from None
    return render(request, "actions/unsubscribe.html", {"done": request.method == "POST"})


@login_required
def inbox(request: SignedIn) -> HttpResponseBase:
    """What the user has been told, newest first, a page at a time."""
    now = timezone.now()
    told_so_far = Paginator(notifications_of(user=request.user), NOTIFICATIONS_A_PAGE)
    page = told_so_far.get_page(request.GET.get("page"))
    context = {"page": page, "now": now, "zone": request.user.zone}
    return page_or_part(request, "actions/notifications.html", "live", context)


@login_required
@require_POST
def read_all(request: SignedIn) -> HttpResponse:
    """Marks as read what the user was told up to `until`, when the list was made."""
    now = timezone.now()
    until = parse_datetime(request.POST.get("until", ""))
    if until is None or until.tzinfo is None:
        return HttpResponseBadRequest("until must be an instant, such as 2026-11-17T15:00:00Z.")
    count = mark_read(user=request.user, until=until, now=now)
    told(request, f"{count} marked as read." if count else "All was read already.")
    return redirect("notifications")


@login_required
def preferences(request: SignedIn) -> HttpResponse:
    """How the user is told. A POST says in `what` which part it changes."""
    user = request.user
    stored = preferences_of(user=user)
    asked = request.POST.get("what", "") if request.method == "POST" else ""
    telling = Telling(request.POST) if asked == "telling" else Telling.of(stored)
    webhook = Webhook(request.POST) if asked == "webhook" else Webhook({"url": stored.webhook_url})
    if asked == "telling" and _change_telling(request, telling):
        return redirect("preferences")
    if asked == "webhook" and webhook.is_valid():
        changed = set_webhook(user=user, url=webhook.cleaned_data["url"])
        request.session[_SECRET] = changed.webhook_secret
        told(request, "The webhook is set, with a new secret.")
        return redirect("preferences")
    if asked == "switch":
        _switch_webhook(request)
        return redirect("preferences")
    context = {
        "telling": telling,
        "webhook": webhook if asked == "webhook" or stored.webhook_url else Webhook(),
        "stored": stored,
        "secret": request.session.pop(_SECRET, ""),
    }
    return render(request, "actions/preferences.html", context)


def _change_telling(request: SignedIn, form: Telling) -> bool:
    if not form.is_valid():
        return False
    said = form.cleaned_data
    try:
        with transaction.atomic():
            set_quiet_hours(user=request.user, begin=said["quiet_from"], end=said["quiet_until"])
            switch_email(user=request.user, on=said["email_on"])
    except PreferenceRefused as refusal:
        form.refused(refusal)
        return False
    told(request, "Saved.")
    return True


def _switch_webhook(request: SignedIn) -> None:
    on = request.POST.get("on") == "yes"
    try:
        switch_webhook(user=request.user, on=on)
    except PreferenceRefused as refusal:
        told(request, str(refusal), tone=messages.ERROR)
    else:
        told(request, "The webhook is called again." if on else "The webhook is called no more.")
