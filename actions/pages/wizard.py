"""The wizard: five steps to a rule, or to a rule that is different.

What is typed is kept in a RuleDraft. Until something is sent there is none yet, only what the
address says: an example, or the rule that is edited. A page that is opened so carries the id that
its draft will have, so that sending it twice makes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.http import SignedIn, told
from actions.lifecycle import TransitionRefused
from actions.models import Action, RuleDraft
from actions.pages.held import held_for, hold
from actions.pages.showing import context_of
from actions.parts import InvalidRule
from actions.services import EditRefused, RuleChanged
from actions.wizard.drafts import (
    Incomplete,
    asker_for,
    edit_draft,
    keep_typed,
    new_draft,
    owned_draft,
    use_draft,
    write_answers,
)
from actions.wizard.examples import examples
from actions.wizard.outline import ASKING, Outline, Page, answers_of, kept
from actions.wizard.prices import look_up
from market.selectors import latest_quotes
from market.services import one_feed, search_symbols

SYMBOLS_OFFERED = 8
_PRICED = {Page.TARGET, Page.CONDITION, Page.REVIEW}  # pages that show what something costs


@dataclass(frozen=True, slots=True)
class Visit:
    """A page of the wizard as somebody has opened it."""

    request: SignedIn
    page: Page
    draft: RuleDraft
    outline: Outline
    now: datetime

    def url(self, page: Page) -> str:
        """Where another page of the same draft is."""
        query = f"draft={self.draft.pk}"
        if self.draft._state.adding:  # there is none to name yet: what it began from is named again
            query = self.request.GET.urlencode()
        if self.draft.action_id:
            path = reverse("action-edit", args=[self.draft.action_id, page])
        else:
            path = reverse("action-new", args=[page])
        return f"{path}?{query}" if query else path


@require_http_methods(["GET", "POST"])
def wizard(request: HttpRequest, step: str = "", action_id: UUID | None = None) -> HttpResponseBase:
    """A page of the wizard. What is sent by who is no longer signed in is held until they are."""
    if request.method == "POST" and not request.user.is_authenticated:
        hold(request)
    return _wizard(cast("SignedIn", request), step, action_id)


@login_required
def _wizard(request: SignedIn, step: str, action_id: UUID | None) -> HttpResponseBase:
    now = timezone.now()
    draft = _draft(request, action_id, now)
    if draft.made is not None:
        return _used(request, draft.made)
    if draft.action is not None and draft.action.status in {"completed", "cancelled"}:
        messages.error(request, f"The rule is {draft.action.status}, and stays as it was.")
        return redirect("action", draft.action.pk)
    outline = Outline(draft.answers, asker_for(user=request.user))
    page = _page(step, outline, opened=request.GET.get("draft") is not None)
    visit = Visit(request, page, draft, outline, now)
    if not outline.reachable(page):
        messages.info(request, "One thing after the other: this comes first.")
        return redirect(visit.url(outline.first_open()))
    if not step and request.GET.get("draft") and request.method == "GET":
        return redirect(visit.url(page))
    if request.method == "GET":
        if page in _PRICED:
            look_up(outline=outline, charted=page is not Page.TARGET, now=now)
        return _shown(visit)
    if request.htmx:
        return _preview(visit)
    return _make(visit) if page is Page.REVIEW else _sent(visit)


def _page(step: str, outline: Outline, *, opened: bool) -> Page:
    if not step:
        return outline.first_open() if opened else Page.ACTION
    try:
        return Page(step)
    except ValueError:
        raise Http404(f"There is no step {step}.") from None


def _draft(request: SignedIn, action_id: UUID | None, now: datetime) -> RuleDraft:
    """The draft that the address names, or one that begins: empty, filled in, or as a rule is."""
    named = request.GET.get("draft") or request.POST.get("draft")
    if named:
        try:
            draft = owned_draft(user=request.user, draft_id=UUID(named))
        except ValueError:
            raise Http404("There is no such draft.") from None
        except RuleDraft.DoesNotExist:
            if request.GET.get("draft") or RuleDraft.objects.filter(pk=named).exists():
                raise Http404("There is no such draft.") from None
        else:
            if draft.action_id != action_id:
                raise Http404("There is no such draft.")
            return draft
    draft = _begun(request, action_id, now)
    if named:
        draft.pk = UUID(named)
        draft.version = request.POST.get("version", "")[:64] or draft.version
    return draft


def _begun(request: SignedIn, action_id: UUID | None, now: datetime) -> RuleDraft:
    if action_id is not None:
        try:
            return edit_draft(user=request.user, action_id=action_id, now=now)
        except Action.DoesNotExist:
            raise Http404("There is no such rule.") from None
    example = examples().get(request.GET.get("example", ""))
    answers = answers_of(example, asker_for(user=request.user)) if example else {}
    symbol = request.GET.get("symbol", "").replace("\0", "")[:16]
    if symbol:
        answers[Page.TARGET] = {**answers.get(Page.TARGET, {}), "symbol": [symbol.upper()]}
    return new_draft(user=request.user, now=now, answers=answers)


# --- Shown ---


@one_feed(may_ask=False)
def _shown(
    visit: Visit,
    *,
    wrong: Mapping[str, str] | None = None,
    form: object = None,
    outdated: bool = False,
) -> HttpResponse:
    """The page. `outdated`: the rule was changed elsewhere since its edit began."""
    if form is None and visit.page in ASKING and (typed := held_for(visit.request)) is not None:
        visit = _with_typed(visit, kept(typed, visit.outline.form(visit.page)))
    context = {**_context(visit, wrong=wrong, form=form), "outdated": outdated}
    return render(visit.request, "actions/wizard/page.html", context)


@one_feed(may_ask=False)
def _preview(visit: Visit) -> HttpResponse:
    """The sentence while somebody types; what they have typed is kept."""
    if visit.page is not Page.REVIEW:
        typed = kept(dict(visit.request.POST.lists()), visit.outline.form(visit.page))
        revision = visit.request.POST.get("revision", "")
        if revision.isascii() and revision.isdigit() and len(revision) < 9:
            key = visit.outline.key(visit.page)
            keep_typed(
                draft=visit.draft, revision=int(revision), key=key, typed=typed, now=visit.now
            )
        visit = _with_typed(visit, typed)
    return render(visit.request, "actions/wizard/page.html#preview", _context(visit))


def _with_typed(visit: Visit, typed: Mapping[str, Any]) -> Visit:
    outline = visit.outline.with_answers(visit.page, typed)
    return Visit(visit.request, visit.page, visit.draft, outline, visit.now)


def _context(
    visit: Visit, *, wrong: Mapping[str, str] | None = None, form: object = None
) -> dict[str, object]:
    return context_of(
        user=visit.request.user,
        page=visit.page,
        draft=visit.draft,
        outline=visit.outline,
        now=visit.now,
        url=visit.url,
        wrong=wrong or {},
        form=form,
    )


# --- Sent ---


def _sent(visit: Visit) -> HttpResponse:
    """Keeps what was typed, and goes on if it makes sense."""
    typed = kept(dict(visit.request.POST.lists()), visit.outline.form(visit.page))
    key = visit.outline.key(visit.page)
    stored = write_answers(draft=visit.draft, key=key, typed=typed, now=visit.now)
    visit = Visit(
        visit.request,
        visit.page,
        stored,
        Outline(stored.answers, visit.outline.asker),
        visit.now,
    )
    go = visit.request.POST.get("go")
    if go == "back" and visit.page.before:
        return redirect(visit.url(visit.page.before))
    if go == "more":
        return redirect(visit.url(visit.page))
    form = visit.outline.form(visit.page)
    if form.is_valid():
        form.claim(visit.outline.problems(visit.request.user, visit.now))
    if form.is_valid():
        return redirect(visit.url(Page.REVIEW if go == "review" else visit.page.after))
    return _shown(visit, form=form)


def _make(visit: Visit) -> HttpResponse:
    """Makes the rule, once."""
    edited = visit.draft.action is not None
    try:
        action = use_draft(draft=visit.draft, now=visit.now)
    except InvalidRule as invalid:
        return _shown(visit, wrong=invalid.errors)
    except RuleChanged:
        return _shown(visit, outdated=True)
    except (Incomplete, EditRefused, TransitionRefused) as refused:
        return _shown(visit, wrong={"": str(refused)})
    words = "Saved: " if edited else "Created: "
    told(visit.request, words + action.sentence(visit.request.user.zone))
    return redirect("action", action.pk)


def _used(request: SignedIn, made: Action) -> HttpResponseRedirect:
    messages.info(request, "This has become a rule already: here it is.")
    return redirect("action", made.pk)


@login_required
def symbols(request: SignedIn) -> HttpResponse:
    """What may be meant by what is being typed, with names and prices: options of a list."""
    typed = next(
        (text for name in ("q", "symbol", "targets.name") if (text := request.GET.get(name))), ""
    )
    found = search_symbols(text=typed[:60], limit=SYMBOLS_OFFERED)
    quotes = latest_quotes(symbols=[listing.symbol for listing in found])
    options = [(listing, quotes.get(listing.symbol)) for listing in found]
    return render(request, "actions/wizard/symbols.html", {"options": options})
