"""What was said in the chat, and what was proposed there."""

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q


class Conversation(models.Model):
    """A thread of messages of one user. Its title is how it began."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="conversations", db_index=False
    )
    title = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    executions_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="What rules did from then on is shown among the messages. Empty: not.",
    )

    class Meta:
        db_table = "chat_conversations"
        ordering = ("-updated_at", "id")
        indexes = [models.Index(fields=["user", "-updated_at"], name="conversations_user_idx")]

    def __str__(self) -> str:
        return self.title


class Message(models.Model):
    """What the user said, or what was answered. Never changed afterwards."""

    class Roles(models.TextChoices):
        USER = "user", "You"
        ASSISTANT = "assistant", "Answer"

    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="messages")
    role = models.TextField(choices=Roles)
    text = models.TextField()
    tool_calls = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="Which tools were called for the answer, with what, and what they said.",
    )
    tokens_in = models.PositiveIntegerField(default=0, db_default=0)
    tokens_out = models.PositiveIntegerField(default=0, db_default=0)
    cost_usd = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="Empty: not known."
    )
    created_at = models.DateTimeField()

    class Meta:
        db_table = "chat_messages"
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                name="messages_role_known", condition=Q(role__in=["user", "assistant"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"


class Proposal(models.Model):
    """Something that counts only once its user has confirmed it, before it expires, once.

    `payload` is what will be done: for a new rule {"action": the API's body}, for a change
    {"action_id", "version", "changes"}, else {"action_ids"}. `facts` is what its card says about
    it. `outcome` is what came of it.
    """

    class Intents(models.TextChoices):
        CREATE = "create_action", "Create"
        UPDATE = "update_action", "Change"
        CANCEL = "cancel_action", "Cancel"
        EXECUTE = "execute_now", "Execute now"

    class Statuses(models.TextChoices):
        OPEN = "open", "Open"
        CONFIRMED = "confirmed", "Confirmed"
        DISMISSED = "dismissed", "Dismissed"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="proposals", db_index=False
    )
    message = models.ForeignKey(Message, models.PROTECT, related_name="proposals")
    intent = models.TextField(choices=Intents)
    payload = models.JSONField()
    sentence = models.TextField()
    facts = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    status = models.TextField(choices=Statuses, default=Statuses.OPEN, db_default="open")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    outcome = models.JSONField(null=True, blank=True)

    class Meta:
        db_table = "chat_proposals"
        ordering = ("created_at", "id")
        constraints = [
            models.CheckConstraint(
                name="proposals_status_known",
                condition=Q(status__in=["open", "confirmed", "dismissed"]),
            ),
            models.CheckConstraint(
                name="proposals_intent_known",
                condition=Q(
                    intent__in=["create_action", "update_action", "cancel_action", "execute_now"]
                ),
            ),
            models.CheckConstraint(
                name="proposals_decided_once",
                condition=Q(status="open", decided_at__isnull=True, outcome__isnull=True)
                | Q(status="dismissed", decided_at__isnull=False, outcome__isnull=True)
                | Q(status="confirmed", decided_at__isnull=False, outcome__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.intent}: {self.sentence}"

    def state(self, now: datetime) -> str:
        """Its status, or "expired"."""
        expired = self.status == self.Statuses.OPEN and now >= self.expires_at
        return "expired" if expired else str(self.status)
