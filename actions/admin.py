"""Rules and what they did, for support: looked at here, changed through the services only."""

from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from actions.history import history_of
from actions.models import (
    Action,
    ActionExecution,
    ActionHistory,
    Census,
    Delivery,
    Notification,
    Preferences,
    RuleDraft,
    Tick,
    TickGap,
    TickHour,
    Trouble,
    Waking,
    Watch,
    WaterMark,
)
from actions.sentence import in_zone
from actions.splits import record_split
from market.models import AnnouncedSplit
from market.services import SplitRefused


class ReadOnlyAdmin[M: Model](admin.ModelAdmin[M]):
    """Shows, and changes nothing. Counts no table that may be large."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class WatchInline(admin.TabularInline[Watch, Action]):
    model = Watch
    extra = 0
    can_delete = False
    fields = readonly_fields = ("symbol", "below", "above", "volume_above", "at")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Action)
class ActionAdmin(ReadOnlyAdmin[Action]):
    list_display = ("rule", "user", "status", "executions", "last_triggered_at")
    list_filter = ("status", "action_type", "trigger_type", "created_at")
    search_fields = ("=id", "=symbol", "user__username", "user__email", "notes")
    search_help_text = "Id, symbol, the owner's name or e-mail, notes"
    list_select_related = ("user",)
    date_hierarchy = None
    inlines = (WatchInline,)
    readonly_fields = ("history",)

    @admin.display(description="history")
    def history(self, action: Action) -> SafeString:
        """What was changed, newest first, in the owner's time zone."""
        zone = action.user.zone
        return format_html_join(
            "",
            "<p>{}, {}: {} {}</p>",
            (
                (in_zone(change.at, zone), change.who, " ".join(change.what), change.why)
                for change in history_of(action=action, zone=zone)
            ),
        )

    @admin.display(description="rule")
    def rule(self, action: Action) -> str:
        return action.sentence(action.user.zone)

    @admin.display(description="executions", ordering="executions_count")
    def executions(self, action: Action) -> str:
        most = action.max_executions
        return f"{action.executions_count} of {'any' if most is None else most}"


@admin.register(ActionHistory)
class ActionHistoryAdmin(ReadOnlyAdmin[ActionHistory]):
    """What rules were before they were changed; a rule's own page tells it in words."""

    list_display = ("pgh_created_at", "pgh_obj_id", "pgh_label", "status", "pgh_context")
    list_filter = ("pgh_label", "pgh_created_at")
    search_fields = ("=pgh_obj__id", "=symbol", "pgh_obj__user__username")
    search_help_text = "The rule's id, symbol, the owner's name"


@admin.register(ActionExecution)
class ActionExecutionAdmin(ReadOnlyAdmin[ActionExecution]):
    list_display = ("triggered_at", "execution_status", "summary", "owner", "sequence")
    list_filter = ("execution_status", "triggered_at", "action__action_type")
    search_fields = ("=id", "=action__id", "=action__symbol", "action__user__email")
    search_help_text = "Id, the rule's id, symbol, the owner's e-mail"
    list_select_related = ("action__user",)

    @admin.display(description="what it did")
    def summary(self, execution: ActionExecution) -> str:
        return str(execution.details.get("summary", ""))

    @admin.display(description="owner")
    def owner(self, execution: ActionExecution) -> str:
        return str(execution.action.user)


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin[Watch]):
    list_display = (
        "action",
        "symbol",
        "below",
        "above",
        "volume_above",
        "turning",
        "turn_by",
        "at",
    )
    search_fields = ("=action__id", "=symbol")
    list_select_related = ("action",)


@admin.register(WaterMark)
class WaterMarkAdmin(ReadOnlyAdmin[WaterMark]):
    list_display = ("symbol", "turning", "price", "least")
    list_filter = ("turning",)
    search_fields = ("=symbol",)


@admin.register(Waking)
class WakingAdmin(ReadOnlyAdmin[Waking]):
    list_display = ("action", "until", "looked_at")
    list_select_related = ("action",)
    search_fields = ("=action__id", "action__user__username")
    ordering = ("until",)


