"""What a rule did: one row a firing."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from actions.models.action import Action
from portfolios.models import Transaction


class ActionExecution(models.Model):
    """One recorded firing, successful or refused. Never changed afterwards."""

    class Statuses(models.TextChoices):
        SUCCESS = "success", "Success"
        FAILED = "failed", "Failed"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    action = models.ForeignKey(Action, models.PROTECT, related_name="executions", db_index=False)
    sequence = models.PositiveIntegerField(help_text="1 for the rule's first firing, and so on.")
    triggered_at = models.DateTimeField(db_default=Now())
    execution_status = models.TextField(choices=Statuses)
    rehearsal = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The rule was a rehearsal then: what it would have traded is in the details.",
    )
    details = models.JSONField(
        help_text="What was seen and done: the rule, the quotes, the reason, the trades, the cash."
    )
    transaction = models.ForeignKey(
        Transaction,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # transactions are never deleted, and nobody looks from them to here
        help_text="The (first) transaction it made.",
    )
    error = models.TextField(null=True, blank=True)  # noqa: DJ001 - null, as specified
    idempotency_key = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: fired by itself
    request_fingerprint = models.TextField(  # noqa: DJ001 - as the key
        null=True, blank=True, help_text="Of the request that the key came with."
    )

    class Meta:
        db_table = "action_executions"
        ordering = ("-triggered_at", "-sequence")
        indexes = [
            models.Index(fields=["-triggered_at"], name="executions_latest_idx"),
            models.Index(
                fields=["-triggered_at"],
                name="executions_failed_idx",
                condition=Q(execution_status="failed"),
            ),
        ]
        constraints = [
            # Serves look-ups by action as well: its leading column is the action.
            models.UniqueConstraint(fields=["action", "sequence"], name="executions_once"),
            # Partial: what fires by itself has no key, and costs this index nothing.
            models.UniqueConstraint(
                fields=["idempotency_key", "action"],
                condition=Q(idempotency_key__isnull=False),
                name="executions_idempotent",
            ),
            models.CheckConstraint(
                name="executions_key_with_fingerprint",
                condition=Q(idempotency_key__isnull=True, request_fingerprint__isnull=True)
                | Q(idempotency_key__isnull=False, request_fingerprint__isnull=False),
            ),
            models.CheckConstraint(
                name="executions_status_known",
                condition=Q(execution_status__in=["success", "failed"]),
            ),
            models.CheckConstraint(
                name="executions_rehearsal_trades_nothing",
                condition=Q(rehearsal=False) | Q(transaction__isnull=True),
            ),
            models.CheckConstraint(
                name="executions_failed_has_error",
                condition=Q(execution_status="success", error__isnull=True)
                | Q(execution_status="failed", error__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.execution_status} #{self.sequence} of {self.action_id}"
