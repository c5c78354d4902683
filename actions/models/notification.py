"""The outbox: what is to be told, and what has been."""

import uuid

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from actions.models.action import Action
from actions.models.execution import ActionExecution


class Notification(models.Model):
    """Something to tell a user, written in the transaction that gave cause for it.

    An in-app one is told by being there. An e-mail is sent from its row and may, after a crash,
    be sent twice with the same id; it is never lost.
    """

    class Channels(models.TextChoices):
        IN_APP = "in_app", "In the app"
        EMAIL = "email", "E-mail"

    class States(models.TextChoices):
        PENDING = "pending", "To be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notifications", db_index=False
    )
    execution = models.ForeignKey(
        ActionExecution, models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    action = models.ForeignKey(
        Action, models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    channel = models.TextField(choices=Channels)
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField()
    state = models.TextField(choices=States, default=States.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(
        null=True, blank=True, help_text="When it may be sent (again). Empty: it is settled."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notifications"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notifications_user_idx"),
            models.Index(
                fields=["next_attempt_at"],
                name="notifications_due_idx",
                condition=Q(state="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.user_id}: {self.subject}"
