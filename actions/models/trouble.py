"""What goes wrong for so long that those who run the site must know."""

from django.db import models
from django.db.models import Q


class Trouble(models.Model):
    """One thing that can go wrong with the site: whether it does, and whether operators know.

    A row a kind, so that of all processes that look one tells.
    """

    kind = models.TextField(primary_key=True)
    bad_since = models.DateTimeField(null=True, help_text="Empty: all is well.")
    good_since = models.DateTimeField(
        null=True, help_text="Empty: it is wrong at this moment, or was not."
    )
    is_told = models.BooleanField(
        default=False, db_default=False, help_text="Operators have been told that it is wrong."
    )
    words = models.TextField(default="", db_default="", help_text="What was found last.")
    try_at = models.DateTimeField(
        null=True, help_text="Somebody is telling them, or failed to: not tried again before."
    )

    class Meta:
        db_table = "troubles"
        constraints = [
            models.CheckConstraint(
                name="troubles_well_after_wrong",
                condition=Q(good_since__isnull=True) | Q(bad_since__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"
