"""Whose request it is: the address that the rate limits and the lock-out count."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The client's address, None where the connection has none (a socket of this machine).

    Each proxy appends to X-Forwarded-For whom it was called by, and whatever stands before that a
    client can forge. So it is read only as far as TRUSTED_PROXIES, the number of our own, goes.
    """
    known = request.META.get("REMOTE_ADDR") or None
    proxies = settings.TRUSTED_PROXIES
    if not proxies:
        return known
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if len(told) < proxies:
        return known
    try:
        return str(ip_address(told[-proxies].strip()))
    except ValueError:
        return known
