"""A file of rules that somebody imports."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class RuleImport(models.Model):
    """A file of rules, from its upload until it is done: what was found in it, what became of it.

    The file itself is kept only as long as it is needed. What `state` it has decides who may do
    what: every change of it is one conditional statement, so that two can never both succeed.
    """

    class States(models.TextChoices):
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Waits to be confirmed"
        REFUSED = "refused", "Refused"
        APPLYING = "applying", "Being applied"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="rule_imports",
        db_index=False,
        help_text="Whose rules they are.",
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Who imports them for their owner. Empty: the owner.",
    )
    reason = models.TextField(blank=True, default="", help_text="Why somebody else imports them.")
    name = models.TextField(blank=True, default="", help_text="Of the file.")
    size = models.IntegerField(help_text="Of the file, in bytes.")
    content = models.BinaryField(null=True, help_text="The file, until the import has ended.")
    at_once = models.BooleanField(
        default=False, help_text="Applied without being shown first, unless anything is wrong."
    )
    state = models.TextField(choices=States, default=States.CHECKING)
    note = models.TextField(blank=True, default="", help_text="More about the state, in words.")
    rules = models.IntegerField(null=True, blank=True, help_text="How many the file has.")
    progress = models.IntegerField(default=0, help_text="Rules looked at, in this step.")
    attempts = models.IntegerField(default=0, help_text="How often this step was begun.")
    counts = models.JSONField(default=dict, help_text="How many lines there are of each outcome.")
    shown = models.JSONField(default=list, help_text="The first lines of the report.")
    report = models.BinaryField(null=True, help_text="All of its lines: CSV, compressed.")
    digest = models.TextField(blank=True, default="", help_text="Of what the report says.")
    edits = ArrayField(
        models.UUIDField(), default=list, help_text="The rules that it changes, by id."
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "rule_imports"
        ordering = ("-created_at",)
        permissions = [("import_rules", "Can import rules for their owner")]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="rule_imports_user_idx"),
            models.Index(
                fields=["updated_at"],
                name="rule_imports_unended_idx",
                condition=Q(state__in=["checking", "checked", "applying"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="rule_imports_file_until_ended",
                condition=Q(
                    state__in=["refused", "done", "cancelled", "failed"], content__isnull=True
                )
                | Q(state__in=["checking", "checked", "applying"], content__isnull=False),
            ),
            models.CheckConstraint(
                name="rule_imports_for_another_has_reason",
                condition=Q(by__isnull=True) | ~Q(reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'rules'} for {self.user_id} ({self.state})"
