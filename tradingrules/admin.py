"""The log of what was done in the admin."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from support.readonly import ReadOnlyAdmin


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin[LogEntry]):
    """What was done in the admin, to what, by whom and why."""

    list_display = ("action_time", "user", "content_type", "object_repr", "what")
    list_select_related = ("user", "content_type")
    list_filter = ("action_time",)
    ordering = ("-action_time", "-pk")

    @admin.display(description="what")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message()
