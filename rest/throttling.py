"""How many requests somebody may make in a minute. Counted in each process by itself.

A window of a whole minute, counted in the cache: one number a caller, whatever the rate. What keeps
guessers of passwords out is the lock-out, which all processes share.
"""

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from rest.addresses import client_address

WINDOW_SECONDS = 60


class _AMinute(BaseThrottle):
    """`most` requests a minute of whoever `caller` names."""

    name: str

    def __init__(self) -> None:
        self._left = 0.0

    @property
    def most(self) -> int:
        raise NotImplementedError

    def caller(self, request: Request) -> str:
        raise NotImplementedError

    def allow_request(self, request: Request, view: object) -> bool:
        window, since = divmod(time.time(), WINDOW_SECONDS)
        self._left = WINDOW_SECONDS - since
        key = f"rest:{self.name}:{self.caller(request)}:{window:.0f}"
        if cache.add(key, 1, WINDOW_SECONDS):
            return self.most > 0
        return _counted(key) <= self.most

    def wait(self) -> float:
        return self._left


class PerCaller(_AMinute):
    """API_REQUESTS_PER_MINUTE of a user, or of an address where nobody is signed in."""

    name = "requests"

    @property
    def most(self) -> int:
        return int(settings.API_REQUESTS_PER_MINUTE)

    def caller(self, request: Request) -> str:
        return str(request.user.pk) if request.user.is_authenticated else _address(request)


class PerAddress(_AMinute):
    """API_TOKENS_PER_MINUTE of an address: attempts to get a token."""

    name = "tokens"

    @property
    def most(self) -> int:
        return int(settings.API_TOKENS_PER_MINUTE)

    def caller(self, request: Request) -> str:
        return _address(request)


def _address(request: Request) -> str:
    return client_address(request._request) or "local"


def _counted(key: str) -> int:
    try:
        return int(cache.incr(key))
    except ValueError:  # dropped meanwhile, to make room
        cache.set(key, 1, WINDOW_SECONDS)
        return 1
