"""What leaves the house: one row an e-mail, or a call of a webhook."""

import uuid

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q


class Delivery(models.Model):
    """One e-mail or one webhook call: of which notifications, these say (`email`, `webhook`).

    It is sent from its row: tried again after a failure, never lost, and after a crash perhaps sent
    twice. Its id stays the same with every attempt, so that a receiver can tell.
    """

    class Channels(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    class States(models.TextChoices):
        PENDING = "pending", "To be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"
        SILENCED = "silenced", "Not wanted any more"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="deliveries", db_index=False
    )
    channel = models.TextField(choices=Channels)
    created_at = models.DateTimeField()
    state = models.TextField(choices=States, default=States.PENDING, db_default="pending")
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it may be sent (again); a sender at work has moved it ahead. Empty: it is "
        "settled.",
    )
    give_up_at = models.DateTimeField(help_text="The last attempt is made then: after a day.")
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="", db_default="")

    class Meta:
        db_table = "deliveries"
        verbose_name_plural = "deliveries"
        permissions = [("retry_delivery", "Can have sent again what was given up")]
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="deliveries_due_idx", condition=Q(state="pending")
            ),
            models.Index(
                fields=["user", "channel", "next_attempt_at", "id"],
                name="deliveries_pending_idx",
                condition=Q(state="pending"),
            ),
            models.Index(fields=["created_at"], name="deliveries_oldest_idx"),
            models.Index(fields=["user", "-created_at"], name="deliveries_user_idx"),
            models.Index(
                fields=["-created_at"], name="deliveries_failed_idx", condition=Q(state="failed")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="deliveries_channel_known", condition=Q(channel__in=["email", "webhook"])
            ),
            models.CheckConstraint(
                name="deliveries_state_known",
                condition=Q(state__in=["pending", "sent", "failed", "silenced"]),
            ),
            models.CheckConstraint(
                name="deliveries_pending_has_attempt",
                condition=Q(state="pending", next_attempt_at__isnull=False)
                | (~Q(state="pending") & Q(next_attempt_at__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.pk} ({self.state})"
