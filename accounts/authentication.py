"""How an API token opens the API: no further than its scope, whatever a view permits."""

from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.api_tokens import MARK, token_of
from accounts.models import ApiToken, User
from rest.scopes import Scope, scope_of
from rest.throttling import PerAddress


class ByApiToken(BaseAuthentication):
    """`Authorization: Bearer tr_...`. An operation that names no scope is shut to all tokens."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """None where no API token was sent. Raises AuthenticationFailed for one that is not good,
        Throttled where an address sends many of those, PermissionDenied beyond the scope."""
        key = _key_in(request)
        if key is None:
            return None
        view = request.parser_context["view"]
        token = token_of(key=key, now=timezone.now())
        if token is None:
            guesses = PerAddress()
            if not guesses.allow_request(request, view):
                raise exceptions.Throttled(guesses.wait())
            words = "The token is not valid: it was revoked, has expired, or never was one."
            raise exceptions.AuthenticationFailed(words, code="token_not_valid")
        asked = scope_of(view, request.method or "")
        if asked is None or not Scope(token.scope).includes(asked):
            raise exceptions.PermissionDenied(_lacking(asked), code="insufficient_scope")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of it, with the scope that an operation asks for."""

    target_class = ByApiToken
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        words = "A token made on the page “API access”. Each operation names the scope it asks for."
        return {"type": "http", "scheme": "bearer", "description": words}

    def get_security_requirement(  # type: ignore[override]
        self, auto_schema: Any
    ) -> dict[str, list[str]] | None:
        scope = scope_of(auto_schema.view, auto_schema.method)
        return {self.name: [scope.value]} if scope else None


def _key_in(request: Request) -> str | None:
    kind, _, key = get_authorization_header(request).partition(b" ")
    if kind.lower() != b"bearer" or not key.startswith(MARK.encode()):
        return None
    return key.decode("latin-1")


def _lacking(asked: Scope | None) -> str:
    if asked is None:
        return "No API token is good for this."
    return f"The token is not good for this: it needs the scope “{asked.value}”."
