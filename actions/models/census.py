"""How many rules there are of each status."""

from django.db import models


class Census(models.Model):
    """The rules by status, counted now and then: to count a million takes too long for each look.

    There is one row at most. Whoever wants it younger than it is counts anew, the others read it.
    """

    counted_at = models.DateTimeField()
    counts = models.JSONField(help_text="How many rules, by status.")

    class Meta:
        db_table = "census"
        verbose_name_plural = "censuses"

    def __str__(self) -> str:
        return f"{self.counted_at:%Y-%m-%d %H:%M:%S}: {self.counts}"
