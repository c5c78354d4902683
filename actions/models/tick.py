"""Proof of what was watched, and when."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q


class Tick(models.Model):
    """One look at the market: proof of what was watched, and when.

    Kept for two days; what is left of it then are its hour and, if it was one, the gap before it.
    """

    started_at = models.DateTimeField()
    duration = models.DurationField()
    next_in = models.DurationField(
        default=timedelta(seconds=30),
        db_default=timedelta(seconds=30),
        help_text="How long after its beginning the next one was due.",
    )
    symbols = models.PositiveIntegerField(help_text="How many symbols had a quote to judge by.")
    woken = models.PositiveIntegerField()
    fired = models.PositiveIntegerField()
    errors = models.JSONField(default=list, help_text="What went wrong, a line each.")

    class Meta:
        db_table = "ticks"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["-started_at"], name="ticks_latest_idx")]
        permissions = [("monitor", "Can see how the whole site is doing")]

    @property
    def ended_at(self) -> datetime:
        return self.started_at + self.duration

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}: {self.woken} woken, {self.fired} fired"


class TickHour(models.Model):
    """What is kept of an hour's ticks. An hour without any has no row."""

    hour = models.DateTimeField(primary_key=True, help_text="When it began.")
    ticks = models.PositiveIntegerField()
    woken = models.PositiveBigIntegerField()
    fired = models.PositiveBigIntegerField()
    faults = models.PositiveIntegerField(help_text="Lines of what went wrong.")
    longest = models.DurationField(help_text="The tick that took longest.")
    longest_pause = models.DurationField(help_text="From the end of one to the next one's begin.")

    class Meta:
        db_table = "tick_hours"
        ordering = ("-hour",)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}: {self.ticks} ticks"


class TickGap(models.Model):
    """A span in which no tick ran: from the end of one to the beginning of the next."""

    since = models.DateTimeField(unique=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "tick_gaps"
        ordering = ("-since",)
        constraints = [
            models.CheckConstraint(name="tick_gaps_span", condition=Q(until__gt=F("since")))
        ]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M:%S} to {self.until:%Y-%m-%d %H:%M:%S}"
