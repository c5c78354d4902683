"""What people asked the past."""

from django.contrib import admin
from django.utils.safestring import SafeString

from actions.admin.rules import SEARCHES
from actions.models import Backtest
from support.links import link
from support.readonly import ReadOnlyAdmin
from support.search import Places


@admin.register(Backtest)
class BacktestAdmin(ReadOnlyAdmin[Backtest]):
    list_display = ("created_at", "owner", "status", "progress", "cells", "sentence")
    list_filter = ("status", "created_at")
    list_select_related = ("user",)
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = SEARCHES
    exclude = ("bars", "found", "swept")  # as large as files

    @admin.display(description="owner")
    def owner(self, run: Backtest) -> SafeString | str:
        return link(run.user)
