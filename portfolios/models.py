"""What people hold, and the ledger that says how it came about. Written by services.py alone."""

import uuid

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Round

from portfolios.ledger import Kind

# As plain words: migrations keep them, and must not import today's code.
KINDS = [kind.value for kind in Kind]
DEPOSIT, WITHDRAWAL, BUY, SELL, SPLIT = KINDS


class Portfolio(models.Model):
    """Cash and holdings that belong together."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="portfolios",
        db_index=False,  # a unique constraint's index begins with it, here and below
    )
    name = models.CharField(max_length=100)
    is_primary = models.BooleanField(
        default=False, db_default=False, help_text="The one that is meant when none is named."
    )
    cash = models.DecimalField(max_digits=20, decimal_places=2, default=0, db_default=0)
    # The ledger's last sequence number: taken under the row's lock, it leaves no gap.
    transactions_count = models.PositiveIntegerField(default=0, db_default=0)
    changed = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Written to since services.take_changed() was last asked.",
    )
    paused_by_owner = models.BooleanField(
        default=False, db_default=False, help_text="No rule of this portfolio fires."
    )
    paused_by_staff = models.BooleanField(
        default=False,
        db_default=False,
        help_text="As paused_by_owner, but only support lets it go on.",
    )
    # The owner's limits (limits.Limits); empty: none but the site's.
    order_least = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    order_most = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    day_executions = models.PositiveIntegerField(null=True, blank=True)
    day_usd = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    # What rules have traded on `counted_on` (limits.Day).
    counted_on = models.DateField(null=True, blank=True, editable=False)
    executions_counted = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    usd_counted = models.DecimalField(
        max_digits=20, decimal_places=2, default=0, db_default=0, editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        permissions = [("pause_portfolio", "Can pause all rules of a portfolio")]
        indexes = [
            models.Index(fields=["id"], condition=Q(changed=True), name="portfolio_changed_idx")
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="portfolio_name_unique"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(is_primary=True), name="portfolio_one_primary"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="portfolio_name_given"),
            models.CheckConstraint(condition=Q(cash__gte=0), name="portfolio_cash_not_negative"),
            models.CheckConstraint(
                condition=(Q(order_least__isnull=True) | Q(order_least__gt=0))
                & (Q(order_most__isnull=True) | Q(order_most__gt=0))
                & (Q(day_executions__isnull=True) | Q(day_executions__gt=0))
                & (Q(day_usd__isnull=True) | Q(day_usd__gt=0)),
                name="portfolio_limits_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PortfolioPause(
    pghistory.create_event_model(  # type: ignore[misc]  # its base is made by the library
        Portfolio,
        pghistory.UpdateEvent(
            "turned",
            trigger_name="turned",
            # The statements that write money name neither column, and pay nothing for this.
            operation=pgtrigger.UpdateOf("paused_by_owner", "paused_by_staff"),
            condition=pgtrigger.AnyChange("paused_by_owner", "paused_by_staff"),
        ),
        fields=["paused_by_owner", "paused_by_staff"],
        obj_field=pghistory.ObjForeignKey(related_name="+"),
        context_field=None,
        context_id_field=None,
    )
):
    """How the switches of a portfolio stood from an instant on, until its next row.

    Before its first row none was on. Written by a trigger of the database: nobody passes by it.
    """

    class Meta:
        ordering = ("pgh_id",)
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        paused = [
            who
            for who, did in (("the owner", self.paused_by_owner), ("support", self.paused_by_staff))
            if did
        ]
        return f"paused by {' and '.join(paused)}" if paused else "goes on"


class Holding(models.Model):
    """Shares of one instrument in a portfolio. What is sold to the last share has no row."""

    portfolio = models.ForeignKey(
        Portfolio, on_delete=models.PROTECT, related_name="holdings", db_index=False
    )
    instrument = models.ForeignKey(
        "market.Instrument",
        on_delete=models.PROTECT,
        related_name="+",
        db_column="symbol",
        db_index=False,
    )
    quantity = models.DecimalField(max_digits=28, decimal_places=8)
    cost_basis = models.DecimalField(
        max_digits=20, decimal_places=2, help_text="What the shares cost, in dollars."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "instrument"], name="holding_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="holding_quantity_positive"),
            models.CheckConstraint(
                condition=Q(cost_basis__gte=0), name="holding_cost_basis_not_negative"
            ),
        ]
        # Of its own: Django's would bring a second one for LIKE, which nobody asks of a symbol.
        indexes = [models.Index(fields=["instrument"], name="holding_symbol")]

    def __str__(self) -> str:
        return f"{self.quantity:f} {self.instrument_id}"


class Split(models.Model):
    """A split that holdings have been through: of each `old_shares` of an instrument came
    `new_shares`. The transactions that it led to refer to it."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    instrument = models.ForeignKey(
        "market.Instrument",
        on_delete=models.PROTECT,
        related_name="+",
        db_column="symbol",
        db_index=False,
    )
    on = models.DateField(help_text="The day in New York.")
    new_shares = models.PositiveIntegerField()
    old_shares = models.PositiveIntegerField()

    class Meta:
        constraints = [
            # What makes recording one twice harmless.
            models.UniqueConstraint(fields=["instrument", "on"], name="split_once_a_day"),
            models.CheckConstraint(
                condition=Q(new_shares__gt=0, old_shares__gt=0) & ~Q(new_shares=F("old_shares")),
                name="split_factor_splits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.new_shares}-for-{self.old_shares} on {self.on}"


class Transaction(models.Model):
    """One line of a portfolio's ledger. PostgreSQL refuses to change or delete it (a trigger).

    `quantity` and `amount` are signed as in `ledger.Entry`. The `_after` columns repeat what
    follows from the lines before, so that `verify_ledger` can say where a ledger went wrong.
    """

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    portfolio = models.ForeignKey(
        Portfolio, on_delete=models.PROTECT, related_name="transactions", db_index=False
    )
    sequence = models.PositiveIntegerField(help_text="1, 2, 3 ... within the portfolio.")
    kind = models.CharField(max_length=10, choices=[(kind, kind.capitalize()) for kind in KINDS])
    instrument = models.ForeignKey(
        "market.Instrument",
        on_delete=models.PROTECT,
        related_name="+",
        db_column="symbol",
        db_index=False,
        null=True,
        blank=True,
    )
    quantity = models.DecimalField(max_digits=28, decimal_places=8, null=True, blank=True)
    price = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    amount = models.DecimalField(
        max_digits=20, decimal_places=2, help_text="The effect on cash, in dollars."
    )
    cash_after = models.DecimalField(max_digits=20, decimal_places=2)
    quantity_after = models.DecimalField(max_digits=28, decimal_places=8, null=True, blank=True)
    cost_basis_after = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    reference = models.UUIDField(
        null=True, blank=True, help_text="What caused it, such as a rule's execution, or a split."
    )
    at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "sequence"], name="transaction_sequence_unique"
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=1), name="transaction_sequence_from_one"
            ),
            # Knows the kinds, too. Each NOT NULL in words: a check whose answer is NULL would pass.
            models.CheckConstraint(
                condition=Q(
                    kind__in=[DEPOSIT, WITHDRAWAL],
                    instrument__isnull=True,
                    quantity__isnull=True,
                    price__isnull=True,
                    quantity_after__isnull=True,
                    cost_basis_after__isnull=True,
                )
                | Q(
                    kind__in=[BUY, SELL],
                    instrument__isnull=False,
                    quantity__isnull=False,
                    price__isnull=False,
                    quantity_after__isnull=False,
                    cost_basis_after__isnull=False,
                )
                | Q(
                    kind=SPLIT,
                    instrument__isnull=False,
                    quantity__isnull=False,
                    price__isnull=True,
                    quantity_after__isnull=False,
                    cost_basis_after__isnull=False,
                    reference__isnull=False,
                ),
                name="transaction_columns_follow_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind=DEPOSIT, amount__gt=0)
                | Q(kind=WITHDRAWAL, amount__lt=0)
                | Q(kind=BUY, amount__lt=0, quantity__gt=0)
                | Q(kind=SELL, amount__gte=0, quantity__lt=0)
                | Q(kind=SPLIT, amount=0),  # more shares, or fewer, or dust that stays as it is
                name="transaction_signs_follow_kind",
            ),
            # numeric's round() goes half away from zero, as money.times does.
            models.CheckConstraint(
                condition=Q(price__isnull=True)
                | Q(amount=-Round(F("quantity") * F("price"), precision=2)),
                name="transaction_amount_is_quantity_times_price",
            ),
            models.CheckConstraint(
                condition=Q(cash_after__gte=0)
                & (Q(price__isnull=True) | Q(price__gt=0))
                & (Q(quantity_after__isnull=True) | Q(quantity_after__gte=0))
                & (Q(cost_basis_after__isnull=True) | Q(cost_basis_after__gte=0)),
                name="transaction_nothing_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["at"], name="transaction_at"),
            models.Index(fields=["instrument"], name="transaction_symbol"),  # as a holding's
            models.Index(
                fields=["reference"],
                condition=Q(reference__isnull=False),
                name="transaction_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.sequence} {self.kind} {self.instrument_id or ''}".rstrip()


class Wish(models.Model):
    """A person's wish that has been carried out once: the same form, sent again, does nothing.

    Written in the transaction of the ledger's line to which it led.
    """

    portfolio = models.ForeignKey(
        Portfolio, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    key = models.UUIDField(help_text="Of the form that was sent.")
    wanted = models.CharField(max_length=200, help_text="What was asked for.")
    transaction = models.OneToOneField(Transaction, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "wishes"
        constraints = [models.UniqueConstraint(fields=["portfolio", "key"], name="wish_once")]

    def __str__(self) -> str:
        return self.wanted
