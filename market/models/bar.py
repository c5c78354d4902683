"""Recorded sessions, and the replay that plays them."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from market.models.instrument import Instrument
from market.quotes import Bar


class DailyBar(models.Model):
    """One recorded session of an instrument: what a replay plays and a backtest reads."""

    # The unique constraint is the index for both.
    instrument = models.ForeignKey(
        Instrument,
        on_delete=models.CASCADE,
        related_name="daily_bars",
        db_column="symbol",
        db_index=False,
    )
    session = models.DateField(help_text="The trading day, by the exchange's calendar.")
    at = models.DateTimeField(help_text="When the session really closed.")
    open = models.DecimalField(max_digits=18, decimal_places=6)
    high = models.DecimalField(max_digits=18, decimal_places=6)
    low = models.DecimalField(max_digits=18, decimal_places=6)
    close = models.DecimalField(max_digits=18, decimal_places=6)
    volume = models.BigIntegerField(help_text="Shares traded in the session.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "session"], name="dailybar_unique"),
            models.CheckConstraint(
                condition=Q(low__gt=0)
                & Q(low__lte=F("open"))
                & Q(low__lte=F("close"))
                & Q(high__gte=F("open"))
                & Q(high__gte=F("close")),
                name="dailybar_prices_in_range",
            ),
            models.CheckConstraint(condition=Q(volume__gte=0), name="dailybar_volume_not_negative"),
        ]

    @classmethod
    def of(cls, bar: Bar) -> Self:
        """The row that keeps this bar, not stored yet."""
        return cls(
            instrument_id=bar.symbol,
            session=bar.session,
            at=bar.at,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.session}"


class ReplayRun(models.Model):
    """A replay of the recorded sessions. The newest row is the one in progress.

    It is a row so that all processes play the same market, and so that a restart is one insert.
    """

    started_at = models.DateTimeField(help_text="When its first session began to play.")
    first_session = models.DateField(help_text="Sessions before this day are not played.")
    session_seconds = models.DecimalField(
        max_digits=9, decimal_places=3, help_text="How long each session takes to play."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(session_seconds__gt=0), name="replayrun_session_seconds_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.first_session}, {self.session_seconds:f} s a session"
