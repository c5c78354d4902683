"""Rules by the thousand: a file of those in the list; one that is looked at, and confirmed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.http import SignedIn, page_or_part, told
from actions.bulk.columns import COLUMNS
from actions.bulk.forms import RulesFile
from actions.bulk.imports import (
    ImportRefused,
    cancel_import,
    confirm_import,
    imports_of,
    open_import,
    owned_import,
    whole_report,
)
from actions.bulk.sending import go_on
from actions.bulk.writing import MEDIA_TYPES, written
from actions.models import RuleImport
from actions.pages.query import ListQuery

States = RuleImport.States
MOST_LISTED = 10
_WORDS: Mapping[str, str] = {
    "new": "new",
    "changed": "changed",
    "unchanged": "as they are",
    "error": "wrong",
}


class FileOfRules(forms.Form):
    """A file of rules, as somebody chooses it."""

    file = RulesFile()


@login_required
def export(request: SignedIn) -> StreamingHttpResponse:
    """The rules that the address asks for, as the list does, in a file; sent while it is read."""
    form = request.GET.get("format", "csv")
    if form not in MEDIA_TYPES:
        raise Http404("There is no such kind of file.")
    rules = ListQuery.of(request.GET).rules(request.user)
    answer = StreamingHttpResponse(
        written(rules, form=form, zone=request.user.zone), content_type=MEDIA_TYPES[form]
    )
    day = timezone.now().astimezone(request.user.zone).date()
    answer["Content-Disposition"] = f'attachment; filename="rules-{day}.{form}"'
    return answer


@login_required
def upload(request: SignedIn) -> HttpResponse:
    """Asks for a file, and keeps it: its own page says what it would do."""
    user, now = request.user, timezone.now()
    form = FileOfRules(request.POST, request.FILES) if request.method == "POST" else FileOfRules()
    if form.is_valid():
        file = form.cleaned_data["file"]
        held = open_import(user=user, content=file.read(), name=file.name or "", now=now)
        go_on(held, now)
        return redirect("action-import", held.pk)
    context = {
        "form": form,
        "imports": imports_of(user=user)[:MOST_LISTED],
        "columns": COLUMNS,
        "now": now,
        "zone": user.zone,
    }
    return render(request, "actions/bulk/upload.html", context)


@login_required
def import_page(request: SignedIn, import_id: UUID) -> HttpResponseBase:
    """What a file would do, or did; while it is looked at, how far that is."""
    held = _owned(request, import_id)
    context = {"held": held, "now": timezone.now(), "zone": request.user.zone, **shown(held)}
    return page_or_part(request, "actions/bulk/import.html", "live", context)


@login_required
@require_POST
def confirm(request: SignedIn, import_id: UUID) -> HttpResponse:
    """Does what the page has shown, once however often the button is pressed."""
    held, now = _owned(request, import_id), timezone.now()
    try:
        if confirm_import(user=request.user, import_id=held.pk, now=now):
            go_on(held, now)
    except ImportRefused as refused:
        messages.error(request, str(refused))
    return redirect("action-import", import_id)


@login_required
@require_POST
def cancel(request: SignedIn, import_id: UUID) -> HttpResponse:
    """Ends it; nothing of it is done."""
    held = _owned(request, import_id)
    try:
        cancel_import(user=request.user, import_id=held.pk, now=timezone.now())
    except ImportRefused as refused:
        messages.error(request, str(refused))
    else:
        told(request, "Cancelled. Nothing was changed.")
    return redirect("action-import", import_id)


@login_required
def report(request: SignedIn, import_id: UUID) -> HttpResponse:
    """The whole report, as a CSV file."""
    held = _owned(request, import_id)
    pieces = whole_report(user=request.user, import_id=held.pk)
    answer = HttpResponse(b"".join(pieces), content_type=MEDIA_TYPES["csv"])
    answer["Content-Disposition"] = 'attachment; filename="import-report.csv"'
    return answer


def shown(held: RuleImport) -> dict[str, Any]:
    """An import as its page tells it."""
    counts = [(words, held.counts.get(key, 0)) for key, words in _WORDS.items()]
    told_lines = sum(count for words, count in counts if words != _WORDS["unchanged"])
    return {
        "counts": counts,
        "at_work": held.state in (States.CHECKING, States.APPLYING),
        "may_confirm": held.state == States.CHECKED,
        "changes_anything": bool(held.counts.get("new") or held.counts.get("changed")),
        "more": told_lines - len(held.shown),
    }


def _owned(request: SignedIn, import_id: UUID) -> RuleImport:
    try:
        return owned_import(user=request.user, import_id=import_id)
    except RuleImport.DoesNotExist:
        raise Http404("There is no such import.") from None
