"""A person's own account."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.forms import Profile
from accounts.http import SignedIn, told


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
