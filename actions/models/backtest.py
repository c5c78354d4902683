"""What a rule would have done, as somebody asked for it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from actions.models.action import Action


class Backtest(models.Model):
    """A backtest of somebody's: what was asked, how far it is, and what it found.

    One that is short is played at once, a longer one by the cluster, a slice at a time. Whoever
    plays it holds a lease, whose very value must still stand in the row when something is written:
    a backtest that was cancelled, deleted or taken over is written to by nobody else.
    """

    class Statuses(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    OPEN = (Statuses.QUEUED, Statuses.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="backtests", db_index=False
    )
    action = models.ForeignKey(
        Action,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The rule that was tested, as it was then. Empty: one that was not stored.",
    )
    sentence = models.TextField(help_text="The rule in words, as it was.")
    terms = models.JSONField(help_text="All that it is played with, but for the bars.")
    bars = models.BinaryField(
        null=True, help_text="The file that was uploaded, until it has ended. Empty: those held."
    )
    status = models.TextField(choices=Statuses, default=Statuses.QUEUED)
    cells = models.PositiveIntegerField(help_text="Bars times settings: how much work it is.")
    progress = models.PositiveSmallIntegerField(default=0, help_text="In percent.")
    found = models.JSONField(null=True, help_text="What the rule did (actions/backtest/report.py).")
    swept = models.JSONField(default=list, help_text="What it did at each setting of the sweep.")
    error = models.TextField(blank=True, default="", help_text="Why it failed, in words.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often somebody began a slice since the last one that ended well."
    )
    leased_until = models.DateTimeField(null=True, help_text="Until when somebody plays it.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(help_text="When it last gave a sign of life.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "backtests"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="backtests_of_user_idx"),
            models.Index(
                fields=["updated_at"],
                condition=Q(status__in=["queued", "running"]),
                name="backtests_open_idx",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="backtests_status_known",
                condition=Q(status__in=["queued", "running", "done", "cancelled", "failed"]),
            ),
            models.CheckConstraint(
                name="backtests_progress_percent", condition=Q(progress__lte=100)
            ),
            models.CheckConstraint(
                name="backtests_end_has_instant",
                condition=Q(status__in=["queued", "running"], ended_at__isnull=True)
                | Q(status__in=["done", "cancelled", "failed"], ended_at__gte=F("created_at")),
            ),
            models.CheckConstraint(
                name="backtests_done_found", condition=~Q(status="done") | Q(found__isnull=False)
            ),
            models.CheckConstraint(
                name="backtests_ended_is_not_leased",
                condition=Q(status="running") | Q(leased_until__isnull=True),
            ),
            models.CheckConstraint(
                name="backtests_ended_keeps_no_bars",
                condition=Q(status__in=["queued", "running"]) | Q(bars__isnull=True),
            ),
        ]

    @property
    def is_open(self) -> bool:
        """Whether there is still something to come of it."""
        return self.status in self.OPEN

    def __str__(self) -> str:
        return f"backtest {self.pk} of {self.user_id}"
