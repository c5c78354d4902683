"""What a request is answered while the database cannot do its part: 503, and when to come again."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from psycopg import errors

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
LOCKED = (
    "Something else is being done with this at the moment, and it takes longer than we wait. "
    "Nothing was changed. Try again in some seconds."
)
GONE = (
    "The database does not answer at the moment. Try again in some seconds, and look first "
    "whether what you wanted was done."
)


def is_disturbance(error: Exception) -> bool:
    """Whether PostgreSQL rolled back for another transaction's sake: the connection still stands,
    and what was tried may be tried again."""
    return isinstance(
        error.__cause__,
        errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable,
    )


class Unavailable:
    """Middleware: a page that says so, where a view could not have a lock or the database is gone.

    The innermost one, so that the others see an answer like any other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page, or None for what is no fault of the database."""
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        logger.warning("503 for %s %s: %s", request.method, request.path, error)
        return page(request, error)


def page(request: HttpRequest, error: Exception) -> HttpResponse:
    """The page that says so, or what HTMX shows in its place."""
    words = LOCKED if is_disturbance(error) else GONE
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if "HX-Request" not in request.headers:
        # A page of its own, like that of a 500: the usual one asks the database who is signed in.
        whole = render_to_string("503.html", {"reason": words})
        return HttpResponse(whole, status=503, headers=headers)
    # A wish is answered beside the page; a part that asks anew by itself stays as it was.
    swap = "none" if request.method == "GET" else "beforeend"
    headers |= {"HX-Retarget": "#toasts", "HX-Reswap": swap}
    toast = render_to_string("503.html#toast", {"reason": words})
    return HttpResponse(toast, status=503, headers=headers)
