"""A user's rule."""

import uuid
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from actions.registry import parse_effect, parse_trigger
from actions.rules import Rule, Status
from actions.sentence import sentence
from portfolios.models import Portfolio


class Action(models.Model):
    """A user's rule: what to do (`action_type`), when (`trigger_type`), and within which limits.

    `trigger_params` and `action_params` are the user's, `runtime_state` is the machine's.
    """

    class Statuses(models.TextChoices):
        ACTIVE = Status.ACTIVE.value, "Active"
        PAUSED = Status.PAUSED.value, "Paused"
        COMPLETED = Status.COMPLETED.value, "Completed"
        CANCELLED = Status.CANCELLED.value, "Cancelled"
        FAILED = Status.FAILED.value, "Failed"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="actions", db_index=False
    )
    portfolio = models.ForeignKey(
        Portfolio,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="actions",
        db_index=False,  # portfolios are never deleted, and rules are looked for by their user
        help_text="Empty: the user's primary portfolio.",
    )
    status = models.TextField(
        choices=Statuses, default=Statuses.ACTIVE, db_default=Statuses.ACTIVE.value
    )
    status_reason = models.TextField(
        blank=True, default="", db_default="", help_text="Why the rule has its status, in words."
    )
    action_type = models.TextField()
    symbol = models.TextField(null=True, blank=True)  # noqa: DJ001 - null, as specified: no symbol
    quantity = models.DecimalField(max_digits=28, decimal_places=8, null=True, blank=True)
    amount_usd = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    action_params = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), blank=True
    )
    trigger_type = models.TextField()
    trigger_params = models.JSONField()
    runtime_state = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text="What the trigger remembers between looks: a peak, whether it is armed.",
    )
    begun = models.BooleanField(
        null=True,
        help_text="Whether the trigger was given the state to start from, or waits for valid_from. "
        "Empty: a version wrote the rule that did not say so.",
    )
    valid_from = models.DateTimeField(null=True, blank=True, db_default=Now())
    valid_until = models.DateTimeField(null=True, blank=True)
    max_executions = models.IntegerField(
        null=True, blank=True, default=1, db_default=1, help_text="Empty: as often as it fires."
    )
    executions_count = models.IntegerField(default=0, db_default=0)
    cooldown_seconds = models.IntegerField(null=True, blank=True)
    last_triggered_at = models.DateTimeField(null=True, blank=True)
    last_evaluated_at = models.DateTimeField(null=True, blank=True)
    last_evaluation = models.JSONField(
        null=True,
        blank=True,
        help_text="What the last look found: the finding, its reason, the gate that refused.",
    )
    consecutive_failures = models.IntegerField(default=0, db_default=0)
    processing_lease_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Set while the rule is awake. Past: it waits for an evaluator. Future: one has "
        "it, and may fire it only while this very value stands.",
    )
    waking_quote = models.JSONField(
        null=True,
        blank=True,
        help_text="The quotes that woke the rule, on which it is judged; kept with the lease.",
    )
    rehearsal = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Watched, fired and told as any other, but nothing is traded.",
    )
    promoted_at = models.DateTimeField(
        null=True, blank=True, help_text="When a rehearsal became a rule that trades."
    )
    notes = models.TextField(null=True, blank=True)  # noqa: DJ001 - null, as specified
    external_id = models.TextField(  # noqa: DJ001 - null: its owner has not named it
        null=True,
        blank=True,
        help_text="The owner's own name for the rule, by which an import finds it again.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "actions"
        ordering = ("-created_at", "id")
        permissions = [  # of support; owners need none for their own
            ("pause_action", "Can pause somebody's rule"),
            ("resume_action", "Can resume somebody's rule"),
            ("cancel_action", "Can cancel somebody's rule"),
            ("rebuild_watches", "Can derive a rule's watches anew"),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "id"], name="actions_user_idx"),
            models.Index(fields=["-created_at", "id"], name="actions_newest_idx"),
            models.Index(fields=["status"], name="actions_status_idx"),
            models.Index(fields=["symbol"], name="actions_symbol_idx"),
            models.Index(fields=["trigger_type"], name="actions_trigger_idx"),
            # The specification's partial index compares with now(), which an index cannot; that a
            # rule has not expired is asked of the rows it finds.
            models.Index(
                fields=["valid_until"], name="actions_evaluable_idx", condition=Q(status="active")
            ),
            models.Index(
                fields=["valid_until"], name="actions_paused_idx", condition=Q(status="paused")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="actions_status_known", condition=Q(status__in=[s.value for s in Status])
            ),
            models.CheckConstraint(
                name="actions_trade_has_symbol",
                condition=~Q(action_type__in=["BUY", "SELL"]) | Q(symbol__isnull=False),
            ),
            models.CheckConstraint(
                name="actions_trade_has_one_size",
                condition=~Q(action_type__in=["BUY", "SELL"])
                | Q(quantity__isnull=False, amount_usd__isnull=True)
                | Q(quantity__isnull=True, amount_usd__isnull=False)
                | Q(
                    action_type="SELL",
                    quantity__isnull=True,
                    amount_usd__isnull=True,
                    action_params__has_key="fraction",
                ),
            ),
            models.CheckConstraint(
                name="actions_rebalance_has_targets",
                condition=~Q(action_type="REBALANCE")
                | Q(
                    action_params__has_key="targets",
                    symbol__isnull=True,
                    quantity__isnull=True,
                    amount_usd__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="actions_quantity_positive",
                condition=Q(quantity__isnull=True) | Q(quantity__gt=0),
            ),
            models.CheckConstraint(
                name="actions_amount_positive",
                condition=Q(amount_usd__isnull=True) | Q(amount_usd__gt=0),
            ),
            models.CheckConstraint(
                name="actions_max_executions_positive",
                condition=Q(max_executions__isnull=True) | Q(max_executions__gte=1),
            ),
            models.CheckConstraint(
                name="actions_executions_within_max",
                condition=Q(executions_count__gte=0)
                & (Q(max_executions__isnull=True) | Q(executions_count__lte=F("max_executions"))),
            ),
            models.CheckConstraint(
                name="actions_cooldown_not_negative",
                condition=Q(cooldown_seconds__isnull=True) | Q(cooldown_seconds__gte=0),
            ),
            models.CheckConstraint(
                name="actions_valid_span",
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gt=F("valid_from")),
            ),
            models.CheckConstraint(
                name="actions_promoted_is_real",
                condition=Q(promoted_at__isnull=True) | Q(rehearsal=False),
            ),
            models.UniqueConstraint(
                fields=["user", "external_id"],
                name="actions_external_id_unique",
                condition=Q(external_id__isnull=False),
            ),
            models.CheckConstraint(name="actions_external_id_given", condition=~Q(external_id="")),
            # A rule is awake with the quotes that woke it, or it is asleep with neither.
            models.CheckConstraint(
                name="actions_lease_with_quote",
                condition=Q(processing_lease_until__isnull=True, waking_quote__isnull=True)
                | Q(processing_lease_until__isnull=False, waking_quote__isnull=False),
            ),
            models.CheckConstraint(
                name="actions_awake_is_active",
                condition=Q(processing_lease_until__isnull=True) | Q(status="active"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action_type} {self.symbol or ''} {self.trigger_type} ({self.status})"

    def as_rule(self) -> Rule:
        """The rule as the pure core sees it. Raises InvalidRule when what is stored is not one."""
        sizes = {"quantity": self.quantity, "amount_usd": self.amount_usd}
        return Rule(
            id=self.id,
            symbol=self.symbol,
            trigger=parse_trigger(self.trigger_type, self.trigger_params),
            effect=parse_effect(
                self.action_type,
                sizes={name: size for name, size in sizes.items() if size is not None},
                params=self.action_params,
            ),
            valid_from=self.valid_from or self.created_at,
            valid_until=self.valid_until,
            status=Status(self.status),
            max_executions=self.max_executions,
            executions_count=self.executions_count,
            cooldown_seconds=self.cooldown_seconds,
            last_triggered_at=self.last_triggered_at,
            consecutive_failures=self.consecutive_failures,
            state=self.runtime_state,
            rehearsal=self.rehearsal,
        )

    def sentence(self, zone: ZoneInfo) -> str:
        """The rule in plain words, or what is wrong with it."""
        try:
            return sentence(self.as_rule(), zone)
        except ValueError as invalid:
            return f"This rule cannot be read: {invalid}"
