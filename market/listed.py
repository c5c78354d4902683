"""Which symbols there are: instruments, and for a live feed all that the directory lists."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from market.asking import ask_once
from market.directory import Directory, Listing, shipped
from market.errors import ProviderError, UnknownSymbol
from market.feed import provider
from market.models import Instrument
from market.providers import Company, WebProvider
from market.providers.replay import Replay
from market.quotes import SYMBOL_PATTERN

_is_symbol = re.compile(SYMBOL_PATTERN).fullmatch


def admit(*, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]:
    """Makes sure that each symbol is an instrument, adding those that the directory lists.

    Returns those that are none and cannot be, each with what may be meant instead: what is not
    listed, and what has been switched off. A replay knows what it has bars of, and adds nothing.
    """
    new, refused = _sorted_out(symbols)
    if new:
        Instrument.objects.bulk_create(
            [Instrument(symbol=listing.symbol, name=listing.name) for listing in new],
            ignore_conflicts=True,
        )
    return refused


def unlisted(*, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]:
    """What `admit` would return. Adds nothing."""
    return _sorted_out(symbols)[1]


def _sorted_out(
    symbols: Collection[str],
) -> tuple[Sequence[Listing], Mapping[str, Sequence[Listing]]]:
    """The symbols that are no instruments yet but may be, and those that cannot be."""
    possible = [symbol for symbol in symbols if _is_symbol(symbol)]
    known = dict(Instrument.objects.filter(symbol__in=possible).values_list("symbol", "is_active"))
    unknown = [symbol for symbol in symbols if not known.get(symbol, False)]
    if not unknown:
        return [], {}
    directory = _directory()
    found = {symbol: directory.get(symbol) for symbol in unknown if symbol not in known}
    new = [listing for listing in found.values() if listing is not None]
    added = {listing.symbol for listing in new}
    return new, {symbol: directory.near(symbol) for symbol in unknown if symbol not in added}


def learn(*, symbol: str, now: datetime) -> Instrument:
    """Adds an instrument that the live feed knows, whether or not the directory lists it.

    Raises UnknownSymbol where the feed does not, ProviderError where it does not answer or plays
    what is recorded. Belongs outside any transaction: it asks the network.
    """
    feed = provider()
    if not isinstance(feed, WebProvider):
        raise ProviderError(f"{feed.name}: only a live feed can be asked for other symbols.")
    if not _is_symbol(symbol):
        raise UnknownSymbol(f"{symbol!r} is no symbol.")
    answer = ask_once(feed, symbol=symbol, now=now)
    if not answer.samples:
        why = "; ".join(complaint.words for complaint in answer.complaints)
        raise UnknownSymbol(f"{feed.name} has no quote of {symbol}: {why}")
    company = answer.companies.get(symbol, Company())
    listing = shipped().get(symbol)
    name = listing.name if listing else company.name
    instrument, _ = Instrument.objects.get_or_create(
        symbol=symbol,
        defaults={"name": name[:200], "currency": company.currency[:3] or "USD"},
    )
    return instrument


def search_symbols(*, text: str, limit: int = 10) -> Sequence[Listing]:
    """What may be meant by the beginning of a symbol or words of a name, best first."""
    return _directory().search(text, limit)


def _directory() -> Directory:
    """The instruments; with a live feed what is listed too, read from the file once a process."""
    rows = Instrument.objects.filter(is_active=True).order_by("symbol")
    own = [Listing(symbol, name, large=True) for symbol, name in rows.values_list("symbol", "name")]
    if Replay.name == settings.MARKET_PROVIDER:
        return Directory(own)
    lists = shipped()
    extra = [listing for listing in own if lists.get(listing.symbol) is None]
    return lists if not extra else lists.extended(extra)
