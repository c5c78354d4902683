"""Instruments, their latest quotes, their recorded sessions and the replay that plays them."""

from fractions import Fraction
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from market.quotes import NOTE_LENGTH, SYMBOL_PATTERN, Bar, Sample


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


class Look(models.Model):
    """A symbol that somebody looks at: ticks keep its quote fresh for a while."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.CASCADE, primary_key=True, db_column="symbol"
    )
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instrument_id} at {self.at:%Y-%m-%d %H:%M:%S}"


class FeedBudget(models.Model):
    """The credits that a live feed's plan has spent, and until when it must not be asked.

    A row a provider: whoever wants to ask locks it, so that no two processes spend the same credit.
    """

    provider = models.CharField(max_length=32, primary_key=True)
    minute = models.DateTimeField(null=True, help_text="The minute whose credits are counted.")
    in_minute = models.PositiveIntegerField(default=0, help_text="Credits spent in it.")
    day = models.DateField(null=True, help_text="The day (UTC) whose credits are counted.")
    on_day = models.PositiveIntegerField(default=0, help_text="Credits spent on it.")
    blocked_until = models.DateTimeField(null=True, help_text="It is not asked before.")
    blocked_because = models.CharField(max_length=300, default="")
    failures = models.PositiveIntegerField(default=0, help_text="In a row, up to now.")

    def __str__(self) -> str:
        return self.provider


class FeedStream(models.Model):
    """The stream of a live feed: whether somebody is connected to it, and since when.

    Whoever is says so every few seconds; one who dies does not say that he is no more.
    """

    provider = models.CharField(max_length=32, primary_key=True)
    connected_at = models.DateTimeField(null=True, help_text="Empty: not connected.")
    alive_at = models.DateTimeField(help_text="When its process last gave a sign of life.")
    symbols = models.PositiveIntegerField(default=0, help_text="How many it is subscribed to.")
    words = models.CharField(max_length=300, default="", help_text="Why it is not connected.")

    def __str__(self) -> str:
        return self.provider


class FeedAsk(models.Model):
    """What a live feed was asked about a symbol: shared by all processes, so that one of them asks.

    While `pending_until` has not come somebody else waits for the answer, or died waiting. What its
    stream tells by itself counts as an answer, under a subject of its own.
    """

    class Subjects(models.TextChoices):
        QUOTE = "quote"
        SESSIONS = "sessions"
        STREAM = "stream"

    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, db_index=False, db_column="symbol"
    )
    subject = models.CharField(max_length=8, choices=Subjects)
    pending_until = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(
        null=True, help_text="Asking sooner is pointless: the feed does not have it."
    )
    last_session = models.DateField(null=True, help_text="The newest that was asked for.")
    sessions = models.PositiveIntegerField(default=0, help_text="How many were asked for.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "subject"], name="feed_ask_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.instrument_id}"


class FeedIncident(models.Model):
    """Something wrong with what a feed said, or did not say. Open until a good answer settles it.

    The same thing again adds to the open row, so that it is raised once.
    """

    class Verdicts(models.TextChoices):
        HELD = "held", "held until a second quote confirms it"
        DOUBTED = "doubted", "held: it may be a split"
        BELIEVED = "believed", "held, and said by support to be no split"
        REFUSED = "refused", "refused"
        FAILED = "failed", "no answer"

    class Outcomes(models.TextChoices):
        CONFIRMED = "confirmed", "confirmed by a second quote"
        ENDED = "ended", "a good answer came"

    kind = models.CharField(max_length=32)
    instrument = models.ForeignKey(
        Instrument,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        db_column="symbol",
        help_text="Empty: it concerns the whole feed.",
    )
    verdict = models.CharField(max_length=8, choices=Verdicts)
    provider = models.CharField(max_length=32)
    reason = models.CharField(max_length=300)
    price = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    as_of = models.DateTimeField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, db_default=1)
    settled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcomes, default="", db_default="")
    is_told = models.BooleanField(
        default=False, db_default=False, help_text="Those whom a doubt concerns have been told."
    )

    class Meta:
        permissions = [("believe_move", "Can say that a price that is held is no split")]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "kind"],
                condition=Q(settled_at__isnull=True),
                nulls_distinct=False,
                name="feed_incident_open_once",
            ),
            models.CheckConstraint(
                condition=~Q(verdict__in=["held", "doubted", "believed"])
                | Q(price__gt=0, as_of__isnull=False),
                name="feed_incident_held_price",
            ),
        ]
        indexes = [
            models.Index(fields=["-first_at"], name="feed_incident_latest_idx"),
            models.Index(
                fields=["instrument"],
                condition=Q(verdict="doubted", settled_at__isnull=True, is_told=False),
                name="feed_incident_doubts_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id or self.provider}: {self.reason}"


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
