"""The type of a request that has passed `login_required`."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class SignedIn(HttpRequest):
    """A request with a user, and with what HTMX says of it."""

    user: User  # login_required has turned the others away
    htmx: HtmxDetails
