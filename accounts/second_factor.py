"""Whether somebody who knows the password is who they say, where they have a second factor."""

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled

from accounts.models import User


def has_second_factor(user: User) -> bool:
    """Whether the user is asked for a code beside the password."""
    return bool(is_mfa_enabled(user))


def is_code_of(user: User, code: str) -> bool:
    """Whether `code` is one of the authenticator at this moment, or a recovery code. Either is
    then used up."""
    by_code = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN)
    return any(authenticator.wrap().validate_code(code) for authenticator in by_code)
