"""Splits that are announced: support records one that the feed does not tell of."""

from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from actions.splits import record_split
from market.models import AnnouncedSplit
from market.services import SplitRefused
from support.readonly import ReadOnlyAdmin
from support.search import Places


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
    places = Places(symbols=("instrument",))
    search_help_text = "A symbol."
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
