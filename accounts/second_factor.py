"""Whether somebody who knows the password is who they say, where they have a second factor."""

from django.apps import apps

from accounts.models import User


def has_second_factor(user: User) -> bool:
    """Whether the user is asked for a code beside the password."""
    if not apps.is_installed("allauth.mfa"):
        return False
    from allauth.mfa.utils import is_mfa_enabled  # noqa: PLC0415 -- its models, once it is installed

    return bool(is_mfa_enabled(user))


def is_code_of(user: User, code: str) -> bool:
    """Whether `code` is one of the user's authenticator at this moment, or a recovery code, which
    is then used up."""
    from allauth.mfa.models import Authenticator  # noqa: PLC0415 -- as above

    by_code = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN)
    return any(authenticator.wrap().validate_code(code) for authenticator in by_code)
