"""A person's own account: who they are, where they are signed in, which programs act for them."""

from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.api_tokens import TokenRefused, make_token, revoke_token
from accounts.forms import NewToken, Profile
from accounts.http import SignedIn, told
from accounts.models import ApiToken
from accounts.second_factor import asked_again
from accounts.sessions import end_others, end_session, sessions_of


@login_required
def account(request: SignedIn) -> HttpResponse:
    """Who one is, and how one signs in; a POST changes the name and the time zone."""
    user = request.user
    profile = Profile(request.POST or None, instance=user)
    if request.method == "POST" and profile.is_valid():
        profile.save()
        told(request, "Your name and time zone are saved.")
        return redirect("account")
    if profile.errors:
        user.refresh_from_db(fields=["username", "time_zone"])  # the page shows what is stored
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    context = {
        "profile": profile,
        "confirmed": EmailAddress.objects.filter(user=user, primary=True, verified=True).exists(),
        "second_factor": Authenticator.Type.TOTP in kinds,
    }
    return render(request, "account/index.html", context)


# --- Programs ---


@login_required
def api_access(request: SignedIn) -> HttpResponse:
    """The tokens with which programs act for one."""
    context = {
        "tokens": ApiToken.objects.filter(user=request.user).order_by("-created_at"),
        "now": timezone.now(),
        "zone": request.user.zone,
    }
    return render(request, "account/api_access.html", context)


@asked_again
@never_cache
def new_token(request: SignedIn) -> HttpResponse:
    """Makes a token, and shows its key, this once."""
    form = NewToken(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            token, key = make_token(user=request.user, now=timezone.now(), **form.cleaned_data)
        except TokenRefused as refused:
            form.add_error(refused.field, str(refused))
        else:
            get_adapter().send_notification_mail(
                "account/email/api_token", request.user, {"token": token}
            )
            made = {"token": token, "key": key, "now": token.created_at, "zone": request.user.zone}
            return render(request, "account/api_token_made.html", made)
    return render(request, "account/api_token_new.html", {"form": form})


@require_POST
@login_required
def revoke(request: SignedIn, token_id: UUID) -> HttpResponse:
    """Ends a token at once."""
    try:
        token = revoke_token(user=request.user, token_id=token_id)
    except ApiToken.DoesNotExist:
        raise Http404("There is no such token.") from None
    told(request, f"Revoked: {token.name}. What used it is refused from now on.")
    return redirect("api-access")


# --- Browsers ---


@login_required
def sessions(request: SignedIn) -> HttpResponse:
    """Where one is signed in; a POST signs out there: in one browser, or in all the others."""
    user, here = request.user, request.session.session_key
    if request.method == "POST":
        told(request, _signed_out(request))
        return redirect("sessions")
    now = timezone.now()
    found = sessions_of(user=user, here=here, now=now)
    context = {"sessions": found, "now": now, "zone": user.zone}
    return render(request, "account/sessions.html", context)


def _signed_out(request: SignedIn) -> str:
    one = request.POST.get("session", "")
    if not one:
        ended = end_others(user=request.user, but=request.session.session_key)
        return f"Signed out elsewhere: {ended} session{'' if ended == 1 else 's'}."
    try:
        end_session(user=request.user, session_id=int(one))
    except (ValueError, UserSession.DoesNotExist):
        return "That session is over already."
    return "Signed out there."
