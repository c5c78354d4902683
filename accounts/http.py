"""What the views of all pages share: the request of somebody signed in, and live parts."""

import hashlib
import re
from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User

# Written anew with every answer, and so no part of what an answer says.
_CSRF_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


class SignedIn(HttpRequest):
    """A request with a user, and with what HTMX says of it."""

    user: User  # login_required has turned the others away
    htmx: HtmxDetails


def page_or_part(
    request: HttpRequest, template: str, part: str, context: Mapping[str, object]
) -> HttpResponseBase:
    """The page; or, asked by HTMX, its partial `part`, with an ETag: 304 where it has not changed.

    Django's own middleware would take the anti-forgery tokens in the forms for a change.
    """
    asked_by_htmx = bool(getattr(request, "htmx", False))
    name = f"{template}#{part}" if asked_by_htmx else template
    answer: HttpResponseBase = render(request, name, dict(context))
    if asked_by_htmx and isinstance(answer, HttpResponse):
        said = _CSRF_TOKEN.sub(b"", answer.content)
        etag = f'"{hashlib.sha256(said).hexdigest()[:32]}"'
        answer["ETag"] = etag
        answer = get_conditional_response(request, etag=etag, response=answer) or answer
    patch_vary_headers(answer, ["HX-Request"])
    patch_cache_control(answer, private=True, no_cache=True)
    return answer


def back(request: HttpRequest, *, otherwise: str) -> HttpResponseRedirect:
    """Leads to the path of this site that a form sends as `next`, and for anything else to the path
    `otherwise`."""
    path = request.POST.get("next", "")
    ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return HttpResponseRedirect(path if ours else otherwise)


def told(request: HttpRequest, words: str, *, undo: str = "", tone: int = messages.SUCCESS) -> None:
    """Says with the next page, or with the answer to HTMX, what was done.

    `undo` is the path of a form's POST that takes it back: the message then has a button "Undo".
    """
    messages.add_message(request, tone, words, extra_tags=f"undo:{undo}" if undo else "")
