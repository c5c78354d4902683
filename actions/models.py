"""The rules, what they did, what they wait for, and what is still to be told."""

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
from portfolios.models import Portfolio, Transaction


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
    notes = models.TextField(null=True, blank=True)  # noqa: DJ001 - null, as specified
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "actions"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="actions_user_idx"),
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
            models.Index(
                fields=["processing_lease_until"],
                name="actions_awake_idx",
                condition=Q(processing_lease_until__isnull=False),
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
        )

    def sentence(self, zone: ZoneInfo) -> str:
        """The rule in plain words, or what is wrong with it."""
        try:
            return sentence(self.as_rule(), zone)
        except ValueError as invalid:
            return f"This rule cannot be read: {invalid}"


class ActionExecution(models.Model):
    """One recorded firing, successful or refused. Never changed afterwards."""

    class Statuses(models.TextChoices):
        SUCCESS = "success", "Success"
        FAILED = "failed", "Failed"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    action = models.ForeignKey(Action, models.PROTECT, related_name="executions", db_index=False)
    sequence = models.PositiveIntegerField(help_text="1 for the rule's first firing, and so on.")
    triggered_at = models.DateTimeField(db_default=Now())
    execution_status = models.TextField(choices=Statuses)
    details = models.JSONField(
        help_text="What was seen and done: the rule, the quotes, the reason, the trades, the cash."
    )
    transaction = models.ForeignKey(
        Transaction,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The (first) transaction it made.",
    )
    error = models.TextField(null=True, blank=True)  # noqa: DJ001 - null, as specified
    idempotency_key = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: fired by itself

    class Meta:
        db_table = "action_executions"
        ordering = ("-triggered_at", "-sequence")
        indexes = [models.Index(fields=["-triggered_at"], name="executions_latest_idx")]
        constraints = [
            # Serves look-ups by action as well: its leading column is the action.
            models.UniqueConstraint(fields=["action", "sequence"], name="executions_once"),
            models.UniqueConstraint(
                fields=["action", "idempotency_key"], name="executions_idempotent"
            ),
            models.CheckConstraint(
                name="executions_status_known",
                condition=Q(execution_status__in=["success", "failed"]),
            ),
            models.CheckConstraint(
                name="executions_failed_has_error",
                condition=Q(execution_status="success", error__isnull=True)
                | Q(execution_status="failed", error__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.execution_status} #{self.sequence} of {self.action_id}"


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


class Notification(models.Model):
    """Something to tell a user, written in the transaction that gave cause for it.

    An in-app one is told by being there. An e-mail is sent from its row and may, after a crash,
    be sent twice with the same id; it is never lost.
    """

    class Channels(models.TextChoices):
        IN_APP = "in_app", "In the app"
        EMAIL = "email", "E-mail"

    class States(models.TextChoices):
        PENDING = "pending", "To be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notifications", db_index=False
    )
    execution = models.ForeignKey(
        ActionExecution, models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    action = models.ForeignKey(
        Action, models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    channel = models.TextField(choices=Channels)
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField()
    state = models.TextField(choices=States, default=States.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(
        null=True, blank=True, help_text="When it may be sent (again). Empty: it is settled."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notifications"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notifications_user_idx"),
            models.Index(
                fields=["next_attempt_at"],
                name="notifications_due_idx",
                condition=Q(state="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.user_id}: {self.subject}"


class Tick(models.Model):
    """One look at the market: proof of what was watched, and when."""

    started_at = models.DateTimeField()
    duration = models.DurationField()
    symbols = models.PositiveIntegerField(help_text="How many symbols had a quote to judge by.")
    woken = models.PositiveIntegerField()
    fired = models.PositiveIntegerField()
    errors = models.JSONField(default=list, help_text="What went wrong, a line each.")

    class Meta:
        db_table = "ticks"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["-started_at"], name="ticks_latest_idx")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}: {self.woken} woken, {self.fired} fired"
