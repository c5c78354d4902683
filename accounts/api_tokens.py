"""API tokens: made, found by their key, ended. Each function is one use case."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import ApiToken, User
from rest.scopes import Scope

MARK = "tr_"  # every key begins so: it is told from other tokens, and found where it leaks
MOST = 50  # of one user
_BYTES = 32  # of randomness: nobody guesses them, so a quick digest keeps them safe
_MINUTE = timedelta(minutes=1)


class TokenRefused(ValueError):
    """A token that is not made: `field` is what is wrong with it."""

    def __init__(self, field: str, words: str) -> None:
        self.field = field
        super().__init__(words)


@transaction.atomic
def make_token(
    *, user: User, name: str, scope: Scope, now: datetime, lasts: timedelta
) -> tuple[ApiToken, str]:
    """A new token with its key, which is nowhere else. Raises TokenRefused."""
    User.objects.select_for_update().get(pk=user.pk)  # two at once are counted one by one
    if user.api_tokens.count() >= MOST:
        raise TokenRefused("name", f"You have {MOST} tokens. Revoke one that nobody needs.")
    key = MARK + secrets.token_urlsafe(_BYTES)
    token = ApiToken(
        user=user,
        name=name,
        scope=scope,
        digest=_digest(key),
        ending=key[-4:],
        created_at=now,
        expires_at=now + lasts,
    )
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError:
        words = "You have a token of this name. Choose another, or revoke that one first."
        raise TokenRefused("name", words) from None
    return token, key


def token_of(*, key: str, now: datetime) -> ApiToken | None:
    """The token, with its user, if it is good at this moment. Notes that it is used."""
    found = ApiToken.objects.select_related("user").filter(
        digest=_digest(key), expires_at__gt=now, user__is_active=True
    )
    token = found.first()
    if token and (token.last_used_at is None or token.last_used_at <= now - _MINUTE):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(*, user: User, token_id: UUID) -> ApiToken:
    """Ends a token of the user's at once. Raises ApiToken.DoesNotExist for another's."""
    token = ApiToken.objects.get(user=user, pk=token_id)
    token.delete()
    return token


def revoke_all(*, user: User) -> int:
    """Ends all of the user's tokens at once. Returns how many there were."""
    ended, _ = ApiToken.objects.filter(user=user).delete()
    return ended


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
