from django.contrib import admin
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
    ReplayRun,
    SessionRange,
)
from support.interventions import InterveningAdmin, Mandate, Refused, intervention
from support.readonly import ReadOnlyAdmin
from support.search import Places


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
class FeedIncidentAdmin(InterveningAdmin[FeedIncident]):
    """What is wrong with the feed, first what is still open."""

    list_display = ("instrument_id", "kind", "verdict", "reason", "first_at", "times", "settled_at")
    list_filter = (("settled_at", admin.EmptyFieldListFilter), "verdict", "kind", "provider")
    search_fields = ("=instrument__symbol", "reason")
    ordering = ("-settled_at", "-first_at")
    actions = ("believe",)

    @intervention(
        "Say that it is no split",
        permission="market.believe_move",
        effect="The price that is held is accepted as soon as the feed confirms it, and the rules "
        "on the symbol find a fresh quote again.",
    )
    def believe(self, incident: FeedIncident, mandate: Mandate) -> None:
        symbol = incident.instrument_id
        if symbol is None or not believe_move(symbols=[symbol]):
            raise Refused("no price of it is held.")


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
    places = Places(symbols=("instrument",))
    search_help_text = "A symbol."
    ordering = ("instrument", "-opened")


@admin.register(PastQuote)
class PastQuoteAdmin(ReadOnlyAdmin[PastQuote]):
    list_display = ("instrument_id", "as_of", "price")
    places = Places(symbols=("instrument",))
    search_help_text = "A symbol."
    ordering = ("instrument", "-as_of")


@admin.register(DailyBar)
class DailyBarAdmin(ReadOnlyAdmin[DailyBar]):
    list_display = ("instrument_id", "session", "open", "high", "low", "close", "volume")
    places = Places(symbols=("instrument",))
    search_help_text = "A symbol."
    ordering = ("instrument", "-session")


@admin.register(ReplayRun)
class ReplayRunAdmin(ReadOnlyAdmin[ReplayRun]):
    """Started with `manage.py replay`, which also forgets the prices of the one before."""

    list_display = ("id", "started_at", "first_session", "session_seconds")
    list_filter = ("started_at",)
    search_fields = ("first_session",)
    ordering = ("-id",)
