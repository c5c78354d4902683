"""The addresses that messages name."""

from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

_unsubscriber = Signer(salt="actions.notify.unsubscribe")


def rule_path(action_id: UUID | None) -> str:
    """Where the site shows this rule, or all of them where there is none."""
    return reverse("action", args=[action_id]) if action_id else reverse("actions")


def absolute(path: str) -> str:
    """The address of a path of the site, for those who read it elsewhere."""
    return f"{settings.SITE_URL}{path}"


def unsubscribe_path(user_id: UUID) -> str:
    """Where whoever has this address can switch off that user's e-mails. It does not grow old."""
    return reverse("unsubscribe", args=[_unsubscriber.sign(str(user_id))])


def read_unsubscribe(token: str) -> UUID:
    """The user whom a token of `unsubscribe_path` names. Raises BadSignature for any other text."""
    try:
        return UUID(_unsubscriber.unsign(token))
    except ValueError:
        raise BadSignature("That is no user's token.") from None
