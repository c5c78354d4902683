"""The lock-out after repeated failures: whose they are, and what somebody is told."""

import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from rest.answers import as_json
from rest.problems import MEDIA_TYPE, Problem

logger = logging.getLogger(__name__)


def whose(request: HttpRequest, credentials: Mapping[str, object] | None = None) -> str:
    """The account that an attempt is made on, however it is named: by its name or its e-mail.

    Where there is no such account, what was typed, so that nobody learns of it here.
    (django-axes' AXES_USERNAME_CALLABLE.)
    """
    told = credentials or {}
    typed = str(told.get("username") or told.get("email") or request.POST.get("login") or "")
    if "@" in typed:
        owner = User.objects.filter(email__iexact=typed).values_list("username", flat=True).first()
        typed = owner or typed
    return _counted_as(typed)


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: object = None
) -> HttpResponse:
    """The answer in place of `response`. (django-axes' AXES_LOCKOUT_CALLABLE.)

    It is the same whether the name exists and the password was right. Each attempt begins the wait
    anew.
    """
    logger.warning("an attempt to sign in was refused: the account is locked out")
    cool_off = get_cool_off(request)
    seconds = round(cool_off.total_seconds()) if cool_off else 0
    words = f"Too many attempts. Wait {seconds // 60} minutes, then try again."
    if request.path.startswith("/api/"):
        problem = Problem(HTTPStatus.TOO_MANY_REQUESTS, "locked_out", words)
        answer = HttpResponse(as_json(problem.details()), content_type=MEDIA_TYPE)
    else:
        answer = render(request, "registration/locked_out.html", {"words": words})
    answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
    answer["Retry-After"] = str(seconds)
    return answer


def locked_until(*, user: User, now: datetime) -> datetime | None:
    """Until when an address that failed too often waits, the last of them if there are several;
    None where nobody does. A further attempt begins the wait anew."""
    counted = AccessAttempt.objects.filter(
        username=_counted_as(user.get_username()), attempt_time__gt=now - settings.AXES_COOLOFF_TIME
    )
    addresses = counted.values("ip_address").annotate(
        failures=Sum("failures_since_start"), last=Max("attempt_time")
    )
    over = addresses.filter(failures__gte=settings.AXES_FAILURE_LIMIT)
    last = over.order_by("-last").values_list("last", flat=True).first()
    return last + settings.AXES_COOLOFF_TIME if last else None


def unlock(*, user: User) -> int:
    """Forgets the failures on an account, from wherever they came: whoever was locked out of it may
    try at once. Returns how many browsers and programs they were of."""
    attempts = AccessAttempt.objects.filter(username=_counted_as(user.get_username()))
    return int(attempts.delete()[0])


def _counted_as(name: str) -> str:
    return name.lower()[:255]
