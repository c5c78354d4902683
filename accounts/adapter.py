"""How allauth does things here."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.api_tokens import revoke_all
from accounts.models import User
from accounts.sessions import end_others
from rest.addresses import client_address

MISMATCH = "That name and password do not go together. Check both and try again."

log = logging.getLogger(__name__)


class Adapter(DefaultAccountAdapter):
    """As allauth does it, but a mail server that is missing or ill stops nobody from signing up,
    and a new password ends whatever was opened with the old one."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": MISMATCH,
        "username_password_mismatch": MISMATCH,
        "email_taken": "There is an account with this e-mail already. Sign in with it.",
    }

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def is_safe_url(self, url: str) -> bool:
        """As allauth has it, and false for what is no address at all, such as `http://[::1`."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "127.0.0.1"  # a socket of this machine

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        super().set_password(user, password)
        revoke_all(user=user)
        end_others(user=user, but=self.request.session.session_key)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except (SMTPException, OSError):
            log.exception("An e-mail about an account could not be sent (%s).", template_prefix)
            _say_so()


def _say_so() -> None:
    if context.request is not None:
        messages.warning(
            context.request,
            "The e-mail could not be sent: the mail server does not answer. Try again later, or "
            "ask support.",
        )
