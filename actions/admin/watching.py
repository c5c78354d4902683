"""How the site watched: ticks, the hours of old ones, the pauses between them, and troubles."""

from django.contrib import admin

from actions.models import Census, Tick, TickGap, TickHour, Trouble
from support.readonly import ReadOnlyAdmin


@admin.register(Tick)
class TickAdmin(ReadOnlyAdmin[Tick]):
    list_display = ("started_at", "duration", "symbols", "woken", "fired", "errors")
    list_filter = ("started_at",)


@admin.register(TickHour)
class TickHourAdmin(ReadOnlyAdmin[TickHour]):
    list_display = ("hour", "ticks", "woken", "fired", "faults", "longest", "longest_pause")
    list_filter = ("hour",)


@admin.register(TickGap)
class TickGapAdmin(ReadOnlyAdmin[TickGap]):
    list_display = ("since", "until")
    list_filter = ("since",)


@admin.register(Census)
class CensusAdmin(ReadOnlyAdmin[Census]):
    list_display = ("counted_at", "counts")


@admin.register(Trouble)
class TroubleAdmin(ReadOnlyAdmin[Trouble]):
    list_display = ("kind", "bad_since", "good_since", "is_told", "words")
