"""What is answered where no view could (Django's handler400 and handler500): below /api/ a problem,
as the API's views have it, elsewhere a page."""

import sys
from http import HTTPStatus

from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from rest import unavailable
from rest.answers import as_answer
from rest.problems import Problem, invalid
from rest.refusing import of_database

_API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to what Django itself refuses, such as the name of another site."""
    if not request.path_info.startswith(_API):
        return defaults.bad_request(request, exception)
    if isinstance(exception, DisallowedHost):
        return as_answer(invalid({"Host": "No site of this name is served here."}))
    words = "The request could not be understood. Nothing was done."
    return as_answer(Problem(HTTPStatus.BAD_REQUEST, "malformed", words))


def server_error(request: HttpRequest) -> HttpResponse:
    """The answer to what nobody else has answered.

    Middleware asks the database too: who is signed in, for example.
    """
    error = sys.exception()
    is_api = request.path_info.startswith(_API)
    if isinstance(error, OperationalError | InterfaceError):
        return as_answer(of_database(error)) if is_api else unavailable.page(request, error)
    if not is_api:
        return defaults.server_error(request)
    words = "Something went wrong that is no fault of the request. It is in the log."
    return as_answer(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", words))
