"""The pages on which a portfolio is changed. What shows it lies above: it knows of rules, too."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import SignedIn, back, told
from portfolios.forms import NEW_FORM, LimitsForm, MoneyForm, NameForm, OnceForm
from portfolios.ledger import Refusal
from portfolios.models import Portfolio, Transaction
from portfolios.money import format_usd
from portfolios.once import Done, KeyReused, done_once
from portfolios.selectors import owned_portfolio, portfolios_of
from portfolios.services import (
    deposit,
    make_primary,
    open_portfolio,
    pause_portfolio,
    primary_portfolio,
    rename_portfolio,
    set_limits,
    unpause_portfolio,
    withdraw,
)

form_page = require_http_methods(["GET", "POST"])


def no_such_portfolio() -> Http404:
    return Http404("You have no such portfolio.")


def mine(request: SignedIn, portfolio_id: UUID) -> Portfolio:
    """The user's portfolio. Raises Http404 for another's."""
    try:
        return owned_portfolio(user=request.user, portfolio_id=portfolio_id)
    except Portfolio.DoesNotExist:
        raise no_such_portfolio() from None


def home(portfolio: Portfolio) -> HttpResponseRedirect:
    return redirect("one-portfolio", portfolio_id=portfolio.pk)


def tell_done(request: SignedIn, done: Done, words: str) -> None:
    """Says what a wish led to, or that it had been done before."""
    if done.before:
        told(
            request,
            f"This was done already, and was not done again: {words}",
            tone=messages.WARNING,
        )
    else:
        told(request, words)


def attempt(
    form: OnceForm,
    portfolio: Portfolio,
    wanted: str,
    do: Callable[[], Transaction | Refusal],
    field: str,
) -> Done | None:
    """Carries out what a valid form asks for, once. None: it was not, and the form says why."""
    try:
        done = done_once(portfolio=portfolio, key=form.once, wanted=wanted, do=do)
    except KeyReused:
        form.add_error(None, NEW_FORM)
        form.renew_key()
        return None
    if isinstance(done, Refusal):
        form.add_error(field, done.message)
        return None
    return done


@login_required
@form_page
def deposit_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    return _money(request, mine(request, portfolio_id), "deposit")


@login_required
@form_page
def withdraw_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    return _money(request, mine(request, portfolio_id), "withdraw")


_MOVES: dict[str, tuple[Callable[..., Transaction | Refusal], str]] = {
    "deposit": (deposit, "Deposited"),
    "withdraw": (withdraw, "Withdrew"),
}


def _money(request: SignedIn, portfolio: Portfolio, what: str) -> HttpResponse:
    posted = request.method == "POST"
    form = MoneyForm(request.POST) if posted else MoneyForm.empty()
    if form.is_valid() and (done := _moved(form, portfolio, what)):
        words = f"{_MOVES[what][1]} {format_usd(abs(done.line.amount))}."
        tell_done(request, done, f"{words} Cash then: {format_usd(done.line.cash_after)}.")
        return home(portfolio)
    return _form_page(request, form, portfolio, what)


def _moved(form: OnceForm, portfolio: Portfolio, what: str) -> Done | None:
    amount, note = form.cleaned_data["amount"], form.cleaned_data["note"]
    move, at = _MOVES[what][0], timezone.now()
    return attempt(
        form,
        portfolio,
        f"{what} {amount:.2f} {note}"[:200],
        lambda: move(portfolio=portfolio, amount=amount, at=at, note=note),
        field="amount",
    )


@login_required
@form_page
def limits_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    portfolio = mine(request, portfolio_id)
    names = ("order_least", "order_most", "day_executions", "day_usd")
    present = {name: getattr(portfolio, name) for name in names}
    form = LimitsForm(request.POST if request.method == "POST" else None, initial=present)
    if form.is_valid():
        set_limits(portfolio_id=portfolio.pk, limits=form.limits())
        told(request, f"The limits of {portfolio.name} are set, from the next execution on.")
        return home(portfolio)
    return _form_page(request, form, portfolio, "limits")


@login_required
@form_page
def rename_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    portfolio = mine(request, portfolio_id)
    before = portfolio.name
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": before})
    if form.is_valid():
        try:
            rename_portfolio(portfolio=portfolio, name=form.cleaned_data["name"])
        except ValidationError as wrong:
            _tell_name(form, wrong)
        else:
            told(request, f"{before} is now called {portfolio.name}.")
            return home(portfolio)
    portfolio.name = before
    return _form_page(request, form, portfolio, "rename")


@login_required
@form_page
def open_page(request: SignedIn) -> HttpResponse:
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            portfolio = open_portfolio(user=request.user, name=form.cleaned_data["name"])
        except ValidationError as wrong:
            _tell_name(form, wrong)
        else:
            told(request, f"Opened {portfolio.name}. Deposit something, and it can trade.")
            return home(portfolio)
    return _form_page(request, form, None, "open")


@login_required
@require_POST
def primary_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    portfolio = mine(request, portfolio_id)
    make_primary(portfolio=portfolio)
    told(
        request,
        f"{portfolio.name} is your primary portfolio: new rules trade in it unless you choose "
        "another. Those that there are stay where they are.",
    )
    return home(portfolio)


@login_required
@require_POST
def pause_page(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    """Pauses the rules of one portfolio, or lets them go on: `paused` is "on" or absent."""
    portfolio = mine(request, portfolio_id)
    if request.POST.get("paused") == "on":
        pause_portfolio(portfolio_id=portfolio.pk)
        told(request, f"The rules of {portfolio.name} are paused.", undo=request.path)
    else:
        unpause_portfolio(portfolio_id=portfolio.pk)
        told(request, f"The rules of {portfolio.name} go on.")
    return home(portfolio)


@login_required
@require_POST
def pause_everything(request: SignedIn) -> HttpResponse:
    """Pauses the rules of all the user's portfolios, or lets them go on: `paused` is "on" or
    absent. `next` is where to go then."""
    paused = request.POST.get("paused") == "on"
    primary_portfolio(user=request.user)  # that which rules belong to that name none
    for portfolio in portfolios_of(user=request.user).order_by("id"):
        if paused:
            pause_portfolio(portfolio_id=portfolio.pk)
        else:
            unpause_portfolio(portfolio_id=portfolio.pk)
    if paused:
        told(request, "All your rules are paused.", undo=request.path)
    else:
        told(request, "Your rules go on.")
    return back(request, otherwise=reverse("actions"))


def _tell_name(form: NameForm, wrong: ValidationError) -> None:
    for words in wrong.messages:
        form.add_error("name", words)


_HEADINGS = {
    "deposit": ("Deposit", "Deposit"),
    "withdraw": ("Withdraw", "Withdraw"),
    "limits": ("Limits", "Set limits"),
    "rename": ("Rename", "Rename"),
    "open": ("Open another portfolio", "Open"),
}


def _form_page(
    request: SignedIn, form: forms.BaseForm, portfolio: Portfolio | None, what: str
) -> HttpResponse:
    heading, button = _HEADINGS[what]
    context: dict[str, Any] = {
        "form": form,
        "portfolio": portfolio,
        "what": what,
        "heading": heading,
        "button": button,
    }
    return render(request, "portfolios/form.html", context)
