"""What can be traded."""

from django.db import models
from django.db.models import Q

from market.quotes import SYMBOL_PATTERN


class Instrument(models.Model):
    """Something that has a price. Its symbol is its identity everywhere."""

    symbol = models.CharField(
        max_length=16,
        primary_key=True,
        help_text="In capitals, as the provider writes it, such as AAPL or BRK.B.",
    )
    name = models.CharField(max_length=200, blank=True, default="", db_default="")
    exchange = models.CharField(
        max_length=8,
        default="XNYS",
        db_default="XNYS",
        help_text="The market identifier code (ISO 10383) whose sessions it trades in.",
    )
    currency = models.CharField(max_length=3, default="USD", db_default="USD")
    feed_name = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="What the live feed calls it. Quotes under another name are refused; "
        "empty it to take the feed's next name for the right one.",
    )
    is_active = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Off: it is no longer offered for new rules. Those that name it go on.",
    )

    class Meta:
        ordering = ["symbol"]
        constraints = [
            models.CheckConstraint(
                condition=Q(symbol__regex=f"^{SYMBOL_PATTERN}$"),
                name="instrument_symbol_well_formed",
                violation_error_message="Use 1 to 16 capitals, digits, dots, dashes or slashes.",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol
