from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from market.incidents import believe_move
from market.models import (
    DailyBar,
    FeedAsk,
    FeedBudget,
    FeedIncident,
    FeedStream,
    Instrument,
    Look,
    PastQuote,
    Quote,
    QuoteGap,
    ReplayRun,
    SessionRange,
)


class ReadOnlyAdmin[M: models.Model](admin.ModelAdmin[M]):
    """For what only the evaluator and the commands may write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin[Instrument]):
    list_display = ("symbol", "name", "exchange", "currency", "is_active")
    list_filter = ("is_active", "exchange", "currency")
    search_fields = ("symbol", "name")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Instrument | None = None
    ) -> tuple[str, ...]:
        # Saved under another symbol it would be another instrument, and this one would stay.
        return ("symbol",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Instrument | None = None) -> bool:
        return False  # rules name it: make it inactive, and it is offered no more


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin[Quote]):
    list_display = (
        "instrument_id",
        "price",
        "previous_close",
        "volume",
        "as_of",
        "received_at",
        "note",
        "alert_below",
        "alert_above",
        "alert_volume",
    )
    list_filter = ("provider", "interpolated", ("price", admin.EmptyFieldListFilter))
    search_fields = ("instrument__symbol", "instrument__name")
    ordering = ("instrument",)


@admin.register(FeedIncident)
class FeedIncidentAdmin(ReadOnlyAdmin[FeedIncident]):
    """What is wrong with the feed, first what is still open."""

    list_display = ("instrument_id", "kind", "verdict", "reason", "first_at", "times", "settled_at")
    list_filter = (("settled_at", admin.EmptyFieldListFilter), "verdict", "kind", "provider")
    search_fields = ("=instrument__symbol", "reason")
    ordering = ("-settled_at", "-first_at")
    actions = ("believe",)

    @admin.action(description="Say that it is no split", permissions=["believe"])
    def believe(self, request: HttpRequest, incidents: QuerySet[FeedIncident]) -> None:
        doubted = {one.instrument_id for one in incidents if one.instrument_id is not None}
        count = believe_move(symbols=doubted)
        words = f"{count} prices are accepted as soon as the feed confirms them."
        self.message_user(request, words, messages.SUCCESS)

    def has_believe_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("market.believe_move")


@admin.register(FeedBudget)
class FeedBudgetAdmin(ReadOnlyAdmin[FeedBudget]):
    list_display = ("provider", "in_minute", "on_day", "day", "blocked_until", "blocked_because")


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin[Look]):
    list_display = ("instrument_id", "at")


@admin.register(FeedAsk)
class FeedAskAdmin(ReadOnlyAdmin[FeedAsk]):
    list_display = ("instrument_id", "subject", "answered_at", "pending_until", "not_before")
    list_filter = ("subject",)
    search_fields = ("=instrument__symbol",)


@admin.register(FeedStream)
class FeedStreamAdmin(ReadOnlyAdmin[FeedStream]):
    list_display = ("provider", "connected_at", "alive_at", "symbols", "words")


@admin.register(SessionRange)
class SessionRangeAdmin(ReadOnlyAdmin[SessionRange]):
    list_display = ("instrument_id", "opened", "low", "high")
    search_fields = ("=instrument__symbol",)
    ordering = ("-opened",)


@admin.register(QuoteGap)
class QuoteGapAdmin(ReadOnlyAdmin[QuoteGap]):
    list_display = ("instrument_id", "since", "until", "reason")
    list_filter = (("until", admin.EmptyFieldListFilter), "since")
    search_fields = ("=instrument__symbol", "reason")
    ordering = ("-since",)


@admin.register(PastQuote)
class PastQuoteAdmin(ReadOnlyAdmin[PastQuote]):
    list_display = ("instrument_id", "as_of", "price")
    search_fields = ("=instrument__symbol",)
    ordering = ("-as_of",)


@admin.register(DailyBar)
class DailyBarAdmin(ReadOnlyAdmin[DailyBar]):
    list_display = ("instrument_id", "session", "open", "high", "low", "close", "volume")
    list_filter = ("instrument",)
    search_fields = ("instrument__symbol",)
    date_hierarchy = "session"
    ordering = ("-session", "instrument")


@admin.register(ReplayRun)
class ReplayRunAdmin(ReadOnlyAdmin[ReplayRun]):
    """Started with `manage.py replay`, which also forgets the prices of the one before."""

    list_display = ("id", "started_at", "first_session", "session_seconds")
    list_filter = ("started_at",)
    search_fields = ("first_session",)
    ordering = ("-id",)
