"""What support may do to rows: each with a permission of its own, and a reason that is kept.

Chosen in the list or on the row's page, an intervention first asks for the reason on a page of its
own, then is carried out row by row, each in a transaction with its line in the admin's log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from support.links import list_url, row_url
from support.readonly import QuickAdmin, ReadOnlyAdmin

MOST_AT_ONCE = 100
LONGEST_REASON = 200
# A form names what it asks for by one of these: in a list, and on a row's page.
_CHOICES = ("action", f"{ActionLocation.CHANGE_FORM.value}-action")


class Refused(Exception):
    """A row stays as it was: says why, in words for support."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who of the staff wants it, why, and when."""

    staff: AbstractUser
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Intervention:
    """What the pages say of it, and which permission it takes."""

    title: str
    permission: str
    effect: str


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=LONGEST_REASON, min_length=3)


# On one row. Raises Refused, and has then changed nothing.
type Deed = Callable[[Any, Any, Mandate], None]


def intervention(title: str, *, permission: str, effect: str) -> Callable[[Deed], Any]:
    """Makes a method of an Intervening, which does something to one row, one of its `actions`.

    `effect` says on the page that asks for the reason what will come of it.
    """

    def decorate(deed: Deed) -> Any:
        @admin.action(
            description=title, location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
        )
        def act(
            self: "Intervening[Any]", request: HttpRequest, rows: QuerySet[Any]
        ) -> HttpResponseBase:
            return self.intervene(request, rows, deed, act)

        act.__name__ = deed.__name__
        act.__doc__ = deed.__doc__
        act.intervention = Intervention(title, permission, effect)  # type: ignore[attr-defined]
        return act

    return decorate


class Intervening[M: Model](QuickAdmin[M]):
    """Offers its `actions`, which are interventions."""

    def named(self, row: M) -> str:
        """How the page that asks for the reason names a row."""
        return str(row)

    def get_actions(
        self, request: HttpRequest, action_location: ActionLocation = ActionLocation.CHANGE_LIST
    ) -> dict[str, Any]:
        actions = super().get_actions(request, action_location=action_location)
        return {name: each for name, each in actions.items() if self._may(request, name)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._check_asked(request)
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        self._check_asked(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def intervene(
        self, request: HttpRequest, rows: QuerySet[M], deed: Deed, action: Any
    ) -> HttpResponseBase:
        """Asks for the reason; with it, does to each row what was asked for."""
        chosen = list(rows[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            self.message_user(
                request,
                f"That is more than {MOST_AT_ONCE} at once. Nothing was done: select fewer.",
                messages.ERROR,
            )
            return redirect(list_url(self.model))
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, chosen, form, action)
        mandate = Mandate(
            cast("AbstractUser", request.user), form.cleaned_data["reason"], timezone.now()
        )
        self._carry_out(request, chosen, mandate, deed, action.intervention.title)
        return redirect(_back(self.model, chosen))

    def _ask(
        self, request: HttpRequest, rows: Sequence[M], form: ReasonForm, action: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": action.intervention.title,
            "effect": action.intervention.effect,
            "form": form,
            "longest": LONGEST_REASON,
            "action": action.__name__,
            "checkbox": ACTION_CHECKBOX_NAME,
            "rows": [(row.pk, self.named(row)) for row in rows],
            "list_url": list_url(self.model),
            "back": _back(self.model, rows),
        }
        return TemplateResponse(request, "admin/intervention.html", context)

    def _carry_out(
        self, request: HttpRequest, rows: Sequence[M], mandate: Mandate, deed: Deed, title: str
    ) -> None:
        done = 0
        for row in rows:
            try:
                with transaction.atomic():
                    deed(self, row, mandate)
                    self.log_change(request, row, f"{title}: {mandate.reason}")
                done += 1
            except Refused as refused:
                words = f"{self.named(row)} It stays as it was: {refused}"
                self.message_user(request, words, messages.ERROR)
        if done:
            what = self.opts.verbose_name if done == 1 else self.opts.verbose_name_plural
            self.message_user(request, f"{title}: done, to {done} {what}.", messages.SUCCESS)

    def _may(self, request: HttpRequest, name: str) -> bool:
        rights: Intervention | None = getattr(getattr(self, name, None), "intervention", None)
        return rights is None or request.user.has_perm(rights.permission)

    def _check_asked(self, request: HttpRequest) -> None:
        """A form that asks for what its sender may not do is answered with 403, and not passed
        over."""
        asked = [name for key in _CHOICES for name in request.POST.getlist(key)]
        if any(name in (self.actions or ()) and not self._may(request, name) for name in asked):
            raise PermissionDenied


class InterveningAdmin[M: Model](Intervening[M], ReadOnlyAdmin[M]):
    """Shows rows, edits none, and offers its `actions`."""


def _back(model: type[Model], rows: Sequence[Model]) -> str:
    """To the page of the one row, or to the list."""
    if len(rows) == 1:
        return row_url(rows[0])
    return list_url(model)
