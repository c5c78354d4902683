"""Whether somebody who knows the password is who they say, where they have a second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import (
    did_recently_reauthenticate,
    suspend_request,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.decorators import login_required
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.http import SignedIn
from accounts.models import User

View = Callable[..., HttpResponseBase]


def has_second_factor(user: User) -> bool:
    """Whether the user is asked for a code beside the password."""
    return bool(is_mfa_enabled(user))


def is_code_of(user: User, code: str) -> bool:
    """Whether `code` is one of the authenticator at this moment, or a recovery code. Either is
    then used up."""
    by_code = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN)
    return any(authenticator.wrap().validate_code(code) for authenticator in by_code)


def asked_again(view: View) -> View:
    """A view for which one says once more who one is, unless one did within the last minutes: by
    the password, and who has a second factor by its code. What was sent meanwhile is not lost."""

    @login_required
    @wraps(view)
    def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponseBase:
        by_code = has_second_factor(request.user)
        if _was_asked(request, by_code=by_code):
            return view(request, *args, **kwargs)
        page = reverse("mfa_reauthenticate" if by_code else "account_reauthenticate")
        answer: HttpResponseBase = suspend_request(request, page)
        return answer

    return guarded


def _was_asked(request: SignedIn, *, by_code: bool) -> bool:
    said = get_authentication_records(request, request.user)
    again = [each["method"] for each in said if each.get("reauthenticated")]
    if not again or (by_code and again[-1] != "mfa"):
        return False
    return bool(did_recently_reauthenticate(request))
