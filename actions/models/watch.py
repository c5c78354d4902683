"""What sleeping rules wait for."""

from django.db import models
from django.db.models import Q

from actions.models.action import Action
from actions.turns import Turning
from portfolios.models import Portfolio

# As plain words: migrations keep them, and must not import today's code.
TURNINGS = [turning.value for turning in Turning]


class Watch(models.Model):
    """What a sleeping rule waits for: the band of one symbol, and perhaps an instant.

    Derived from the rule, so that one command can rebuild them all. A rule has a row for each
    symbol it needs (so that these symbols' quotes are kept fresh) and the instant on one of them.
    """

    action = models.ForeignKey(Action, models.CASCADE, related_name="watches", db_index=False)
    symbol = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: waits for an instant only
    below = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    above = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    volume_above = models.BigIntegerField(null=True, blank=True)
    turning = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: it waits for no turn
    turn_by = models.DecimalField(
        max_digits=18,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="How far the price must turn. Empty: its best price is kept, and wakes nobody.",
    )
    water_mark = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The water mark that it began to follow; by now an older one may stand for it.",
    )
    at = models.DateTimeField(null=True, blank=True)
    portfolio = models.ForeignKey(
        Portfolio,
        models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="Set where a change of the rule's portfolio must wake it, too.",
    )

    class Meta:
        db_table = "watches"
        verbose_name_plural = "watches"
        constraints = [
            models.UniqueConstraint(
                fields=["action", "symbol"], name="watches_one_a_symbol", nulls_distinct=False
            ),
            models.CheckConstraint(
                name="watches_turn_whole",
                condition=Q(turning__isnull=True, turn_by__isnull=True, water_mark__isnull=True)
                | Q(turning__in=TURNINGS, symbol__isnull=False, water_mark__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["symbol", "below"], name="watches_below_idx"),
            models.Index(fields=["symbol", "above"], name="watches_above_idx"),
            models.Index(
                fields=["symbol", "volume_above"],
                name="watches_volume_idx",
                condition=Q(volume_above__isnull=False),
            ),
            models.Index(
                fields=["symbol", "turning", "water_mark", "turn_by"],
                name="watches_turn_idx",
                condition=Q(turning__isnull=False),
            ),
            models.Index(fields=["at"], name="watches_at_idx", condition=Q(at__isnull=False)),
            models.Index(
                fields=["portfolio"],
                name="watches_portfolio_idx",
                condition=Q(portfolio__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol or 'no symbol'}: {self.below} .. {self.above}, {self.at}"


class WaterMark(models.Model):
    """The best price of a symbol since a moment: one row for all rules that follow it since then.

    The highest, where these rules wait for a fall, the lowest where they wait for a rise. A
    symbol's marks are a stack: a rule begins to follow at the newest, a newer one is never better
    than an older one, and a price that beats some of them merges those into the oldest of them. So
    a rule that began at mark n follows, of the marks that are left, the newest that is n or older.

    Not derived from the rules, but a part of their state, which is put into the rule when it wakes.
    """

    symbol = models.TextField()
    turning = models.TextField()
    price = models.DecimalField(max_digits=18, decimal_places=6)
    least = models.DecimalField(
        max_digits=18,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="The least turn that one of its rules waits for, or less.",
    )

    class Meta:
        db_table = "water_marks"
        constraints = [
            models.CheckConstraint(
                name="water_marks_turning_known", condition=Q(turning__in=TURNINGS)
            ),
        ]
        indexes = [
            models.Index(fields=["symbol", "turning", "id"], name="water_marks_stack_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.turning}: {self.price} (#{self.pk})"
