"""The list of rules."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import EmptyPage, Page, PageNotAnInteger
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from accounts.models import User
from actions.models import Action
from actions.pages.lines import lines
from actions.pages.query import KINDS, SORTS, ListQuery, Pages, symbols_of_rules
from actions.registry import action_types, trigger_types
from actions.wizard.examples import examples_to_open
from actions.wizard.forms import in_order
from market.services import one_feed

_ALWAYS_OFFERED = ("", Action.Statuses.ACTIVE, Action.Statuses.PAUSED)


@login_required
@one_feed()
def index(request: SignedIn) -> HttpResponseBase:
    """The rules that the address asks for; HTMX asks for the part that moves."""
    user, now = request.user, timezone.now()
    asked = ListQuery.of(request.GET)
    counts = asked.counts(user)
    total = counts.get(asked.status, 0) if asked.status else sum(counts.values())
    page, missing = _page(Pages(asked, user, count=total), request.GET.get("page", "1"))
    shown = list(page.object_list) if page else []
    context: dict[str, object] = {
        "zone": user.zone,
        "now": now,
        "asked": asked,
        "chips": _chips(request.GET, asked, counts),
        "page": page,
        "missing": missing,
        "lines": lines(actions=shown, zone=user.zone, now=now) if shown else [],
        "kinds": KINDS.items(),
        "sorts": [(key, words) for key, (words, _) in SORTS.items()],
    }
    if not request.htmx:
        context |= _offers(user)
    if not total and not asked.narrows:
        context["examples"] = examples_to_open(user=user)
    answer = page_or_part(request, "actions/index.html", "live", context)
    if missing and not request.htmx and isinstance(answer, HttpResponse):
        answer.status_code = 404
    return answer


def _page(pages: Pages, number: str) -> tuple[Page[Action] | None, str]:
    """The page; or in words why there is none."""
    try:
        return pages.page(number), ""
    except PageNotAnInteger:
        return None, f"“{number[:20]}” is no number of a page."
    except EmptyPage:
        count = pages.num_pages
        there_are = "only one page" if count == 1 else f"{count} pages"
        return None, f"There is no page {number[:20]}: the list has {there_are}."


def _chips(
    asked_for: QueryDict, asked: ListQuery, counts: dict[str, int]
) -> Sequence[dict[str, Any]]:
    chips = []
    for status, label in (("", "All"), *Action.Statuses.choices):
        count = counts.get(status, 0) if status else sum(counts.values())
        if not count and status not in _ALWAYS_OFFERED and status != asked.status:
            continue
        query = asked_for.copy()
        query.pop("page", None)
        query.pop("status", None)
        if status:
            query["status"] = status
        url = f"{reverse('actions')}?{query.urlencode()}" if query else reverse("actions")
        chips.append({"label": label, "count": count, "url": url, "here": status == asked.status})
    return chips


def _offers(user: User) -> dict[str, object]:
    """What the filters offer to choose from."""
    return {
        "symbols": symbols_of_rules(user),
        "action_types": [(key, effect.title) for key, effect in in_order(action_types())],
        "trigger_types": [(key, trigger.title) for key, trigger in in_order(trigger_types())],
    }
