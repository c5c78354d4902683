"""Files of rules that support imports for their owner."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from actions.admin.rules import SEARCHES
from actions.bulk.forms import RulesFile
from actions.bulk.imports import ImportRefused, cancel_import, confirm_import, open_import
from actions.bulk.sending import go_on
from actions.models import RuleImport
from support.links import link
from support.readonly import ReadOnlyAdmin
from support.search import Places


class FileForOwner(forms.ModelForm[RuleImport]):
    """A file of rules that support imports for their owner."""

    reason = forms.CharField(max_length=500, help_text="Why you import them; the owner sees it.")
    file = RulesFile()

    class Meta:
        model = RuleImport
        fields = ("user", "reason")


@admin.register(RuleImport)
class RuleImportAdmin(ReadOnlyAdmin[RuleImport]):
    """Support imports rules here for their owner: the file is looked at first, then confirmed."""

    form = FileForOwner
    list_display = ("created_at", "owner", "by", "state", "counts", "reason")
    list_filter = ("state", "created_at")
    list_select_related = ("user", "by")
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = SEARCHES
    raw_id_fields = ("user",)
    readonly_fields = ("lines",)
    actions = ("import_them", "cancel_them")

    @admin.display(description="owner")
    def owner(self, held: RuleImport) -> SafeString | str:
        return link(held.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleImport]:
        return super().get_queryset(request).defer("content", "report", "edits")

    def get_fields(self, request: HttpRequest, obj: RuleImport | None = None) -> Any:
        if obj is None:
            return ("user", "reason", "file")
        return (
            *("user", "by", "reason", "name", "size", "state", "note", "rules", "progress"),
            *("counts", "lines", "created_at", "updated_at"),
        )

    @admin.display(description="lines")
    def lines(self, held: RuleImport) -> SafeString:
        """The first lines of the report."""
        return format_html_join(
            "",
            "<p>Line {}, {}: {}. {}</p>",
            (
                (
                    line["line"],
                    line["external_id"] or "no name",
                    line["outcome"],
                    " ".join(
                        [
                            ", ".join(line["changes"]),
                            *(f"{each['column']}: {each['message']}" for each in line["errors"]),
                        ]
                    ),
                )
                for line in held.shown
            ),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_import_permission(request)

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("actions.import_rules")

    def save_model(
        self,
        request: HttpRequest,
        obj: RuleImport,
        form: forms.ModelForm[RuleImport],
        change: bool,
    ) -> None:
        now = timezone.now()
        file = form.cleaned_data["file"]
        held = open_import(
            user=form.cleaned_data["user"],
            content=file.read(),
            name=file.name or "",
            by=request.user if isinstance(request.user, User) else None,
            reason=form.cleaned_data["reason"],
            now=now,
        )
        go_on(held, now)
        obj.pk = held.pk

    def response_add(
        self, request: HttpRequest, obj: RuleImport, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, "Nothing is changed yet. Look at its lines, then confirm it.")
        return redirect("admin:actions_ruleimport_change", obj.pk)

    @admin.action(description="Import what these have shown", permissions=["import"])
    def import_them(self, request: HttpRequest, imports: QuerySet[RuleImport]) -> None:
        for held in imports:
            try:
                if confirm_import(user=held.user, import_id=held.pk, now=timezone.now()):
                    go_on(held, timezone.now())
            except ImportRefused as refused:
                self.message_user(request, f"{held}: {refused}", level=messages.ERROR)

    @admin.action(description="Cancel these imports", permissions=["import"])
    def cancel_them(self, request: HttpRequest, imports: QuerySet[RuleImport]) -> None:
        for held in imports:
            try:
                cancel_import(user=held.user, import_id=held.pk, now=timezone.now())
            except ImportRefused as refused:
                self.message_user(request, f"{held}: {refused}", level=messages.ERROR)
