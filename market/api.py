"""The market as it was last heard: quotes, and what can be traded."""

from datetime import datetime
from typing import Annotated

from django.urls import path
from django.utils import timezone
from pydantic import BaseModel, BeforeValidator, Field
from rest_framework.request import Request
from rest_framework.response import Response

from market.quotes import SYMBOL_PATTERN, Sample, is_fresh
from market.selectors import latest_quotes
from market.services import quote_max_age, search_symbols
from rest.answers import decimal_text
from rest.bodies import Query, read_query
from rest.problems import invalid
from rest.schema import described
from rest.scopes import Scope
from rest.views import ApiView

MOST_SYMBOLS = 100


class QuotesOf(Query):
    symbols: Annotated[str, BeforeValidator(str.upper)] = Field(
        pattern=rf"^{SYMBOL_PATTERN}(,{SYMBOL_PATTERN}){{0,{MOST_SYMBOLS - 1}}}$",
        max_length=17 * MOST_SYMBOLS,
        description=f"1 to {MOST_SYMBOLS} symbols, with commas between them.",
    )


class Quote(BaseModel):
    """The latest accepted quote. `fresh`: recent enough for rules to act on."""

    symbol: str
    price: str
    previous_close: str | None
    volume: int | None
    as_of: datetime
    fresh: bool
    interpolated: bool
    note: str


class Quotes(BaseModel):
    """The quotes that there are of what was asked for."""

    results: list[Quote]


class Named(Query):
    search: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="A symbol or its beginning, or words of a name."
    )


class Instrument(BaseModel):
    symbol: str
    name: str


class Instruments(BaseModel):
    """The best match first, ten at most."""

    results: list[Instrument]


class QuotesView(ApiView):
    @described("list_quotes", scope=Scope.READ, query=QuotesOf, answers=Quotes)
    def get(self, request: Request) -> Response:
        """The latest accepted quotes of some symbols. One that has none is absent."""
        symbols = read_query(QuotesOf, request).symbols.split(",")
        now = timezone.now()
        found = latest_quotes(symbols=symbols)
        return Response({"results": [_told(found[each], now) for each in symbols if each in found]})


class InstrumentsView(ApiView):
    @described("search_instruments", scope=Scope.READ, query=Named, answers=Instruments)
    def get(self, request: Request) -> Response:
        """What may be meant by a symbol, or by words of a name."""
        text = read_query(Named, request).search
        if not text.strip():
            raise invalid({"search": "Name something to search for."})
        found = search_symbols(text=text)
        return Response({"results": [{"symbol": one.symbol, "name": one.name} for one in found]})


def _told(quote: Sample, now: datetime) -> dict[str, object]:
    close = quote.previous_close
    return {
        "symbol": quote.symbol,
        "price": decimal_text(quote.price),
        "previous_close": None if close is None else decimal_text(close),
        "volume": quote.volume,
        "as_of": quote.as_of,
        "fresh": is_fresh(quote.as_of, now, quote_max_age()),
        "interpolated": quote.interpolated,
        "note": quote.note,
    }


urlpatterns = [
    path("quotes", QuotesView.as_view()),
    path("instruments", InstrumentsView.as_view()),
]
