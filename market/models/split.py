"""Splits, as they are announced."""

from fractions import Fraction

from django.db import models
from django.db.models import F, Q

from market.models.instrument import Instrument


class AnnouncedSplit(models.Model):
    """A split that is known of: of each `old_shares` of an instrument come `new_shares` on a day.

    It is applied once, when that day begins, or at once where that has been.
    """

    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_column="symbol", db_index=False
    )
    on = models.DateField(
        help_text="The first day, in New York, on which the shares trade split (the ex-date)."
    )
    new_shares = models.PositiveIntegerField()
    old_shares = models.PositiveIntegerField()
    source = models.CharField(max_length=100, help_text="Who said so: a feed, or a person.")
    announced_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "on"], name="announced_split_once"),
            models.CheckConstraint(
                condition=Q(new_shares__gt=0, old_shares__gt=0) & ~Q(new_shares=F("old_shares")),
                name="announced_split_splits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["on"],
                condition=Q(applied_at__isnull=True),
                name="announced_split_due_idx",
            )
        ]

    @property
    def factor(self) -> Fraction:
        """The new shares for each old one."""
        return Fraction(self.new_shares, self.old_shares)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.new_shares}-for-{self.old_shares} on {self.on}"
