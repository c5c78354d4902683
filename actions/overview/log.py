"""The Actions Log: all that the rules did, and why, or why not."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.http import SignedIn, page_or_part, told
from accounts.models import User
from actions.journal import (
    Place,
    Wanted,
    log_as_csv,
    log_of,
    log_page,
    portfolio_of,
    traded,
)
from actions.models import ActionExecution
from actions.pages.query import KINDS
from actions.registry import action_types
from portfolios.models import Portfolio
from portfolios.selectors import portfolios_of

PAGE_SIZE = 50
_DAY = timedelta(days=1)
_CHUNK = 500  # rows that the database hands over at once

STATUSES = [("", "Any outcome"), ("success", "Done"), ("failed", "Refused")]


class LogFilter(forms.Form):
    """What is shown of the log. Days are those of the user's zone."""

    status = forms.ChoiceField(label="Outcome", choices=STATUSES, required=False)
    action_type = forms.ChoiceField(label="What it does", required=False)
    symbol = forms.CharField(label="Symbol", max_length=16, required=False)
    portfolio = forms.ModelChoiceField(
        Portfolio.objects.none(), label="Portfolio", required=False, empty_label="Any portfolio"
    )
    rehearsal = forms.ChoiceField(label="Kind", choices=list(KINDS.items()), required=False)
    since = forms.DateField(
        label="From",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        label="To",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = user.zone
        self.fields["portfolio"].queryset = portfolios_of(user=user)  # type: ignore[attr-defined]
        types = [(key, key.capitalize()) for key in sorted(action_types())]
        self.fields["action_type"].choices = [("", "Anything"), *types]  # type: ignore[attr-defined]

    def clean_symbol(self) -> str:
        return str(self.cleaned_data["symbol"]).strip().upper()

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before the first one. Choose a later day.")
        return self.cleaned_data

    def wanted(self) -> Wanted:
        """What was asked for, without the fields that are wrong."""
        self.is_valid()
        given = self.cleaned_data
        until = given.get("until")
        return Wanted(
            status=given.get("status", ""),
            symbol=given.get("symbol", ""),
            action_type=given.get("action_type", ""),
            portfolio=given.get("portfolio"),
            rehearsal={"yes": True, "no": False}.get(given.get("rehearsal", "")),
            since=self._midnight(given.get("since")),
            until=self._midnight(until + _DAY) if until and until < date.max else None,
        )

    def _midnight(self, day: date | None) -> datetime | None:
        return datetime.combine(day, time(), self._zone) if day else None


@login_required
def log(request: SignedIn) -> HttpResponseBase:
    """A page of the log; the newest one refreshes itself."""
    user = request.user
    form = LogFilter(request.GET or {}, user=user)
    wanted = form.wanted()
    try:
        before, after = _place(request, "before"), _place(request, "after")
    except ValueError:
        told(request, "That page of the log does not exist. This is the newest.")
        return redirect("log")
    page = log_page(user=user, wanted=wanted, size=PAGE_SIZE, before=before, after=after)
    context = {
        "now": timezone.now(),
        "zone": user.zone,
        "form": form,
        "filtered": wanted != Wanted(),
        "beyond": before or after,
        "page": page,
        "lines": [_line(each, user) for each in page.executions],
        "csv": f"{reverse('log-csv')}?{request.GET.urlencode()}",
    }
    return page_or_part(request, "overview/log.html", "live", context)


@login_required
def log_csv(request: SignedIn) -> StreamingHttpResponse:
    """All that the filters leave, as a file, sent while it is read."""
    user = request.user
    wanted = LogFilter(request.GET or {}, user=user).wanted()
    rows = log_of(user=user, wanted=wanted).iterator(chunk_size=_CHUNK)
    answer = StreamingHttpResponse(log_as_csv(rows, user.zone), content_type="text/csv")
    day = timezone.now().astimezone(user.zone).date()
    answer["Content-Disposition"] = f'attachment; filename="actions-log-{day}.csv"'
    return answer


def _place(request: SignedIn, name: str) -> Place | None:
    text = request.GET.get(name)
    return Place.read(text) if text else None


def _line(execution: ActionExecution, user: User) -> dict[str, Any]:
    details = execution.details
    return {
        "execution": execution,
        "done": details.get("summary") or execution.get_execution_status_display(),
        "trades": traded(details),
        "reason": details.get("reason", ""),
        "sentence": details.get("rule") or execution.action.sentence(user.zone),
        "portfolio": portfolio_of(execution),
    }
