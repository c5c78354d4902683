"""What a user types about being told."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from actions.models import Preferences
from actions.notify.preferences import PreferenceRefused
from actions.notify.webhook import WebhookRefused, check_url

_TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class Telling(forms.Form):
    """E-mail, and the hours in which none comes."""

    email_on = forms.BooleanField(label="Send me e-mails", required=False)
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=_TIME)
    quiet_until = forms.TimeField(
        label="Quiet until",
        required=False,
        widget=_TIME,
        help_text="Times of your zone. E-mails wait until then; many become one.",
    )

    @classmethod
    def of(cls, preferences: Preferences) -> "Telling":
        names = ("email_on", "quiet_from", "quiet_until")
        return cls(initial={name: getattr(preferences, name) for name in names})

    def refused(self, refusal: PreferenceRefused) -> None:
        """Says at the field what a service has refused."""
        self.add_error("quiet_until", str(refusal))


class Webhook(forms.Form):
    """Where each notification is sent, signed."""

    url = forms.URLField(
        label="Address",
        assume_scheme="https",
        help_text="It is called with each notification, as JSON, signed with a secret.",
    )

    def clean_url(self) -> Any:
        try:
            return check_url(self.cleaned_data["url"])
        except WebhookRefused as refused:
            raise ValidationError(str(refused)) from None
