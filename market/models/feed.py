"""What is asked of a feed, what that costs, and what was wrong with its answers."""

from django.db import models
from django.db.models import Q

from market.models.instrument import Instrument


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
