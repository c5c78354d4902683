"""Rules, what they wait for, and what became of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from actions.bulk.writing import MEDIA_TYPES, written
from actions.dossier import dossier_of
from actions.history import Support
from actions.lifecycle import TransitionRefused
from actions.models import (
    Action,
    ActionExecution,
    ActionHistory,
    Notification,
    RuleDraft,
    Waking,
    Watch,
    WaterMark,
)
from actions.parts import InvalidRule
from actions.rebuild import rebuild_watches_of
from actions.registry import trigger_types
from actions.services import cancel_action, pause_action, resume_action
from support.interventions import InterveningAdmin, Mandate, Refused, intervention
from support.links import link, list_url
from support.readonly import ReadOnlyAdmin
from support.search import Places

SEARCHES = "An id or how it begins, how the owner's name or e-mail begins, or a symbol."


class TriggerFilter(admin.SimpleListFilter):
    """By the kinds of triggers that there are: to ask for those of the table would read it."""

    title = "trigger"
    parameter_name = "trigger_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(key, trigger.title) for key, trigger in trigger_types().items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(trigger_type=self.value()) if self.value() else queryset


class RuleRowAdmin[M: Model](ReadOnlyAdmin[M]):
    """Rows that each belong to one rule: lists them with its sentence."""

    list_select_related: ClassVar[tuple[str, ...]] = ("action__user",)

    @admin.display(description="rule")
    def rule(self, row: Any) -> SafeString | str:
        return rule_link(row.action)


def rule_link(action: Action | None) -> SafeString | str:
    """A link to the rule's page that says its sentence; its user must be at hand."""
    return link(action, action.sentence(action.user.zone) if action else None)


@contextmanager
def refusals() -> Iterator[None]:
    """Has support read why the rule stays as it was."""
    try:
        yield
    except TransitionRefused as refused:
        raise Refused(str(refused)) from refused
    except InvalidRule as invalid:
        raise Refused(" ".join(invalid.errors.values())) from invalid


