"""A rule that somebody is still thinking out."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from actions.models.action import Action


class RuleDraft(models.Model):
    """What a person has typed in the wizard's steps, whether or not it makes sense yet.

    It is kept here and not in the session: a lost session loses nothing, and two tabs have two.
    It is used once: `made` is the rule that came of it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="rule_drafts", db_index=False
    )
    action = models.ForeignKey(
        Action,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="The rule that is edited. Empty: a new one.",
    )
    version = models.TextField(
        blank=True, default="", help_text="Of the rule that is edited, as it was when it was read."
    )
    answers = models.JSONField(
        default=dict, help_text="What was typed, by the form and its field: lists of texts."
    )
    revision = models.IntegerField(default=0, help_text="How many steps were sent.")
    made = models.ForeignKey(Action, models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "rule_drafts"
        ordering = ("-updated_at",)
        indexes = [models.Index(fields=["updated_at"], name="rule_drafts_old_idx")]
        constraints = [
            models.CheckConstraint(
                name="rule_drafts_edit_names_version",
                condition=Q(action__isnull=True) | ~Q(version=""),
            ),
        ]

    def __str__(self) -> str:
        return f"draft {self.pk} of {self.user_id}"
