"""How a user wants to be told."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Preferences(models.Model):
    """How a user wants to be told. Who has no row is told by e-mail, at any hour, and no webhook.

    The app always shows everything; these are about what is sent.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="notification_preferences",
    )
    email_on = models.BooleanField(
        default=True, db_default=True, help_text="Off: no e-mail at all is sent."
    )
    quiet_from = models.TimeField(
        null=True,
        blank=True,
        help_text="From this local time on, in the user's zone, e-mails wait.",
    )
    quiet_until = models.TimeField(
        null=True, blank=True, help_text="Until this local time, which may be the next day's."
    )
    webhook_url = models.TextField(blank=True, default="", db_default="")
    webhook_secret = models.TextField(
        blank=True, default="", db_default="", help_text="Signs what is sent to the webhook."
    )
    webhook_on = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "notification_preferences"
        verbose_name_plural = "preferences"
        constraints = [
            models.CheckConstraint(
                name="preferences_quiet_span",
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (
                    Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~Q(quiet_from=F("quiet_until"))
                ),
            ),
            models.CheckConstraint(
                name="preferences_webhook_complete",
                condition=Q(webhook_on=False) | (~Q(webhook_url="") & ~Q(webhook_secret="")),
            ),
        ]

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"