@admin.register(Action)
class ActionAdmin(InterveningAdmin[Action]):
    list_display = ("rule", "owner", "status", "rehearsal", "executions", "last_triggered_at")
    list_filter = ("status", "rehearsal", TriggerFilter, "created_at")
    list_select_related = ("user",)
    places = Places(ids=("pk", "user"), people=("user",), symbols=("symbol",))
    search_help_text = SEARCHES
    actions = ("export_csv", "pause", "resume", "cancel", "rebuild")
    change_form_template = "admin/rule.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "id",
                    "user",
                    "portfolio",
                    "status",
                    "status_reason",
                    "rehearsal",
                    "notes",
                )
            },
        ),
        (
            "As it is stored",
            {
                "classes": ("collapse",),
                "fields": (
                    "action_type",
                    "symbol",
                    "quantity",
                    "amount_usd",
                    "action_params",
                    "trigger_type",
                    "trigger_params",
                    "runtime_state",
                    "begun",
                    "valid_from",
                    "valid_until",
                    "max_executions",
                    "executions_count",
                    "cooldown_seconds",
                    "consecutive_failures",
                    "last_triggered_at",
                    "last_evaluated_at",
                    "last_evaluation",
                    "processing_lease_until",
                    "waking_quote",
                    "promoted_at",
                    "created_at",
                    "updated_at",
                ),
            },
        ),
    )

    @admin.action(description="Export these rules as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, rules: QuerySet[Action]) -> StreamingHttpResponse:
        zone = request.user.zone if isinstance(request.user, User) else ZoneInfo("UTC")
        return StreamingHttpResponse(
            written(rules, form="csv", zone=zone),
            content_type=MEDIA_TYPES["csv"],
            headers={"Content-Disposition": 'attachment; filename="rules.csv"'},
        )

    @admin.display(description="rule")
    def rule(self, action: Action) -> str:
        return self.named(action)

    @admin.display(description="owner")
    def owner(self, action: Action) -> SafeString | str:
        return link(action.user)

    @admin.display(description="executions")
    def executions(self, action: Action) -> str:
        most = action.max_executions
        return f"{action.executions_count} of {'any' if most is None else most}"

    def named(self, row: Action) -> str:
        return row.sentence(row.user.zone)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Action | None = None,
    ) -> HttpResponse:
        """With all that answers why the rule did or did not fire."""
        if obj is not None:
            of_rule = {"q": str(obj.pk)}
            context |= {
                "dossier": dossier_of(action=obj, now=timezone.now()),
                "executions_url": list_url(ActionExecution, **of_rule),
                "notifications_url": list_url(Notification, **of_rule),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    @intervention(
        "Pause",
        permission="actions.pause_action",
        effect="The rules sleep until they are resumed: by support, or by their owners. "
        "Each owner reads the reason.",
    )
    def pause(self, action: Action, mandate: Mandate) -> None:
        with refusals():
            pause_action(
                user=action.user, action_id=action.pk, now=mandate.now, support=_support(mandate)
            )

    @intervention(
        "Resume",
        permission="actions.resume_action",
        effect="The rules go on. Their triggers start anew: peaks and crossings are forgotten. "
        "Each owner reads the reason.",
    )
    def resume(self, action: Action, mandate: Mandate) -> None:
        with refusals():
            resume_action(
                user=action.user, action_id=action.pk, now=mandate.now, support=_support(mandate)
            )

    @intervention(
        "Cancel",
        permission="actions.cancel_action",
        effect="The rules end for good. Each owner reads the reason.",
    )
    def cancel(self, action: Action, mandate: Mandate) -> None:
        with refusals():
            cancel_action(
                user=action.user, action_id=action.pk, now=mandate.now, support=_support(mandate)
            )

    @intervention(
        "Rebuild watches",
        permission="actions.rebuild_watches",
        effect="What wakes the rules is derived from them anew. That changes nothing of what they "
        "mean, and nothing at all where it is as derived already.",
    )
    def rebuild(self, action: Action, mandate: Mandate) -> None:
        if not rebuild_watches_of(action=action, now=mandate.now).rules:
            raise Refused("it is awake, or not active, and has no watches to rebuild.")


def _support(mandate: Mandate) -> Support:
    return Support(cast("User", mandate.staff), mandate.reason)


@admin.register(ActionHistory)
class ActionHistoryAdmin(ReadOnlyAdmin[ActionHistory]):
    """What rules were before they were changed; a rule's own page tells it in words."""

    list_display = ("pgh_created_at", "rule", "pgh_label", "status", "pgh_context")
    list_select_related = ("pgh_obj__user",)
    ordering = ("-pgh_id",)
    places = Places(ids=("pgh_obj", "pgh_obj__user"), people=("pgh_obj__user",))
    search_help_text = "The rule's id or how it begins, or how the owner's name or e-mail begins."

    @admin.display(description="rule, as it is now")
    def rule(self, row: ActionHistory) -> SafeString | str:
        return rule_link(row.pgh_obj)


@admin.register(Watch)
class WatchAdmin(RuleRowAdmin[Watch]):
    list_display = (
        "id",
        "rule",
        "symbol",
        "below",
        "above",
        "volume_above",
        "turning",
        "turn_by",
        "at",
    )
    ordering = ("-pk",)
    places = Places(ids=("action", "action__user"), people=("action__user",), symbols=("symbol",))
    search_help_text = SEARCHES


@admin.register(WaterMark)
class WaterMarkAdmin(ReadOnlyAdmin[WaterMark]):
    list_display = ("symbol", "turning", "price", "least")
    places = Places(symbols=("symbol",))
    search_help_text = "A symbol."
    ordering = ("symbol", "turning", "pk")


@admin.register(Waking)
class WakingAdmin(RuleRowAdmin[Waking]):
    list_display = ("id", "rule", "until")
    exclude = ("looked_at",)
    places = Places(ids=("action", "action__user"), people=("action__user",))
    search_help_text = "A rule's id or how it begins, or how the owner's name or e-mail begins."
    ordering = ("until",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Waking]:
        """Without `looked_at`: for a rule that nobody has looked at it is no instant of Python."""
        return super().get_queryset(request).defer("looked_at")


@admin.register(RuleDraft)
class RuleDraftAdmin(ReadOnlyAdmin[RuleDraft]):
    list_display = ("updated_at", "user", "edits", "became", "revision")
    list_select_related = ("user", "action__user", "made__user")
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = "An id or how it begins, or how the owner's name or e-mail begins."
    ordering = ("-updated_at",)

    @admin.display(description="edits")
    def edits(self, draft: RuleDraft) -> SafeString | str:
        return rule_link(draft.action)

    @admin.display(description="became")
    def became(self, draft: RuleDraft) -> SafeString | str:
        return rule_link(draft.made)
