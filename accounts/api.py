"""Tokens: how programs sign in. A short one for every request, a long one to get the next."""

from http import HTTPStatus
from typing import Annotated, Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from django.urls import path
from pydantic import BaseModel, Field, StrictStr
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from accounts.second_factor import has_second_factor, is_code_of
from rest.bodies import Body, read
from rest.problems import Problem
from rest.schema import described
from rest.throttling import PerAddress
from rest.views import ApiView

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


class Credentials(Body):
    """Who wants a token."""

    username: Annotated[StrictStr, Field(min_length=1, max_length=150)]
    password: Annotated[StrictStr, Field(min_length=1, max_length=1000)]
    otp: Annotated[StrictStr, Field(max_length=100)] | None = Field(
        None, description="The code of the second factor, or a recovery code, for who has one."
    )


class Refresh(Body):
    """The long token."""

    refresh: Annotated[StrictStr, Field(min_length=1, max_length=5000)]


class Tokens(BaseModel):
    """`access` goes with each request, as `Authorization: Bearer ...`; `refresh` gets the next."""

    access: str
    refresh: str


class TokenView(ApiView):
    """Asks nobody to be signed in, and counts attempts by address."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (PerAddress,)

    def get_authenticate_header(self, request: Request) -> str:
        return CHALLENGE["WWW-Authenticate"]


class Obtain(TokenView):
    @described("get_token", body=Credentials, answers=Tokens, auth=[])
    def post(self, request: Request) -> Response:
        """Gives tokens for a name and a password, and a code where there is a second factor."""
        asked = read(Credentials, request)
        user = authenticate(request._request, username=asked.username, password=asked.password)
        if not isinstance(user, User):
            raise _refused("wrong_credentials", "That name and password do not go together.")
        _check_second_factor(request, user, asked.otp)
        user_logged_in.send(sender=User, request=request._request, user=user)
        return Response(_tokens(RefreshToken.for_user(user)))


class Renew(TokenView):
    @described("refresh_token", body=Refresh, answers=Tokens, auth=[])
    def post(self, request: Request) -> Response:
        """Gives new tokens for the long one, which is then used up."""
        asked = read(Refresh, request)
        try:
            return Response(_renewed(asked.refresh))
        except (TokenError, User.DoesNotExist):
            raise _not_valid() from None


class Revoke(TokenView):
    @described("revoke_token", body=Refresh, status=204, auth=[])
    def post(self, request: Request) -> Response:
        """Ends the long token. The short ones live on until their quarter of an hour is over."""
        asked = read(Refresh, request)
        try:
            _presented(asked.refresh).blacklist()
        except TokenError:
            raise _not_valid() from None
        return Response(status=HTTPStatus.NO_CONTENT)


def _check_second_factor(request: Request, user: User, code: str | None) -> None:
    if not has_second_factor(user):
        return
    if not code:
        raise _refused("otp_required", "Send the code of your second factor as otp, too.")
    if not is_code_of(user, code):
        # It counts as a failed attempt: who knows the password must not try all codes.
        credentials = {"username": user.get_username()}
        user_login_failed.send(sender=__name__, credentials=credentials, request=request._request)
        raise _refused("wrong_otp", "That is not the code of your second factor at this moment.")


@transaction.atomic
def _renewed(text: str) -> dict[str, Any]:
    presented = _presented(text)
    # Two at once take turns, and the second finds it used up.
    list(OutstandingToken.objects.select_for_update().filter(jti=presented["jti"]))
    serializer = TokenRefreshSerializer(data={"refresh": text})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _presented(text: str) -> RefreshToken:
    """The long token. Raises TokenError for one that is forged, expired or used up."""
    return RefreshToken(text)  # type: ignore[arg-type]


def _tokens(refresh: RefreshToken) -> dict[str, str]:
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def _refused(code: str, words: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, code, words, headers=CHALLENGE)


def _not_valid() -> Problem:
    return _refused("token_not_valid", "The token is not valid, or is used up. Get a new one.")


urlpatterns = [
    path("token", Obtain.as_view()),
    path("token/refresh", Renew.as_view()),
    path("token/blacklist", Revoke.as_view()),
]
