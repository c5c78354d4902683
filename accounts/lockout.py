"""The lock-out after repeated failures: whose they are, and what somebody is told."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from axes.helpers import get_cool_off
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
    return typed.lower()[:255]


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
