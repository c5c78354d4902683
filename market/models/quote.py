"""The latest prices of instruments, and what is kept of those before."""

from django.db import models
from django.db.models import F, Q

from market.models.instrument import Instrument
from market.quotes import NOTE_LENGTH, Sample


class Quote(models.Model):
    """The latest accepted quote of a symbol that somebody follows; its price is null until then.

    The alert levels are the tightest that anybody asked for: one statement over this table tells
    which symbols need a closer look. Who asked is not the market's business.

    Every tick rewrites these rows. No column that changes is indexed and the table's pages are half
    empty (migration 0002), so that the new version of a row finds room beside the old one and no
    index is touched.
    """

    instrument = models.OneToOneField(
        Instrument,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="quote",
        db_column="symbol",
    )
    price = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, help_text="The last trade's."
    )
    previous_close = models.DecimalField(
        max_digits=18,
        decimal_places=6,
        null=True,
        help_text="The close of the session before this one.",
    )
    volume = models.BigIntegerField(null=True, help_text="Shares traded in this session so far.")
    as_of = models.DateTimeField(null=True, help_text="When the provider says this was the price.")
    received_at = models.DateTimeField(null=True, help_text="When the tick that stored it began.")
    provider = models.CharField(max_length=32, default="", db_default="")
    interpolated = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The price lies on a path drawn between recorded ones.",
    )
    note = models.CharField(
        max_length=NOTE_LENGTH,
        default="",
        db_default="",
        help_text="The provider's remark, such as the session that is replayed.",
    )
    alert_below = models.DecimalField(
        max_digits=18,
        decimal_places=6,
        null=True,
        help_text="Somebody must be woken at this price or below.",
    )
    alert_above = models.DecimalField(
        max_digits=18,
        decimal_places=6,
        null=True,
        help_text="Somebody must be woken at this price or above.",
    )
    alert_volume = models.BigIntegerField(
        null=True, help_text="Somebody must be woken at this volume of the session or above."
    )
    session_opened = models.DateTimeField(
        null=True, help_text="Of when the first price was that was seen in this session."
    )
    session_low = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, help_text="The lowest price seen in it."
    )
    session_high = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, help_text="The highest price seen in it."
    )
    keep_seconds = models.IntegerField(
        null=True, help_text="For how long its earlier prices are kept. Empty: not at all."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(price__gt=0), name="quote_price_positive"),
            models.CheckConstraint(
                condition=Q(price__isnull=True, as_of__isnull=True)
                | Q(price__isnull=False, as_of__isnull=False),
                name="quote_price_with_its_instant",
            ),
            models.CheckConstraint(condition=Q(volume__gte=0), name="quote_volume_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.price if self.price is not None else '(no price yet)'}"

    def sample(self) -> Sample | None:
        """What the provider said last, None where it has not yet."""
        if self.price is None or self.as_of is None:
            return None
        return Sample(
            symbol=self.instrument_id,
            price=self.price,
            as_of=self.as_of,
            volume=self.volume,
            previous_close=self.previous_close,
            interpolated=self.interpolated,
            note=self.note,
        )


class PastQuote(models.Model):
    """An earlier price of a symbol whose recent past somebody asked for."""

    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, db_index=False, db_column="symbol"
    )
    as_of = models.DateTimeField()
    price = models.DecimalField(max_digits=18, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "as_of"], name="past_quote_once")
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.price} at {self.as_of:%Y-%m-%d %H:%M:%S}"


class SessionRange(models.Model):
    """Between which prices a symbol was seen in a session that is over: what a quote's row held."""

    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, db_index=False, db_column="symbol"
    )
    opened = models.DateTimeField(help_text="Of when the first price was that was seen in it.")
    low = models.DecimalField(max_digits=18, decimal_places=6)
    high = models.DecimalField(max_digits=18, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "opened"], name="session_range_once")
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.low} to {self.high} from {self.opened:%Y-%m-%d %H:%M}"


class QuoteGap(models.Model):
    """A span in which rules had no fresh quote of a symbol, while the market was open.

    Written when it begins and when it ends, never in between: a tick at which nothing changes
    writes none of it.
    """

    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, db_index=False, db_column="symbol"
    )
    since = models.DateTimeField(help_text="When the last quote became too old.")
    until = models.DateTimeField(null=True, help_text="Empty: there is none still.")
    reason = models.CharField(
        max_length=300,
        default="",
        db_default="",
        help_text="What was wrong with the feed. Empty: it had nothing newer to say.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "since"], name="quote_gap_once"),
            models.UniqueConstraint(
                fields=["instrument"], condition=Q(until__isnull=True), name="quote_gap_open_once"
            ),
            models.CheckConstraint(
                condition=Q(until__isnull=True) | Q(until__gt=F("since")), name="quote_gap_span"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} from {self.since:%Y-%m-%d %H:%M:%S}"
