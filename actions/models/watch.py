"""What sleeping rules wait for."""

from django.db import models
from django.db.models import Q

from actions.models.action import Action
from portfolios.models import Portfolio


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
        ]
        indexes = [
            models.Index(fields=["symbol", "below"], name="watches_below_idx"),
            models.Index(fields=["symbol", "above"], name="watches_above_idx"),
            models.Index(
                fields=["symbol", "volume_above"],
                name="watches_volume_idx",
                condition=Q(volume_above__isnull=False),
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