@admin.register(RuleDraft)
class RuleDraftAdmin(ReadOnlyAdmin[RuleDraft]):
    list_display = ("updated_at", "user", "action", "made", "revision")
    list_select_related = ("user", "action", "made")
    search_fields = ("=id", "user__username", "user__email")
    ordering = ("-updated_at",)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin[Notification]):
    list_display = ("created_at", "user", "kind", "subject", "email", "webhook", "read_at")
    list_filter = ("kind", "created_at")
    search_fields = ("=id", "=action__id", "user__username", "user__email", "subject")
    list_select_related = ("user", "email", "webhook")


class LetterInline(admin.TabularInline[Notification, Delivery]):
    model = Notification
    fk_name = "email"
    verbose_name_plural = "notifications that this e-mail carries"
    extra = 0
    can_delete = False
    fields = readonly_fields = ("created_at", "kind", "subject")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class CallInline(LetterInline):
    fk_name = "webhook"
    verbose_name_plural = "notification that this webhook call carries"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    list_display = (
        "created_at",
        "user",
        "channel",
        "state",
        "attempts",
        "next_attempt_at",
        "sent_at",
        "last_error",
    )
    list_filter = ("channel", "state", "created_at")
    search_fields = ("=id", "user__username", "user__email", "last_error")
    list_select_related = ("user",)
    inlines = (LetterInline, CallInline)


@admin.register(Preferences)
class PreferencesAdmin(ReadOnlyAdmin[Preferences]):
    list_display = ("user", "email_on", "quiet_from", "quiet_until", "webhook_on")
    list_filter = ("email_on", "webhook_on")
    search_fields = ("user__username", "user__email")
    list_select_related = ("user",)
    # Not the address, which may carry a key, and never the secret: both are the owner's.
    fields = ("user", "email_on", "quiet_from", "quiet_until", "webhook_on")


@admin.register(Tick)
class TickAdmin(ReadOnlyAdmin[Tick]):
    list_display = ("started_at", "duration", "symbols", "woken", "fired", "errors")
    list_filter = ("started_at",)


@admin.register(Census)
class CensusAdmin(ReadOnlyAdmin[Census]):
    list_display = ("counted_at", "counts")


@admin.register(TickHour)
class TickHourAdmin(ReadOnlyAdmin[TickHour]):
    list_display = ("hour", "ticks", "woken", "fired", "faults", "longest", "longest_pause")
    list_filter = ("hour",)


@admin.register(TickGap)
class TickGapAdmin(ReadOnlyAdmin[TickGap]):
    list_display = ("since", "until")
    list_filter = ("since",)


@admin.register(Trouble)
class TroubleAdmin(ReadOnlyAdmin[Trouble]):
    list_display = ("kind", "bad_since", "good_since", "is_told", "words")


class AnnouncedSplitForm(forms.ModelForm[AnnouncedSplit]):
    class Meta:
        model = AnnouncedSplit
        fields = ("instrument", "on", "new_shares", "old_shares")
        help_texts = {"new_shares": "So many new shares...", "old_shares": "... for so many old."}

    def clean(self) -> dict[str, Any]:
        """Rehearses it: what cannot be recorded is said in the form, and nothing is kept."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            with transaction.atomic():
                try:
                    recorded(cleaned, source="support")
                except SplitRefused as refused:
                    self.add_error(None, str(refused))
                transaction.set_rollback(True)
        return cleaned


def recorded(split: dict[str, Any], *, source: str) -> None:
    """Records the split that a form describes."""
    record_split(
        symbol=split["instrument"].symbol,
        factor=Fraction(split["new_shares"], split["old_shares"]),
        on=split["on"],
        now=timezone.now(),
        source=source,
    )


@admin.register(AnnouncedSplit)
class AnnouncedSplitAdmin(ReadOnlyAdmin[AnnouncedSplit]):
    """Support records a split here; holdings, rules and prices follow when its day has begun."""

    form = AnnouncedSplitForm
    list_display = ("on", "instrument", "new_shares", "old_shares", "source", "applied_at")
    list_select_related = ("instrument",)
    search_fields = ("=instrument__symbol",)
    ordering = ("-on", "instrument")
    raw_id_fields = ("instrument",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("market.add_announcedsplit")

    def save_model(
        self,
        request: HttpRequest,
        obj: AnnouncedSplit,
        form: forms.ModelForm[AnnouncedSplit],
        change: bool,
    ) -> None:
        recorded(form.cleaned_data, source=f"support: {request.user.get_username()}")
        obj.pk = AnnouncedSplit.objects.get(instrument=obj.instrument, on=obj.on).pk
