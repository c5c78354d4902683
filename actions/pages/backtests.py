"""The pages of backtests: those that there are, a new one, and what one found."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import SignedIn, page_or_part, told
from accounts.models import User
from actions.backtesting.forms import BacktestForm, Subject
from actions.backtesting.runs import (
    BacktestEnded,
    TooManyBacktests,
    ask_for_backtest,
    backtests_in_short,
    cancel_backtest,
    delete_backtest,
    owned_backtest,
)
from actions.backtesting.terms import Terms, undated
from actions.drafting import Draft, parse
from actions.models import Action, Backtest, RuleDraft
from actions.pages.found import found_in
from actions.parts import InvalidRule
from actions.selectors import actions_of, owned_action
from actions.sentence import sentence
from actions.wizard.drafts import asker_for, owned_draft
from actions.wizard.outline import Outline
from actions.wizard.trial import portfolio_tried
from market.services import held_span, one_feed, unlisted
from portfolios.ledger import Snapshot
from portfolios.services import as_if_locked_by

A_PAGE = 20
MOST_RULES = 50  # to choose from


@login_required
def index(request: SignedIn) -> HttpResponseBase:
    """The user's backtests; HTMX asks for the part that moves."""
    page = Paginator(backtests_in_short(user=request.user), A_PAGE).get_page(
        request.GET.get("page")
    )
    page.object_list = list(page.object_list)
    context = {
        "zone": request.user.zone,
        "now": timezone.now(),
        "page": page,
        "moves": any(backtest.is_open for backtest in page.object_list),
    }
    return page_or_part(request, "actions/backtests/index.html", "live", context)


@login_required
@require_http_methods(["GET", "POST"])
@one_feed()
def new(request: SignedIn) -> HttpResponse:
    """The form for the rule that the address names; without one, the rules to choose from."""
    now = timezone.now()
    if "action" not in request.GET and "draft" not in request.GET:
        return _choice(request)
    try:
        subject = _subject(request, now)
    except (InvalidRule, ValueError) as wrong:
        messages.error(request, f"This rule cannot be tested: {wrong}")
        return redirect("backtest-new")
    form = BacktestForm(subject, request.POST or None, request.FILES or None)
    if form.is_valid() and (asked := _asked(request.user, form)):
        return redirect("backtest", asked.pk)
    context = {
        "form": form,
        "subject": subject,
        "sentence": sentence(subject.rule, request.user.zone),
    }
    return render(request, "actions/backtests/new.html", context)


def _choice(request: SignedIn) -> HttpResponse:
    rules = [
        (f"{reverse('backtest-new')}?action={action.pk}", action.sentence(request.user.zone))
        for action in actions_of(user=request.user)[:MOST_RULES]
    ]
    return render(request, "actions/backtests/choice.html", {"rules": rules})


def _asked(user: User, form: BacktestForm) -> Backtest | None:
    """None: it was refused, and the form says why."""
    try:
        return ask_for_backtest(user=user, wish=form.wish(), clock=timezone.now)
    except InvalidRule as invalid:
        for words in form.claim(invalid.errors).values():
            form.add_error(None, words)
    except TooManyBacktests as refused:
        form.add_error(None, str(refused))
    return None


def _subject(request: SignedIn, now: datetime) -> Subject:
    """The rule that the address names. Raises InvalidRule for one that cannot be."""
    draft, action_id = _named(request)
    rule = parse(draft, now, unlisted)
    mine = portfolio_tried(request.user, draft, rule, asker_for(user=request.user))
    portfolio = as_if_locked_by(portfolio=mine).snapshot if mine else Snapshot()
    held = held_span(symbols=rule.symbols, now=now) if rule.symbols else None
    return Subject(draft, rule, portfolio, held, action_id)


def _named(request: SignedIn) -> tuple[Draft, UUID | None]:
    user = request.user
    try:
        if "action" in request.GET:
            action = owned_action(user=user, action_id=UUID(request.GET["action"]))
            return undated(Draft.of(action)), action.pk
        stored = owned_draft(user=user, draft_id=UUID(request.GET["draft"]))
    except (ValueError, Action.DoesNotExist, RuleDraft.DoesNotExist):
        raise Http404("There is no such rule.") from None
    draft = Outline(stored.answers, asker_for(user=user)).draft()
    if draft is None:
        raise ValueError("Something is still missing.")
    return undated(draft), None


@login_required
def shown(request: SignedIn, backtest_id: UUID) -> HttpResponseBase:
    """A backtest: how far it is, and what it found; HTMX asks for the part that moves."""
    backtest = _mine(request.user, backtest_id)
    context = {
        "zone": request.user.zone,
        "now": timezone.now(),
        "backtest": backtest,
        "terms": Terms.model_validate(backtest.terms),
        "found": backtest.found,
        **found_in(backtest),
    }
    return page_or_part(request, "actions/backtests/detail.html", "live", context)


@login_required
@require_POST
def cancel(request: SignedIn, backtest_id: UUID) -> HttpResponse:
    """Ends a backtest that waits or is being played."""
    _mine(request.user, backtest_id)
    try:
        cancel_backtest(user=request.user, backtest_id=backtest_id, now=timezone.now())
    except BacktestEnded as ended:
        messages.info(request, str(ended))
    else:
        told(request, "Cancelled. What it had found until then is kept.")
    return redirect("backtest", backtest_id)


@login_required
@require_POST
def delete(request: SignedIn, backtest_id: UUID) -> HttpResponse:
    """Forgets a backtest."""
    try:
        delete_backtest(user=request.user, backtest_id=backtest_id)
    except Backtest.DoesNotExist:
        raise Http404("There is no such backtest.") from None
    told(request, "Deleted the backtest.")
    return redirect("backtests")


def _mine(user: User, backtest_id: UUID) -> Backtest:
    try:
        return owned_backtest(user=user, backtest_id=backtest_id)
    except Backtest.DoesNotExist:
        raise Http404("There is no such backtest.") from None
