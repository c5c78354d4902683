"""What rules did, and the ticks in which they did it."""

from django.contrib import admin
from django.utils.safestring import SafeString

from actions.admin.rules import SEARCHES, RuleRowAdmin
from actions.models import ActionExecution, Tick
from portfolios.models import Transaction
from support.links import link, list_link
from support.readonly import ReadOnlyAdmin
from support.search import Places


@admin.register(ActionExecution)
class ActionExecutionAdmin(RuleRowAdmin[ActionExecution]):
    list_display = ("triggered_at", "execution_status", "rehearsal", "summary", "rule", "owner")
    list_filter = ("execution_status", "rehearsal", "triggered_at")
    places = Places(
        ids=("pk", "action", "action__user"),
        people=("action__user",),
        symbols=("action__symbol",),
    )
    search_help_text = SEARCHES
    readonly_fields = ("rule", "owner", "summary", "transactions")
    fields = (
        "id",
        "rule",
        "owner",
        "sequence",
        "triggered_at",
        "execution_status",
        "rehearsal",
        "summary",
        "error",
        "transactions",
        "details",
        "idempotency_key",
    )

    @admin.display(description="what it did")
    def summary(self, execution: ActionExecution) -> str:
        return str(execution.details.get("summary", ""))

    @admin.display(description="owner")
    def owner(self, execution: ActionExecution) -> SafeString | str:
        return link(execution.action.user)

    @admin.display(description="transactions")
    def transactions(self, execution: ActionExecution) -> SafeString:
        return list_link(Transaction, "What it wrote to the ledger", q=str(execution.pk))


@admin.register(Tick)
class TickAdmin(ReadOnlyAdmin[Tick]):
    list_display = ("started_at", "duration", "symbols", "woken", "fired", "errors")
    list_filter = ("started_at",)
