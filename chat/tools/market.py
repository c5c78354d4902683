"""What is held, what it costs, and what the market does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StrictStr

from actions.fields import Symbol
from actions.selectors import symbols_concerning
from actions.sentence import in_zone
from actions.words import span
from chat.prices import bring
from chat.tools.base import Arguments
from chat.turn import Asker, Told
from market.quotes import Sample, is_fresh
from market.selectors import latest_quotes
from market.services import calendar, quote_max_age, search_symbols
from portfolios.models import Portfolio
from portfolios.money import format_price, format_quantity, format_usd, times
from portfolios.selectors import holdings_of, portfolios_of

MOST_SYMBOLS = 20
MOVERS = 5


class Nothing(Arguments):
    """Nothing is to be said."""


class Symbols(Arguments):
    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MOST_SYMBOLS)]


class Named(Arguments):
    text: Annotated[StrictStr, Field(min_length=1, max_length=100)] = Field(
        description="A symbol or its beginning, or words of a company's name."
    )


def get_portfolio(asker: Asker, given: Nothing) -> Told:
    told = [_portfolio(each) for each in portfolios_of(user=asker.user)]
    if not told:
        return Told("You have no portfolio yet: your first rule opens one.", {"portfolios": []})
    return Told("\n".join(_in_words(each) for each in told), {"portfolios": told})


def get_quote(asker: Asker, given: Symbols) -> Told:
    bring(symbols=given.symbols, now=asker.now)
    found = latest_quotes(symbols=given.symbols)
    lines = [
        _line(found[each], asker) if each in found else f"{each}: no price is known yet."
        for each in dict.fromkeys(given.symbols)
    ]
    return Told("\n".join(lines), {"quotes": lines})


def get_market_context(asker: Asker, given: Nothing) -> Told:
    """The session, what moves most of what the user holds or waits for, how old the prices are."""
    market, now, zone = calendar(), asker.now, asker.user.zone
    if market.is_open(now):
        session = f"The market is open until {in_zone(market.next_close(now), zone)}."
    else:
        session = f"The market is closed until {in_zone(market.next_open(now), zone)}."
    quotes = latest_quotes(symbols=symbols_concerning(user=asker.user))
    movers = sorted(
        quotes.values(), key=lambda quote: abs(_change(quote) or Decimal(0)), reverse=True
    )[:MOVERS]
    lines = [session, *(_line(quote, asker) for quote in movers)]
    if quotes:
        newest = max(quote.as_of for quote in quotes.values())
        lines.append(f"The newest of these prices is {_age(asker, newest)} old.")
    else:
        lines.append("You hold nothing and wait for nothing that has a price.")
    return Told("\n".join(lines), {"text": lines})


def search_symbol(asker: Asker, given: Named) -> Told:
    found = search_symbols(text=given.text)
    if not found:
        return Told(f"No symbol fits “{given.text[:40]}”.", {"found": []})
    told = [{"symbol": each.symbol, "name": each.name} for each in found]
    return Told("\n".join(f"- {each['symbol']}: {each['name']}" for each in told), {"found": told})


def _portfolio(portfolio: Portfolio) -> dict[str, Any]:
    holdings = list(holdings_of(portfolio=portfolio))
    quotes = latest_quotes(symbols={each.instrument_id for each in holdings})
    return {
        "name": portfolio.name,
        "cash": format_usd(portfolio.cash),
        "holdings": [
            {
                "symbol": each.instrument_id,
                "shares": format_quantity(each.quantity),
                "cost": format_usd(each.cost_basis),
                "value": _value(each.quantity, quotes.get(each.instrument_id)),
            }
            for each in holdings
        ],
    }


def _value(shares: Decimal, quote: Sample | None) -> str | None:
    return format_usd(times(shares, quote.price)) if quote else None


def _in_words(portfolio: dict[str, Any]) -> str:
    held: Sequence[dict[str, Any]] = portfolio["holdings"]
    lines = [
        f"- {each['shares']} {each['symbol']}, paid {each['cost']}, "
        + (f"worth {each['value']}" if each["value"] else "of no known price")
        for each in held
    ]
    return "\n".join([f"{portfolio['name']}: {portfolio['cash']} in cash.", *lines])


def _line(quote: Sample, asker: Asker) -> str:
    change = _change(quote)
    moved = "" if change is None else f", {change:+.1f} % on the day"
    stale = "" if is_fresh(quote.as_of, asker.now, quote_max_age()) else ", too old to act on"
    return (
        f"{quote.symbol}: {format_price(quote.price)}{moved}, {_age(asker, quote.as_of)} old{stale}"
    )


def _age(asker: Asker, at: datetime) -> str:
    return span(max(asker.now - at, timedelta(0)))


def _change(quote: Sample) -> Decimal | None:
    """In percent of the previous close."""
    if not quote.previous_close:
        return None
    return (quote.price / quote.previous_close - 1) * 100


def _moved(quote: Sample) -> Decimal:
    return abs(_change(quote) or Decimal(0))
