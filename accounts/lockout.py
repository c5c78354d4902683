"""What somebody is told who is locked out after repeated failures, in the API and on pages."""

from http import HTTPStatus

from axes.helpers import get_cool_off
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from rest.answers import as_json
from rest.problems import MEDIA_TYPE, Problem


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: object = None
) -> HttpResponse:
    """The answer in place of `response`. (django-axes' AXES_LOCKOUT_CALLABLE.)

    It is the same whether the name exists and the password was right. Each attempt begins the wait
    anew.
    """
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
