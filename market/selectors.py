"""What the market's tables say, as plain values."""

from collections.abc import Collection

from market.models import Instrument, Quote
from market.quotes import Sample


def latest_quotes(*, symbols: Collection[str]) -> dict[str, Sample]:
    """The latest accepted quote of each of these symbols that has one, whatever its age."""
    quotes = Quote.objects.filter(instrument__in=symbols)
    samples = (quote.sample() for quote in quotes)
    return {sample.symbol: sample for sample in samples if sample is not None}


def known_symbols() -> list[str]:
    """The symbols that are offered for rules, in order."""
    return list(
        Instrument.objects.filter(is_active=True)
        .order_by("symbol")
        .values_list("symbol", flat=True)
    )
