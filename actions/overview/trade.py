"""To buy or to sell now, at the price of now."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.http import SignedIn
from actions.overview.looking import NoSuchSymbol, look_at
from market.models import Quote
from market.quotes import is_fresh
from market.services import quote_max_age
from portfolios.forms import TradeForm
from portfolios.ledger import Refusal, Side, shares_for_amount
from portfolios.models import Portfolio, Transaction
from portfolios.money import format_price, format_quantity, format_usd
from portfolios.once import Done
from portfolios.prices import NotNow, tradable_quote
from portfolios.selectors import holdings_of
from portfolios.services import primary_portfolio, trade
from portfolios.views import attempt, form_page, home, mine, tell_done


@login_required
def trade_primary(request: SignedIn) -> HttpResponse:
    """Leads to the form of the user's primary portfolio."""
    path = reverse("trade", args=[primary_portfolio(user=request.user).pk])
    return redirect(f"{path}?{request.GET.urlencode()}")


@login_required
@form_page
def trade_now(request: SignedIn, portfolio_id: UUID) -> HttpResponse:
    """The form, with what is held and can be afforded of the `symbol` that it is opened with."""
    portfolio, now = mine(request, portfolio_id), timezone.now()
    if request.method == "POST":
        form = TradeForm(request.POST)
        if form.is_valid() and (done := _traded(form, portfolio, now)):
            tell_done(request, done, _in_words(done.line))
            return home(portfolio)
    else:
        side = request.GET.get("side", "").upper()
        form = TradeForm.empty(
            symbol=request.GET.get("symbol", "")[:16].upper(),
            side=side if side in set(Side) else Side.BUY.value,
        )
    context = {"form": form, "portfolio": portfolio, "now": now, "zone": request.user.zone}
    symbol = str(form["symbol"].value() or "").strip().upper()
    return render(request, "portfolios/trade.html", context | _standing(portfolio, symbol, now))


def _traded(form: TradeForm, portfolio: Portfolio, now: datetime) -> Done | None:
    """The trade of a valid form; None: it was not made, and the form says why."""
    given = form.cleaned_data
    symbol, quantity, amount = given["symbol"], given["quantity"], given["amount"]
    try:
        look_at(symbol=symbol, now=now)
        price = tradable_quote(symbol=symbol, now=now).price
    except NoSuchSymbol as unknown:
        form.add_error("symbol", _instead(unknown))
        return None
    except NotNow as not_now:
        form.add_error(None, f"{not_now} Nothing was traded.")
        return None
    shares = shares_for_amount(amount, price) if quantity is None else quantity
    size = f"{format_usd(amount)} of" if quantity is None else format_quantity(quantity)

    def do() -> Transaction | Refusal:
        return trade(
            portfolio=portfolio,
            side=Side(given["side"]),
            symbol=symbol,
            quantity=shares,
            price=price,
            at=now,
        )

    field = "quantity" if amount is None else "amount"
    return attempt(form, portfolio, f"{given['side']} {size} {symbol}", do, field)


def _instead(unknown: NoSuchSymbol) -> str:
    near = ", ".join(f"{one.symbol} ({one.name})" for one in unknown.near)
    return f"{unknown} Did you mean {near}?" if near else str(unknown)


def _standing(portfolio: Portfolio, symbol: str, now: datetime) -> dict[str, Any]:
    """What is known of the symbol, if it is one: its price, what is held and can be bought."""
    if not symbol:
        return {}
    try:
        instrument, quote = look_at(symbol=symbol, now=now)
    except NoSuchSymbol:
        return {}
    held = holdings_of(portfolio=portfolio).filter(instrument=instrument).first()
    return {
        "instrument": instrument,
        "quote": quote,
        "fresh": bool(quote and quote.as_of and is_fresh(quote.as_of, now, quote_max_age())),
        "held": held,
        "affordable": _affordable(portfolio.cash, quote),
    }


def _affordable(cash: Decimal, quote: Quote | None) -> Decimal | None:
    return shares_for_amount(cash, quote.price) if quote and quote.price else None


def _in_words(line: Transaction) -> str:
    verb = "Bought" if line.amount < 0 else "Sold"
    shares, price = line.quantity or Decimal(0), line.price or Decimal(0)
    return (
        f"{verb} {format_quantity(abs(shares))} {line.instrument_id} at {format_price(price)} for "
        f"{format_usd(abs(line.amount))}. Cash then: {format_usd(line.cash_after)}."
    )
