"""The outbox: what is told to a user, written in the transaction that gives cause for it."""

import uuid

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from actions.models.action import Action
from actions.models.delivery import Delivery
from actions.models.execution import ActionExecution


class Notification(models.Model):
    """A message in the app, told by being there.

    Whether it is also sent, and how, is decided after its transaction, by the dispatcher: until
    then `dispatched_at` is empty. It has room for one e-mail and one webhook call, so that no more
    can carry it.
    """

    class Kinds(models.TextChoices):
        FIRED = "fired", "A rule fired, or was refused"
        MISSED = "missed", "A rule's moment was missed"
        EXPIRING = "expiring", "A rule is about to expire"
        EXPIRED = "expired", "A rule has expired"
        SPLIT = "split", "A stock that a rule is about was split, or may have been"
        WEBHOOK_OFF = "webhook_off", "The webhook was switched off"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notifications", db_index=False
    )
    execution = models.ForeignKey(
        ActionExecution,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
        db_index=False,
    )
    action = models.ForeignKey(
        Action, models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    kind = models.TextField(choices=Kinds, default=Kinds.FIRED, db_default="fired")
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="The rule's end that it announces, once for each end."
    )
    dispatched_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was decided how to send it. Empty: not yet."
    )
    email = models.ForeignKey(
        Delivery,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="emailed",
        db_index=False,
        help_text="The e-mail that carries it, perhaps among others.",
    )
    webhook = models.ForeignKey(
        Delivery,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="posted",
        db_index=False,
        help_text="The webhook call that carries it, alone.",
    )

    class Meta:
        db_table = "notifications"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notifications_user_idx"),
            models.Index(fields=["-created_at"], name="notifications_newest_idx"),
            models.Index(
                fields=["user"],
                name="notifications_new_idx",
                condition=Q(dispatched_at__isnull=True),
            ),
            models.Index(
                fields=["user"],
                name="notifications_unread_idx",
                condition=Q(read_at__isnull=True),
            ),
            models.Index(
                fields=["email"],
                name="notifications_email_idx",
                condition=Q(email__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="notifications_kind_known",
                condition=Q(
                    kind__in=["fired", "missed", "expiring", "expired", "split", "webhook_off"]
                ),
            ),
            models.UniqueConstraint(
                fields=["action", "ends_at"],
                name="notifications_end_once",
                condition=Q(ends_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["webhook"],
                name="notifications_webhook_alone",
                condition=Q(webhook__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"to {self.user_id}: {self.subject}"
