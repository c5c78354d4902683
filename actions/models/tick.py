"""Proof of what was watched, and when."""

from django.db import models


class Tick(models.Model):
    """One look at the market: proof of what was watched, and when."""

    started_at = models.DateTimeField()
    duration = models.DurationField()
    symbols = models.PositiveIntegerField(help_text="How many symbols had a quote to judge by.")
    woken = models.PositiveIntegerField()
    fired = models.PositiveIntegerField()
    errors = models.JSONField(default=list, help_text="What went wrong, a line each.")

    class Meta:
        db_table = "ticks"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["-started_at"], name="ticks_latest_idx")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}: {self.woken} woken, {self.fired} fired"
