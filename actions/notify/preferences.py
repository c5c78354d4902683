"""What a user may choose about being told: each function is one use case in one transaction."""

import secrets
from datetime import time
from uuid import UUID

from django.db import transaction

from accounts.models import User
from actions.models import Preferences
from actions.notify.webhook import check_url

SECRET_BYTES = 32


class PreferenceRefused(ValueError):
    """A choice that cannot be: says why, and what can."""


def preferences_of(*, user: User) -> Preferences:
    """The user's choices, or the defaults as a row that is not stored."""
    return Preferences.objects.filter(user=user).first() or Preferences(user=user)


@transaction.atomic
def switch_email(*, user: User, on: bool) -> Preferences:
    """Sends e-mails, or none at all from now on: not those either that wait already."""
    return _change(user.pk, email_on=on)


@transaction.atomic
def set_quiet_hours(*, user: User, begin: time | None, end: time | None) -> Preferences:
    """E-mails wait between these local times of the user's zone; None and None: at no time.

    Raises PreferenceRefused for one without the other, and for two that are equal.
    """
    if (begin is None) != (end is None):
        raise PreferenceRefused("Quiet hours need a begin and an end, or neither.")
    if begin is not None and begin == end:
        raise PreferenceRefused(
            "Quiet hours that begin when they end would never end. To get no e-mail at all, "
            "switch e-mail off."
        )
    return _change(user.pk, quiet_from=begin, quiet_until=end)


@transaction.atomic
def set_webhook(*, user: User, url: str) -> Preferences:
    """Calls `url` with each notification from now on, signed with a new secret: `webhook_secret`.

    Raises WebhookRefused for an address that may not be called.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return _change(
        user.pk, webhook_url=check_url(url.strip()), webhook_secret=secret, webhook_on=True
    )


@transaction.atomic
def switch_webhook(*, user: User, on: bool) -> Preferences:
    """Calls the webhook that is set, or none. Raises PreferenceRefused where none is set."""
    if on and not preferences_of(user=user).webhook_url:
        raise PreferenceRefused("There is no webhook yet. Set its address first.")
    return _change(user.pk, webhook_on=on)


@transaction.atomic
def unsubscribe(*, user_id: UUID) -> None:
    """Sends this user no more e-mail. Raises User.DoesNotExist."""
    User.objects.get(pk=user_id)
    _change(user_id, email_on=False)


def _change(user_id: UUID, **choices: object) -> Preferences:
    preferences, _ = Preferences.objects.update_or_create(user_id=user_id, defaults=choices)
    return preferences
