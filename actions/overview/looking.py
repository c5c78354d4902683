"""What a person looks at: a symbol with its quote, as fresh as it can be had."""

from collections.abc import Sequence
from datetime import datetime

from actions.engine import take_in
from market.directory import Listing
from market.models import Instrument, Quote
from market.quotes import is_fresh
from market.services import admit, calendar, looked_at, quote_max_age, quotes_within


class NoSuchSymbol(LookupError):
    """A symbol that nothing is listed under: `near` is what may be meant."""

    def __init__(self, symbol: str, near: Sequence[Listing]) -> None:
        self.symbol = symbol
        self.near = near
        super().__init__(f"{symbol} is no symbol that is traded here.")


def look_at(*, symbol: str, now: datetime) -> tuple[Instrument, Quote | None]:
    """The instrument and its latest quote, if there is one yet; for some minutes ticks keep it
    fresh. Raises NoSuchSymbol.

    The feed is asked where the market is open and nobody knows a price that is fresh: then this
    takes as long as a network call.
    """
    instrument = _instrument(symbol)
    quote = _quote_of(instrument)
    known = quote is not None and quote.as_of is not None
    if known and (_is_fresh(quote, now) or not calendar().is_open(now)):
        looked_at(symbols=[symbol], now=now)
        return instrument, quote
    quotes_within(symbols=[symbol], now=now, age=quote_max_age(), take_in=take_in)
    return instrument, Quote.objects.filter(instrument=instrument, price__isnull=False).first()


def _is_fresh(quote: Quote | None, now: datetime) -> bool:
    return bool(quote and quote.as_of and is_fresh(quote.as_of, now, quote_max_age()))


def _instrument(symbol: str) -> Instrument:
    known = Instrument.objects.select_related("quote")
    if "\0" not in symbol and (found := known.filter(pk=symbol).first()):
        return found
    unknown = admit(symbols=[symbol])
    if symbol in unknown:
        raise NoSuchSymbol(symbol, unknown[symbol])
    return known.get(pk=symbol)


def _quote_of(instrument: Instrument) -> Quote | None:
    return getattr(instrument, "quote", None)  # its row comes with the first who follows it
