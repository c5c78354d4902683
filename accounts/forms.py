"""What people type about their account."""

import zoneinfo
from datetime import timedelta
from typing import Any

from allauth.account.forms import (
    AddEmailForm,
    ChangePasswordForm,
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
    SignupForm,
)
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as CodeAgainForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import lazy
from django.utils.html import format_html

from accounts.models import ApiToken, User
from rest.scopes import Scope

MARKETS_ZONE = "America/New_York"
_NOT_PLACES = ("Etc/", "SystemV/", "US/", "posix/", "right/")


def zones() -> list[tuple[str, str]]:
    """The time zones to choose from: the world's cities, and UTC."""
    names = sorted(
        name
        for name in zoneinfo.available_timezones()
        if "/" in name and not name.startswith(_NOT_PLACES)
    )
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class ZoneField(forms.ChoiceField):
    """A time zone; a script proposes the browser's own."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            label="Time zone",
            choices=zones,
            help_text="Times are shown, and dates are read, in this zone.",
            **more,
        )
        self.widget.attrs["autocomplete"] = "off"


class _Plain:
    """A label says what a field is: nothing stands in the field before somebody types."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


_PASSWORD_HELP = "At least 8 characters: not a common password, not your name, not only digits."  # noqa: S105


_FORGOTTEN = lazy(format_html, str)(
    '<a href="{}">Forgotten your password?</a>', reverse_lazy("account_reset_password")
)


class SignIn(_Plain, LoginForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        login = self.fields["login"]
        login.label = "E-mail or name"
        login.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none"}
        self.fields["password"].help_text = _FORGOTTEN


class SignUp(_Plain, SignupForm):
    time_zone = ZoneField(initial=MARKETS_ZONE)

    field_order = ["email", "password1", "time_zone"]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["email"].label = "E-mail"
        self.fields["password1"].help_text = _PASSWORD_HELP
        self.fields["time_zone"].widget.attrs["data-guess-zone"] = True

    def save(self, request: HttpRequest) -> User:
        user: User = super().save(request)
        user.time_zone = self.cleaned_data["time_zone"]
        user.save(update_fields=["time_zone"])
        return user


class ForgottenPassword(_Plain, ResetPasswordForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["email"].label = "E-mail"


class NewPassword(_Plain, ResetPasswordKeyForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["password1"].help_text = _PASSWORD_HELP


class ChangePassword(_Plain, ChangePasswordForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["password1"].help_text = _PASSWORD_HELP
        self.fields["password2"].label = "New password, again"


class ChangeEmail(_Plain, AddEmailForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["email"].label = "New e-mail"

    def save(self, request: HttpRequest) -> EmailAddress:
        """An e-mail that was never confirmed gives way at once: an account is not without one."""
        address = super().save(request)
        User.objects.filter(pk=self.user.pk, email="").update(email=address.email)
        return address


class PasswordAgain(_Plain, ReauthenticateForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["password"].help_text = _FORGOTTEN


class _CountedCode(_Plain):
    """A code that is wrong counts towards the lock-out as a wrong password does."""

    user: User

    def clean_code(self) -> str:
        request = context.request
        credentials = {"username": self.user.get_username()}
        if not AxesProxyHandler.is_allowed(request, credentials):
            request.axes_locked_out = True
            raise ValidationError("Too many attempts.")
        try:
            return str(super().clean_code())  # type: ignore[misc]
        except ValidationError:
            user_login_failed.send(sender=__name__, credentials=credentials, request=request)
            raise


_CODE_HELP = "The six digits that your authenticator app shows now, or one of your recovery codes."


class SecondFactor(_CountedCode, AuthenticateForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["code"].help_text = _CODE_HELP
        self.fields["code"].widget.attrs["autofocus"] = True


class SecondFactorAgain(_CountedCode, CodeAgainForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["code"].help_text = _CODE_HELP


class BeginSecondFactor(_Plain, ActivateTOTPForm):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["code"].label = "Code"
        self.fields["code"].help_text = "The six digits that the app shows now."
        self.fields["code"].widget.attrs["inputmode"] = "numeric"


class Profile(forms.ModelForm[User]):
    time_zone = ZoneField()

    class Meta:
        model = User
        fields = ("username", "time_zone")
        labels = {"username": "Name"}
        help_texts = {
            "username": "You can sign in with it as well as with your e-mail. Letters, digits and "
            "@ . + - _ only."
        }


class NewToken(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=60,
        help_text="What uses it, such as “my spreadsheet”. You know it by this name later.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.TypedChoiceField(
        label="What it may do",
        choices=ApiToken.Scopes.choices,
        initial=Scope.READ.value,
        coerce=Scope,
        help_text="A rule trades when it fires, whoever wrote it.",
        widget=forms.RadioSelect,
    )
    lasts = forms.TypedChoiceField(
        label="Good for",
        choices=[("7", "A week"), ("30", "30 days"), ("90", "90 days"), ("365", "A year")],
        initial="90",
        coerce=lambda days: timedelta(days=int(days)),
    )

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())
